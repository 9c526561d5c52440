"""Lives of `bench run`: each is a fork of a process that has imported everything and run nothing, so that it begins in
milliseconds, not after the seconds that importing torch takes.

That process (this file, as a program) does nothing but fork, since forks of threads' processes hang. That forks leave the same
bits as `python -m bench` does is not taken for granted: what they are compared with is made by that command.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from traps import Trap, lay

SUITE = Path(__file__).with_name("suite.yaml")
IMPORTED = (
    "bench",
    "methods",
    "ugpnet",
    "matplotlib",
    "PIL",
    "pyarrow",
    "pandas",
    "torch",
    "scipy",
    "accelerate",
    "jinja2",
)
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
ENVIRONMENT = {**os.environ, **dict.fromkeys(THREADS, "1"), "GIT_DIR": os.devnull}
"""One thread. No commit, which reports name: the checkout may be edited meanwhile."""

FORKSAFE = "jemalloc_bg_thd"
"""A thread of pyarrow's allocator, which sees to forks itself."""


@dataclass(frozen=True)
class Life:
    """How a run ended: its exit code, or None where it was killed."""

    code: int | None
    seconds: float


class Zygote:
    """The process that forks lives."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__], env=ENVIRONMENT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def live(
        self, arguments: Sequence[str], log: Path, trap: Trap | None = None, seconds: float | None = None,
        notes: Path | None = None,
    ) -> Life:  # fmt: skip
        """`bench` with these arguments until it ends, until `trap` kills it, or until it is killed after `seconds`, with all
        that it has started. What it wrote where, and what it imported, goes to `notes`.
        """
        request = {
            "arguments": list(arguments), "log": str(log), "trap": asdict(trap) if trap else None, "seconds": seconds,
            "notes": str(notes) if notes else None,
        }  # fmt: skip
        return Life(**self._ask(request))

    def import_all(self, modules: Iterable[str]) -> None:
        """What a life needs, imported once for all that follow."""
        self._ask({"modules": list(modules)})

    def close(self) -> None:
        """No more lives."""
        self._process.communicate()

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer


def command(results: Path, loaders: int) -> list[str]:
    """The arguments of `bench` that run the suite."""
    return ["run", str(SUITE), "--results", str(results), "--loaders", str(loaders)]


def serve() -> None:
    """Answer requests until there are no more."""
    for line in sys.stdin:
        request = json.loads(line)
        answer = _import(request["modules"]) if "modules" in request else asdict(_live(**request))
        print(json.dumps(answer), flush=True)


def _import(modules: Iterable[str]) -> dict[str, Any]:
    for name in modules:
        with suppress(ImportError):
            importlib.import_module(name)
    return {}


def _live(
    arguments: list[str], log: str, trap: dict[str, Any] | None, seconds: float | None, notes: str | None
) -> Life:
    threads = [Path(f"/proc/self/task/{thread}/comm").read_text().strip() for thread in os.listdir("/proc/self/task")]
    assert threads[1:] in ([], [FORKSAFE]), f"a fork of a process with threads would hang: {threads}"
    started = time.monotonic()
    child = os.fork()
    if child == 0:
        _run(arguments, log, Trap(**trap) if trap else None, notes)
    status = _wait(child, seconds)
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)  # the loaders of a run that died alone
    code = None if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
    return Life(code, time.monotonic() - started)


def _run(arguments: list[str], log: str, trap: Trap | None, notes: str | None) -> None:
    """The child's whole life. A checkpoint at every step, not every ten minutes: these trainings take a second."""
    os.setsid()
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    for stream in (1, 2):
        os.dup2(handle, stream)
    code = 70
    try:
        from bench import cli, commands
        from bench.train.execution import Execution

        commands.Execution = partial(Execution, checkpoint_every=1)  # type: ignore[assignment,attr-defined]
        seen = lay(Path(arguments[arguments.index("--results") + 1]), trap)
        sys.argv = ["bench", *arguments]
        cli.main()
    except SystemExit as ended:
        code = int(ended.code or 0)
        if notes is not None:
            modules = [name for name in sys.modules if name.partition(".")[0] in IMPORTED]
            Path(notes).write_text(json.dumps({"writes": seen, "modules": modules}))
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(code)


def _wait(child: int, seconds: float | None) -> int:
    """The child's status, once it has ended; after `seconds`, it and all that it has started are killed."""
    deadline = None if seconds is None else time.monotonic() + seconds
    while deadline is None or time.monotonic() < deadline:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return status
        time.sleep(0.001)
    with suppress(ProcessLookupError):  # which has no group of its own before its first line
        os.killpg(child, signal.SIGKILL)
    os.kill(child, signal.SIGKILL)
    return os.waitpid(child, 0)[1]


if __name__ == "__main__":
    serve()
