"""Private memory is what a process has written: what it alone reads of a file goes when the system wants it to."""

from __future__ import annotations

import mmap
import os
import sys
from pathlib import Path

import pytest

from tools.bench.looks import private_bytes

SIZE = 32 << 20


def _clean_bytes() -> int:
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith("Private_Clean"))


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_a_file_that_nobody_else_reads_is_no_memory_of_its_reader(tmp_path: Path) -> None:
    with (tmp_path / "library").open("wb+") as file:
        file.write(os.urandom(SIZE))
        file.flush()
        os.fsync(file.fileno())  # pages that are not on the disk yet count as written
        before, clean = private_bytes(os.getpid()), _clean_bytes()
        with mmap.mmap(file.fileno(), SIZE, mmap.MAP_PRIVATE, mmap.PROT_READ) as mapped:
            assert sum(mapped[:: mmap.PAGESIZE]) > 0
            if _clean_bytes() - clean < SIZE // 2:
                pytest.skip("every page of this file system counts as written, as on tmpfs")
            assert private_bytes(os.getpid()) - before < SIZE // 4
    written = bytearray(b"1" * SIZE)
    assert private_bytes(os.getpid()) - before > SIZE // 2
    del written
