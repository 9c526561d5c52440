"""What `bench store` does once it is parsed; each function returns its exit code. Light: no torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.filesize import decimal
from rich.text import Text

from bench.errors import StoreError
from bench.live import LiveView
from bench.store import Store
from bench.storekeeping.archive import export_run as write_archive
from bench.storekeeping.check import Damage, check_results, choose_keys, discard_unlocked
from bench.storekeeping.garbage import Garbage, find_garbage, remove
from bench.storekeeping.runs import MANIFEST, find_runs, needed_keys, read_manifest
from bench.storekeeping.unpack import import_archive
from bench.terminal import Terminal


def check_store(results: Path, prefixes: Sequence[str], repair: bool) -> int:
    """1 if a result is damaged, repaired or not."""
    console, store = Terminal(), _existing(results)
    keys = choose_keys(store, prefixes)
    with _progress(console, "checked", len(keys)) as advance:
        damaged = list(check_results(store, keys, advance))
    for damage in damaged:
        told = _repaired(store, damage) if repair else "--repair discards it, and the next run makes it again"
        _print(console, ("damaged  ", "red"), f"{_name(damage.label, damage.key)}: {', '.join(damage.files)}; {told}")
    console.print(f"{len(keys)} results, {len(damaged)} damaged", highlight=False)
    return 1 if damaged else 0


def _repaired(store: Store, damage: Damage) -> str:
    discarded = discard_unlocked(store, damage.key)
    return "discarded; the next run makes it again" if discarded else "left alone: a process is working on it"


def collect_garbage(results: Path, keep: Sequence[Path], cache: bool, dry_run: bool) -> int:
    console, store = Terminal(), _existing(results)
    with store.locked_runs():  # a run that begins meanwhile waits until it can trust what it finds
        runs = find_runs(results)
        if not (runs or keep):
            raise StoreError(
                f"{results}: no run is here, so every result would be removed; delete {store.folder} if that is meant"
            )
        garbage = list(find_garbage(store, needed_keys(store, [*runs, *keep]), cache))
        gone = [each for each in garbage if dry_run or _removed(store, each, console)]
    for each in gone:
        _print(console, (f"{each.kind:8} ", "dim"), f"{_name(each.label, each.path.name)}  {decimal(each.size)}")
    total, verb = decimal(sum(each.size for each in gone)), "would be removed" if dry_run else "removed"
    console.print(f"{verb}: {len(gone)}, {total}; kept: what {len(runs) + len(keep)} runs need", highlight=False)
    return 0


def _removed(store: Store, garbage: Garbage, console: Console) -> bool:
    if remove(store, garbage):
        return True
    _print(console, ("locked   ", "yellow"), f"{garbage.path} is left alone: a process is working on it")
    return False


def export_run(run: Path, file: Path) -> int:
    console = Terminal()
    jobs = len(read_manifest(run / MANIFEST)["jobs"])
    with _progress(console, "exported", jobs) as advance:
        index = write_archive(run, file, lambda _: advance())
    size = decimal(file.stat().st_size)
    console.print(f"{file}: {index.suite}/{index.run} and {len(index.jobs)} results, {size}", highlight=False)
    return 0


def import_run(file: Path, results: Path) -> int:
    console, store = Terminal(), Store(results).open()
    with _progress(console, "imported", None) as advance:
        made = import_archive(file, store, lambda _: advance())
    kept = f", {len(made.kept)} were there" if made.kept else ""
    console.print(f"{made.folder}: {len(made.added)} results added{kept}", highlight=False)
    return 0


def _existing(results: Path) -> Store:
    store = Store(results)
    if not store.folder.is_dir():
        raise StoreError(f"{results}: no store of results is here; name the folder with --results")
    return store.open()


@contextmanager
def _progress(console: Console, what: str, total: int | None) -> Iterator[Callable[[], None]]:
    with LiveView(console) as view:
        task = view.progress.add_task(what, total=total, text="")
        yield lambda: view.progress.advance(task)


def _name(label: str, key: str) -> str:
    return f"{label} ({key})" if label else key


def _print(console: Console, mark: tuple[str, str], text: str) -> None:
    console.print(Text.assemble(mark, text), soft_wrap=True)
