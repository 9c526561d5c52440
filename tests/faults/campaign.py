"""Kills until none are left to spend, in rounds: a run that is killed over and over, goes on, and ends with the bytes of one
that nothing happened to.
"""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from inspection import Inspector, content, differences
from lives import ENVIRONMENT, Life, Zygote, command
from traps import PLACES, Place, Trap

LONGEST_TEAR = 4096
"""Bytes of a file that a torn write leaves at most: less than an image of the suite, or the header of its weights."""


@dataclass(frozen=True)
class Aim:
    """A kill that `trap` brings about, or that comes after `seconds`; or none."""

    name: str
    trap: Trap | None = None
    seconds: float | None = None


NOT_AT_ALL = Aim("none")


class Lost(Exception):
    """A promise that was not kept: what, after which kill."""


@dataclass
class Tally:
    """What a campaign has done so far."""

    killed: Counter[str] = field(default_factory=Counter)
    lives: int = 0
    rounds: int = 0
    read: int = 0
    strays: int = 0
    seconds: float = 0.0

    @property
    def kills(self) -> int:
        return sum(self.killed.values())


@dataclass(frozen=True)
class Reference:
    """A run of `python -m bench run` that nothing happened to, without loaders; how often a run writes where, and how
    long a life takes."""

    content: Mapping[str, bytes]
    writes: Mapping[Place, int]
    seconds: float
    jobs: int


def make_reference(folder: Path, zygote: Zygote) -> Reference:
    """The command itself in a process of its own, and a life that is not killed, which must leave the same."""
    arguments = [sys.executable, "-m", "bench", *command(folder / "reference", 0)]
    subprocess.run(arguments, env=ENVIRONMENT, check=True, stdout=subprocess.DEVNULL)
    reference = content(folder / "reference")
    for name in ("first", "second"):  # the first imports, the second shows how long a life takes
        log, notes = folder / f"{name}.log", folder / f"{name}.json"
        life = zygote.live(command(folder / name, 0), log, notes=notes)
        _survive(life, log)
        _demand_same(folder / name, reference)
        noted = json.loads(notes.read_text())
        zygote.import_all(noted["modules"])
    jobs = sum(name.endswith("job.json") for name in reference)
    return Reference(reference, noted["writes"], life.seconds, jobs)


class Campaign:
    """`loaders` prepare the batches; `seed` decides where the kills fall."""

    def __init__(self, folder: Path, zygote: Zygote, reference: Reference, loaders: int, seed: int) -> None:
        self.folder, self.zygote, self.reference, self.loaders = folder, zygote, reference, loaders
        self.chance = random.Random(f"{seed}/{loaders}")
        self.tally = Tally()

    def spend(self, kills: int) -> Tally:
        """Kill and resume in as many rounds as it takes. Raises Lost at the first promise that is not kept."""
        started = time.monotonic()
        while self.tally.kills < kills:
            results = self.folder / f"loaders{self.loaders}-round{self.tally.rounds}"
            self._round(results, kills)
            _demand_same(results, self.reference.content)
            self.tally.strays += _strays(results)
            self.tally.rounds += 1
            shutil.rmtree(results)
        self.tally.seconds = time.monotonic() - started
        return self.tally

    def _round(self, results: Path, kills: int) -> None:
        inspector, log, code = Inspector(results), results.with_suffix(".log"), None
        while code is None:
            left = 1 - len(inspector.done) / self.reference.jobs
            aim = _aim(self.chance, self.reference, left) if self.tally.kills < kills else NOT_AT_ALL
            life = self.zygote.live(command(results, self.loaders), log, aim.trap, aim.seconds)
            code = life.code
            self.tally.lives += 1
            if code is None:
                self.tally.killed[aim.name] += 1
                print(f"  kill {self.tally.kills}: {aim}, after {life.seconds:.2f} s", flush=True)
            else:
                _survive(life, log)
            if wrong := inspector.inspect():
                raise Lost("\n".join([f"{results}, after {aim}:", *wrong]))
        self.tally.read += inspector.read


def _aim(chance: random.Random, reference: Reference, left: float) -> Aim:
    """A third come at any moment of what is `left` (a share of the jobs) to do, the others at a write, if there is another."""
    if chance.random() < 1 / 3:
        return Aim("moment", seconds=chance.uniform(0, reference.seconds * max(left, 0.2)))
    place = chance.choice(PLACES)
    nth = chance.randint(1, max(1, round(reference.writes.get(place, 1) * left)))
    torn = chance.choice((None, chance.randrange(LONGEST_TEAR)))
    return Aim(place if torn is None else f"{place}, torn", Trap(place, nth, torn))


def _survive(life: Life, log: Path) -> None:
    if life.code != 0:
        raise Lost(f"{log}: ended with {life.code}:\n{log.read_text(errors='replace')}")


def _demand_same(results: Path, reference: Mapping[str, bytes]) -> None:
    if found := differences(results, reference):
        raise Lost(f"{results}: not the bytes of a run that nothing happened to: {', '.join(found)}")


def _strays(results: Path) -> int:
    """Files with temporary names that the kills have left beside results."""
    hidden = (path for path in results.rglob(".*") if path.is_file() and ".lock" not in path.parts)
    return sum(1 for _ in hidden) + sum(1 for _ in (results / ".store" / ".work").rglob("*.tmp"))
