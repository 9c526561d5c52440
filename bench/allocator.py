"""The C library's allocator, told to keep what it is about to be asked for again."""

from __future__ import annotations

import ctypes
import platform
from functools import cache

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
"""glibc's <malloc.h>."""
NEVER = 2**31 - 1


@cache
def keep_freed_memory() -> bool:
    """Freed blocks stay with the process from now on, until `return_freed_memory`; False where the C library is not glibc.

    By itself glibc asks the system for every block of over 32 MiB and gives it back at once, and the top of the heap with
    smaller ones: each layer of a network begins with fresh pages, which the kernel zeroes one by one. That was 0.3 of the
    time of a forward pass at 512 px (`python -m benchmarks.allocator`). Values do not depend on it.
    """
    library = _glibc()
    return library is not None and bool(library.mallopt(M_MMAP_MAX, 0)) and bool(library.mallopt(M_TRIM_THRESHOLD, NEVER))


def return_freed_memory() -> None:
    """All that is free goes back to the system: between jobs, of which one may need much more than the next."""
    if (library := _glibc()) is not None:
        library.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    return ctypes.CDLL(None) if platform.libc_ver()[0] == "glibc" else None
