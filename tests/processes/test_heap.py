"""Memory that was freed below something that stays goes back to the system, at once or when asked."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

_MEASURE = """
def private():
    lines = open("/proc/self/smaps_rollup").read().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) // 1024
"""
_PROGRAM = (
    _MEASURE
    + """
import ctypes
from riffengine.processes.heap import return_free_memory
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]

blocks = []
for _ in range(1000):  # small enough for the heap, with something that stays above each
    blocks.append(libc.malloc(100_000))
    ctypes.memset(blocks[-1], 1, 100_000)
    ctypes.memset(libc.malloc(64), 1, 64)
full = private()
for block in blocks:
    libc.free(block)
freed = private()
assert return_free_memory()
print(full, freed, private())
"""
)


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="only glibc has malloc_trim")
def test_free_memory_goes_back_although_something_lies_above_it() -> None:
    done = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=True, timeout=120)
    full, freed, returned = map(int, done.stdout.split())
    assert full - freed < 20, "the library kept it"
    assert freed - returned > 70


_LARGE = (
    _MEASURE
    + """
import sys
import numpy as np
from riffengine.processes.heap import keep_heap_small
if sys.argv[1] == "small":
    assert keep_heap_small()
np.ones(2_000_000, np.float32)  # glibc takes its size as the new limit: what is smaller goes on the heap
before, kept = private(), []
for _ in range(30):  # saved states: large arrays, and something that stays above each
    array = np.ones(1_500_000, np.float32)
    kept.append(bytes(100_000))
    del array
    kept.append(np.ones(300_000, np.float32))
kept = [small for small in kept if isinstance(small, bytes)]
print(private() - before)
"""
)


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="only glibc has mallopt")
def test_large_arrays_leave_no_gaps_in_a_heap_that_is_kept_small() -> None:
    grown = {}
    for heap in ("small", "as glibc keeps it"):
        command = [sys.executable, "-c", _LARGE, heap]
        grown[heap] = int(subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout)
    assert grown["small"] < 8, grown
    assert grown["as glibc keeps it"] > grown["small"] + 10, grown
