"""Keeps the heap of a process small: glibc keeps freed memory where something still lies above it.

Arrays of many lengths leave gaps of many sizes in the heap, which later arrays do not fit. It is no leak, but grows in
steps for as long as loops and saved states of other lengths come.
"""

from __future__ import annotations

import ctypes
import functools
import sys

LARGE_BYTES = 128 << 10
_MMAP_THRESHOLD = -3  # of malloc.h


def keep_heap_small() -> bool:
    """Take arrays of ``LARGE_BYTES`` and more from the system one by one, and give each back when it is freed.

    False where the C library has no such setting. For processes that allocate few large arrays: each costs page faults.
    Otherwise glibc takes the size of every large array that is freed as its new limit, up to 32 MB.
    """
    libc = _glibc()
    if libc is None:
        return False
    return bool(libc.mallopt(_MMAP_THRESHOLD, LARGE_BYTES))


def return_free_memory() -> bool:
    """Give free pages of the heap back; false where the C library has no such function. Takes about 20 ms."""
    libc = _glibc()
    return libc is not None and bool(libc.malloc_trim(0) >= 0)


@functools.lru_cache(maxsize=1)
def _glibc() -> ctypes.CDLL | None:
    if not sys.platform.startswith("linux"):
        return None
    try:
        library = ctypes.CDLL(None)
        library.malloc_trim, library.mallopt  # noqa: B018 (looked up: musl has neither)
    except (OSError, AttributeError):
        return None
    return library
