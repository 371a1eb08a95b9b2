"""Memory that was freed below something that stays goes back to the system."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

_PROGRAM = """
import ctypes
from riffengine.processes.heap import return_free_memory
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]

def private():
    lines = open("/proc/self/smaps_rollup").read().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) // 1024

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


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="only glibc has malloc_trim")
def test_free_memory_goes_back_although_something_lies_above_it() -> None:
    done = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=True, timeout=120)
    full, freed, returned = map(int, done.stdout.split())
    assert full - freed < 20, "the library kept it"
    assert freed - returned > 70
