"""Returns memory that this process has freed to the system: glibc keeps it where something still lies above it.

Loops of many lengths leave gaps of many sizes in the heap, which later arrays do not fit. It is no leak, but grows in
steps for as long as tempo and steps change.
"""

from __future__ import annotations

import ctypes
import functools
import sys
from collections.abc import Callable


def return_free_memory() -> bool:
    """Give free pages of the heap back; false where the C library has no such function. Takes about 20 ms."""
    trim = _malloc_trim()
    return trim is not None and bool(trim(0) >= 0)


@functools.lru_cache(maxsize=1)
def _malloc_trim() -> Callable[[int], int] | None:
    if not sys.platform.startswith("linux"):
        return None
    try:
        found: Callable[[int], int] = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):  # musl
        return None
    return found
