"""Ours against a peer: run alternately, compare outputs first, print the ratio with its spread.

Seconds on a machine that others use say little, the ratio of two neighbouring runs does. A script makes one `Row` per
claim and ends with `present(rows, arguments.json)`. This file imports torch only where threads are set.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter

from rich.console import Console
from rich.table import Table

Run = Callable[[], object]


@dataclass(frozen=True)
class Comparison:
    """Seconds of every round; `ratio` is the median of ours / peer within the rounds, low and high its quartiles."""

    ours_seconds: tuple[float, ...]
    peer_seconds: tuple[float, ...]

    @property
    def ratios(self) -> list[float]:
        return [ours / peer for ours, peer in zip(self.ours_seconds, self.peer_seconds, strict=True)]

    @property
    def ratio(self) -> float:
        return median(self.ratios)

    @property
    def quartiles(self) -> tuple[float, float]:
        """First and third quartile of the ratios; the ratio itself, twice, of a single round."""
        if len(self.ratios) == 1:
            return self.ratio, self.ratio
        low, _, high = quantiles(self.ratios, method="inclusive")
        return low, high


@dataclass(frozen=True)
class Row:
    """One claim: `what` takes at most `target` times the time of `peer`, with outputs that differ by `difference`."""

    what: str
    peer: str
    target: float | None
    comparison: Comparison
    difference: float
    """Largest absolute difference of the outputs; 0 where they are the same."""


def compare(ours: Run, peer: Run, rounds: int = 7, clock: Callable[[], float] = perf_counter) -> Comparison:
    """Both run once to warm up, then `rounds` times in turn, the one that begins changing from round to round.

    `clock=time.process_time` leaves out the waits for a core of a busy machine: for work of one thread in this process.
    """
    ours(), peer()
    both: tuple[tuple[Run, list[float]], ...] = ((ours, []), (peer, []))
    for index in range(rounds):
        for run, seconds in both if index % 2 == 0 else reversed(both):
            start = clock()
            run()
            seconds.append(clock() - start)
    return Comparison(*(tuple(seconds) for _, seconds in both))


def require_agreement(what: str, difference: float, tolerance: float) -> float:
    """`difference`, if it is within the tolerance; else, or if it is NaN, the script ends: its timings would mean nothing."""
    if not difference <= tolerance:
        sys.exit(f"{what}: outputs differ by {difference:.1e}, more than {tolerance:.0e}: not timed")
    return difference


def require_peers(*modules: str) -> None:
    """The script ends with exit code 2 and the line that installs them where modules are missing."""
    if missing := [module for module in modules if importlib.util.find_spec(module) is None]:
        print(f"not installed: {', '.join(missing)}; run: pip install 'ugpnet-bench[benchmarks]'", file=sys.stderr)
        sys.exit(2)


def argument_parser(doc: str | None, rounds: int = 7) -> argparse.ArgumentParser:
    """Parser with `--rounds`, `--threads` and `--json`; its description is the first line of `doc`."""
    parser = argparse.ArgumentParser(description=(doc or "").partition("\n")[0])
    threads = int(os.environ.get("OMP_NUM_THREADS", "1"))
    parser.add_argument("--rounds", type=int, default=rounds, help="alternations per row (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=threads, help="of torch (default: OMP_NUM_THREADS or 1)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the numbers here")
    return parser


def set_threads(threads: int) -> None:
    """Threads of torch's operators."""
    import torch

    torch.set_num_threads(threads)


def table(rows: Iterable[Row]) -> Table:
    """Median milliseconds, the ratio with its quartiles and the target, for a console."""
    view = Table("what", "peer", "ours ms", "peer ms", "ratio", "quartiles", "target", "max |diff|")
    for row in rows:
        pair, (low, high) = row.comparison, row.comparison.quartiles
        view.add_row(
            row.what, row.peer, f"{1e3 * median(pair.ours_seconds):.2f}", f"{1e3 * median(pair.peer_seconds):.2f}",
            f"{pair.ratio:.2f}", f"{low:.2f}-{high:.2f}", f"<= {row.target:g}" if row.target else "",
            f"{row.difference:.1e}",
        )  # fmt: skip
    return view


def machine(packages: Sequence[str] = ("torch", "numpy")) -> dict[str, object]:
    """What timings depend on, without names."""
    return {
        "processor": platform.machine(), "cpus": os.cpu_count(), "load": list(os.getloadavg()),
        "threads": os.environ.get("OMP_NUM_THREADS"), "python": platform.python_version(),
        "packages": {name: _version(name) for name in packages},
    }  # fmt: skip


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def present(rows: Sequence[Row], file: Path | None) -> None:
    """Prints the table and, given a file, writes the same numbers and every round's seconds as JSON."""
    Console().print(table(rows))
    if file is not None:
        records = [
            {**asdict(row), "ratio": row.comparison.ratio, "quartiles": row.comparison.quartiles} for row in rows
        ]
        file.write_text(json.dumps({"machine": machine(), "rows": records}, indent=2) + "\n")
