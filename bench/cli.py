"""The command line: parse, call, print. Heavy imports stay inside the commands, so that help answers at once."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from bench.errors import BenchError, TeamBroken
from bench.executors import options as jobs
from bench.restore import options
from bench.team import find_team

if TYPE_CHECKING:
    from bench.executors.engine import Engine

app = typer.Typer(
    add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False,
    help="Train, ablate, measure and report image restoration methods.",
)  # fmt: skip

SuitePath = Annotated[Path, typer.Argument(help="A suite, such as suites/deblur.yaml.", show_default=False)]
ProfileName = Annotated[str, typer.Option("--profile", "-p", help="Profile of the suite: quick, lab, paper.")]
Assignments = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Override a field, such as ugpnet.fusion.lambda_per=5."),
]
ResultsFolder = Annotated[Path, typer.Option("--results", help="Where results and the store of finished work are.")]
Loaders = Annotated[int, typer.Option("--loaders", min=0, help="Processes that prepare each training's batches.")]
Storage = Annotated[
    str | None,
    typer.Option(metavar="URL", help="A database for the study, as Optuna names it; else a file beside the results."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the space and what a trial costs; run nothing.")]
RunFolder = Annotated[
    Path, typer.Argument(help="A finished run, such as results/deblur/quick-1a2b3c4d.", show_default=False)
]
FigureImages = Annotated[
    list[str] | None, typer.Option(metavar="ID...", help="Images of the run's test sets.", show_default=False)
]
MoreImages = Annotated[list[str] | None, typer.Argument(hidden=True)]  # what follows the first of `--images a b c`
FigureCrops = Annotated[
    list[str] | None,
    typer.Option(metavar="[ID:]X,Y,W,H", help="A zoomed box in pixels, of one image or of all; up to three for each."),
]
FigureRows = Annotated[
    list[str] | None, typer.Option(metavar="LABEL", help="A row of the run's table; repeat for more, in your order.")
]
FigureFolder = Annotated[Path | None, typer.Option(help="Where to write, if not over the run's own figures.")]
FigureFormats = Annotated[str, typer.Option(metavar="LIST", help="Of png, pdf and svg.")]
Oracles = Annotated[list[Path] | None, typer.Argument(help="Oracle folders, or folders of them.", show_default=False)]

FAILED, INVALID = 1, 2


@app.command()
def run(suite: SuitePath, profile: ProfileName = "quick", assignments: Assignments = None,
        results: ResultsFolder = Path("results"), workers: jobs.Workers = None, processes: jobs.Processes = 1,
        loaders: Loaders = 0, engine: jobs.Engine = jobs.EngineName.LOCAL, address: jobs.Address = None,
        job_cpus: jobs.JobCpus = None, job_gpus: jobs.JobGpus = None) -> None:  # fmt: skip
    """Train, evaluate, time and report a suite. What is done already is not done again."""

    def call() -> int:
        from bench.executors.engine import Engine

        return _lead(Engine(engine.value, workers, processes, address, job_cpus, job_gpus), results, loaders, work)

    def work(chosen: Engine) -> int:
        from bench.commands import run_suite

        return run_suite(suite, profile, assignments or [], results, chosen, loaders)

    _guard(call)


@app.command()
def plan(suite: SuitePath, profile: ProfileName = "quick", assignments: Assignments = None,
         results: ResultsFolder = Path("results")) -> None:  # fmt: skip
    """Print the jobs of a suite, what they share and what they are expected to cost; run nothing."""

    def call() -> int:
        from bench.commands import show_plan

        return show_plan(suite, profile, assignments or [], results)

    _guard(call)


@app.command()
def sweep(
    suite: SuitePath, profile: ProfileName = "quick", assignments: Assignments = None,
    results: ResultsFolder = Path("results"), workers: jobs.Workers = None, processes: jobs.Processes = 1,
    loaders: Loaders = 0, storage: Storage = None, dry_run: DryRun = False, engine: jobs.Engine = jobs.EngineName.LOCAL,
    address: jobs.Address = None, job_cpus: jobs.JobCpus = None, job_gpus: jobs.JobGpus = None,
) -> None:  # fmt: skip
    """Search the fields that a suite's section `sweep` names; trials share what they can. Run it again to resume, several
    times at once to go faster."""

    def call() -> int:
        from bench.executors.engine import Engine

        if dry_run:
            from bench.sweep.command import show_sweep

            return show_sweep(suite, profile, assignments or [], results)
        return _lead(Engine(engine.value, workers, processes, address, job_cpus, job_gpus), results, loaders, work)

    def work(chosen: Engine) -> int:
        from bench.sweep.command import sweep_suite

        return sweep_suite(suite, profile, assignments or [], results, chosen, loaders, storage)

    _guard(call)


@app.command()
def report(run: RunFolder) -> None:
    """Draw tables, figures and the page of a finished run anew, from its rows and images."""

    def call() -> int:
        from bench.commands import rebuild_report

        return rebuild_report(run)

    _guard(call)


@app.command()
def compare(
    runs: Annotated[list[Path], typer.Argument(help="Finished runs, results/<suite>/<run>.", show_default=False)],
    baseline: Annotated[str | None, typer.Option(metavar="LABEL", help="The row that the others differ from.")] = None,
    out: Annotated[Path | None, typer.Option(help="A folder for the tables as md, csv and tex.")] = None,
) -> None:
    """Rows of several runs in one table, if their test data, degradation and metrics are the same."""

    def call() -> int:
        from bench.commands import compare_runs

        return compare_runs(runs, baseline, out)

    _guard(call)


@app.command()
def figures(
    run: RunFolder, more: MoreImages = None, images: FigureImages = None, crop: FigureCrops = None, rows: FigureRows = None,
    out: FigureFolder = None, formats: FigureFormats = "png,pdf",
) -> None:  # fmt: skip
    """Draw the comparison, modules and regressors figures of a finished run with your images, crops and rows."""

    def call() -> int:
        from bench.commands import redraw_figures

        if more and not images:
            raise BenchError(f"figures: unexpected {' '.join(more)!r}; images follow --images")
        return redraw_figures(run, [*(images or []), *(more or [])], crop or [], rows or [], formats, out)

    _guard(call)


@app.command()
def parity(folders: Oracles = None) -> None:
    """Compare our networks with the released ones on numerical oracles; exit code 1 if any differs."""

    def call() -> int:
        from bench.commands import check_parity

        return check_parity(folders or [Path("tests/goldens/parity")])

    _guard(call)


@app.command("methods")
def show_methods(
    name: Annotated[
        str | None, typer.Argument(help="One of them, to be told all about it.", show_default=False)
    ] = None,
) -> None:
    """Every method: family, tasks, parameters, licence, weights; or one in full, with all that can be set."""

    def call() -> int:
        from bench.commands import show_methods

        return show_methods(name)

    _guard(call)


@app.command()
def restore(
    inputs: options.Inputs, out: options.Out, run: options.Run = None, row: options.RowName = None,
    method: options.MethodName = None, weights: options.WeightPaths = None, assignments: options.Settings = None,
    size: options.Size = 512, scale: options.Scale = 1, fit: options.Fit = options.FitChoice.TILE,
    tile: options.Tile = None, overlap: options.Overlap = None, device: options.Device = "auto",
    overwrite: options.Overwrite = False, save_parts: options.SaveParts = False,
) -> None:  # fmt: skip
    """Restore your own images, of any size and type, with a row of a run or with a released checkpoint."""

    def call() -> int:
        from bench.commands import restore_images
        from bench.restore.image import Geometry
        from bench.restore.source import choose_source

        source = choose_source(run, row, method, weights or [], assignments or [], size, scale)
        return restore_images(inputs, source, Geometry(fit.value, tile, overlap), out, overwrite, save_parts, device)

    _guard(call)


@app.command("schema")
def write_schema(
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write it there.", show_default=False)
    ] = None,
) -> None:
    """The JSON schema of suites, by which an editor completes and checks them as they are typed."""

    def call() -> int:
        from bench.commands import write_schema

        return write_schema(out)

    _guard(call)


weights_app = typer.Typer(no_args_is_help=True, help="Released weights: list, fetch, verify.")
app.add_typer(weights_app, name="weights")


WeightNames = Annotated[list[str] | None, typer.Argument(help="Names of files or releases: everything about them.")]


@weights_app.command("list")
def list_weights(names: WeightNames = None) -> None:
    """Every known file: whose it is, its licence, whether its sha256 is known and whether it is here.

    With names: also where it comes from, its paper and the configuration that it fits.
    """

    def call() -> int:
        from bench.weight_commands import list_weights, show_weights

        return show_weights(names) if names else list_weights()

    _guard(call)


@weights_app.command("fetch")
def fetch_weights(names: Annotated[list[str], typer.Argument(help="Names from `bench weights list`.")]) -> None:
    """Download files, resuming what broke off, and check them; exit code 2 where only a browser gets them."""

    def call() -> int:
        from bench.weight_commands import fetch_weights

        return fetch_weights(names)

    _guard(call)


@weights_app.command("verify")
def verify_weights() -> None:
    """Check every file that is here against the sha256 that is known; exit code 1 if one is damaged."""

    def call() -> int:
        from bench.weight_commands import verify_weights

        return verify_weights()

    _guard(call)


store_app = typer.Typer(
    no_args_is_help=True, help="The store of results: check, remove what nobody needs, export, import."
)
app.add_typer(store_app, name="store")

Keys = Annotated[list[str] | None, typer.Argument(help="Keys of results, or how they begin; all without.")]
Repair = Annotated[bool, typer.Option("--repair", help="Discard what is damaged; the next run makes it again.")]
RemoveNothing = Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")]
KeptRuns = Annotated[
    list[Path] | None, typer.Option("--keep", metavar="RUN", help="A run elsewhere that needs results of here, too.")
]
WithCache = Annotated[bool, typer.Option("--cache", help="Also digests of images and rendered portraits.")]


@store_app.command("check")
def check_store(keys: Keys = None, repair: Repair = False, results: ResultsFolder = Path("results")) -> None:
    """Read every byte of the results and compare digests; exit code 1 if something is damaged."""

    def call() -> int:
        from bench.store_commands import check_store

        return check_store(results, keys or [], repair)

    _guard(call)


@store_app.command("gc")
def collect_garbage(
    dry_run: RemoveNothing = False,
    keep: KeptRuns = None,
    cache: WithCache = False,
    results: ResultsFolder = Path("results"),
) -> None:
    """Remove results that no run refers to, and work of over a day ago that nothing goes on from.

    To let go of a run, delete its folder first.
    """

    def call() -> int:
        from bench.store_commands import collect_garbage

        return collect_garbage(results, keep or [], cache, dry_run)

    _guard(call)


@store_app.command("export")
def export_run(run: RunFolder, file: Annotated[Path, typer.Argument(help="The tar file to write.")]) -> None:
    """Write a finished run and all results that it refers to into one tar file, the same bytes for the same run."""

    def call() -> int:
        from bench.store_commands import export_run

        return export_run(run, file)

    _guard(call)


@store_app.command("import")
def import_run(
    file: Annotated[Path, typer.Argument(help="A file of `bench store export`.")],
    results: ResultsFolder = Path("results"),
) -> None:
    """Add a run from a tar file, every digest verified; what is there already is kept."""

    def call() -> int:
        from bench.store_commands import import_run

        return import_run(file, results)

    _guard(call)


def main() -> None:
    """The `bench` script. A lab's own methods may lie in the current folder, where a script does not look by itself."""
    sys.path.append(os.getcwd())
    app()


def _lead(engine: Engine, results: Path, loaders: int, work: Callable[[Engine], int]) -> int:
    """What `work` returns in this process, or in the first of a team; the others of a team help it."""
    engine.check()
    if engine.launches:
        from bench.launch import launch

        return launch(engine.processes, sys.argv[1:])
    team = find_team()
    if team.size == 1:
        return work(engine)
    from bench.executors.team import follow, leading
    from bench.store import Store
    from bench.train.execution import Execution

    if team.leads:
        with leading():
            return work(engine)
    follow(Store(results), Execution(loaders=loaders))
    return 0


def _guard(call: Callable[[], int]) -> None:
    """End with the call's exit code; a user's mistake is one message and exit code 2, Ctrl-C 130, SIGTERM 143."""
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) != signal.SIG_IGN:  # a shell ignores Ctrl-C for its background jobs
            signal.signal(number, _stop)
    try:
        code = call()
    except BenchError as error:
        code = _complain(str(error), INVALID)
    except TeamBroken as error:
        code = _complain(str(error), FAILED)
    except (KeyboardInterrupt, SystemExit) as stopped:  # from a training, which has saved how far it is
        _stop(signal.SIGINT if isinstance(stopped, KeyboardInterrupt) else signal.SIGTERM)
    except OSError as error:
        from bench.store import reason

        code = _complain(f"{error.filename or 'input/output'}: {reason(error)}", INVALID)
    raise typer.Exit(code)


def _stop(number: int, _frame: FrameType | None = None) -> NoReturn:
    """Leave at once: what is done is on disk. An exception from a signal can abort inside a C++ extension that it
    passes, and so can the interpreter's own shutdown under threads that still print."""
    with suppress(RuntimeError, OSError):  # the signal may have come in the middle of a print
        sys.stdout.flush()
    show_cursor = "\x1b[?25h\n" if sys.stdout.isatty() else ""
    os.write(2, f"{show_cursor}bench: interrupted; the same command goes on from here\n".encode())
    os._exit(128 + number)


def _complain(message: str, code: int) -> int:
    from rich.text import Text

    from bench.terminal import Terminal

    Terminal(stderr=True).print(Text.assemble(("bench: ", "bold red"), message), soft_wrap=True)
    return code
