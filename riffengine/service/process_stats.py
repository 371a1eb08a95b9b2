"""Processes: what a process holds, from /proc; where there is no /proc, nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_SHM = Path("/dev/shm")


@dataclass(frozen=True)
class ProcessStats:
    """Resident and private memory in bytes (shared memory counts in the first), open files, threads, CPU seconds."""

    resident_bytes: int
    private_bytes: int
    descriptors: int
    threads: int
    cpu_seconds: float


def holding(pid: int) -> ProcessStats | None:
    """What the process ``pid`` holds, ``None`` when it has gone or cannot be asked."""
    place = Path(f"/proc/{pid}")
    try:
        pages = [int(number) for number in (place / "statm").read_text().split()[:3]]
        stat = (place / "stat").read_text().rpartition(")")[2].split()
        descriptors = sum(1 for _ in (place / "fd").iterdir())
    except (OSError, ValueError):
        return None
    page, ticks = 4096, 100.0  # of Linux on every machine that torch supports with /proc
    return ProcessStats(
        resident_bytes=pages[1] * page,
        private_bytes=(pages[1] - pages[2]) * page,
        descriptors=descriptors,
        threads=int(stat[17]),
        cpu_seconds=(int(stat[11]) + int(stat[12])) / ticks,
    )


def shared_segments() -> tuple[int, int]:
    """How many segments of shared memory of riffengines there are, and their bytes."""
    try:
        sizes = [path.stat().st_size for path in _SHM.glob("riffengine-*")]
    except OSError:
        return 0, 0
    return len(sizes), sum(sizes)
