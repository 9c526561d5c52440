"""Kill runs of a small suite at random moments and inside their writes, resume them, and demand the bytes of a run that nothing
happened to: `python tests/faults --kills 100 --workers 0 2`.

A third of the kills are aimed at any moment of what is left to do, the others at a write: of a checkpoint, an image, another
file of a result, a commit, a cache, the report; before it, or in the middle of a file. After each, every file at a final name
must load, and no finished job may be done again.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from campaign import Campaign, Lost, Tally, make_reference
from lives import Zygote


def main() -> int:
    """0 if all promises were kept, 1 if not."""
    arguments = _parse()
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        zygote = Zygote()
        reference = make_reference(Path(folder), zygote)
        print(
            f"a run: {reference.seconds:.1f} s, {reference.jobs} jobs, {len(reference.content)} files, {reference.writes}"
        )
        for workers in arguments.workers:
            try:
                tally = Campaign(Path(folder), zygote, reference, workers, arguments.seed).spend(arguments.kills)
            except Lost as lost:
                print(f"workers {workers}: {lost}", file=sys.stderr)
                return 1
            print(_summary(tally, workers), flush=True)
    return 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=10, help="for each number of workers")
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 2], help="numbers of loader workers")
    parser.add_argument("--seed", type=int, default=0, help="of the kills")
    return parser.parse_args()


def _summary(tally: Tally, workers: int) -> str:
    places = ", ".join(f"{count} {aim}" for aim, count in sorted(tally.killed.items()))
    return (
        f"workers {workers}: {tally.kills} kills ({places}) in {tally.rounds} rounds, {tally.lives} lives, "
        f"{tally.seconds:.0f} s; {tally.read} files read, 0 did not load, 0 jobs done again, 0 differences; "
        f"{tally.strays} temporary files left"
    )


if __name__ == "__main__":
    sys.exit(main())
