"""What ended a job, in one sentence that says what to do. Light: torch's errors are known by their names and texts."""

from __future__ import annotations

import errno
import traceback
from collections.abc import Mapping
from pathlib import Path

from bench.errors import BenchError
from bench.job import Job, Kind
from bench.store import Store, disk_is_full, free_space, reason

ROOM: Mapping[Kind, str] = {
    "pairs": "test images that are smaller (data.test.size) need less",
    "train": "see budget.batch_size and budget.patch",
    "load": "this machine is too small for these weights",
    "restore": "test images that are smaller (data.test.size) need less; parts of an image would give other numbers",
    "score": "test images that are smaller (data.test.size), or fewer, need less",
    "measure": "measure.size and measure.batch say how much is needed",
}
"""What to change where memory ends. A training says it of its own fields, see `bench.train.stage`."""


def explain(error: Exception, job: Job, store: Store) -> str:
    """One sentence for the table; the traceback of what was not foreseen goes to a file beside the job's work."""
    if isinstance(error, BenchError):
        return str(error)
    if is_out_of_memory(error):
        return f"{job.label}: out of memory ({_first_line(error)}); {ROOM[job.kind]}"
    if is_device_lost(error):
        return f"{job.label}: the GPU failed ({_first_line(error)}); the same command goes on from here"
    if _is_loader_lost(error):
        return (
            f"{job.label}: a process that prepares batches was killed ({_first_line(error)}), as the system does where memory "
            "ends; the same command goes on from the last checkpoint, with --loaders 0 in one process"
        )
    if "No space left on device" in str(error) and not isinstance(error, OSError):  # loaders pass batches through it
        return f"{job.label}: shared memory is full ({free_space('/dev/shm')}); enlarge it, or use --loaders 0"
    if isinstance(error, OSError):
        where = f" ({error.filename})" if error.filename else ""
        full = "; free space, then the same command goes on from here" if disk_is_full(error) else ""
        return f"{job.label}: {reason(error, store.root)}{where}{full}"
    return _unforeseen(error, job, store)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory was asked for and not had: of Python, NumPy, torch on a CPU, a GPU or in one of its libraries."""
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    text = str(error)
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or any(words in text for words in ("out of memory", "can't allocate memory", "STATUS_ALLOC_FAILED"))
    )


def is_device_lost(error: BaseException) -> bool:
    """Whether the GPU refuses all further work of this process, as it does after an error in a kernel."""
    return type(error).__name__ == "AcceleratorError" or "CUDA error:" in str(error) or "HIP error:" in str(error)


def _is_loader_lost(error: Exception) -> bool:
    text = str(error)
    return "DataLoader worker" in text and ("is killed by signal" in text or "exited unexpectedly" in text)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(". ")


def trace_file(store: Store, key: str) -> Path:
    """Where the traceback goes of what was not foreseen in a job."""
    return store.folder / ".work" / f"{key}.error.txt"


def _unforeseen(error: Exception, job: Job, store: Store) -> str:
    trace = trace_file(store, job.key)
    try:
        trace.write_text("".join(traceback.format_exception(error)))
    except OSError:
        return f"{job.label}: {type(error).__name__}: {error}"
    return f"{job.label}: {type(error).__name__}: {error} (traceback in {trace})"
