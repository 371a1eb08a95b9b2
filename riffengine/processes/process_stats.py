"""ProcessStats: memory, open files, threads and CPU time of a process, from /proc; none without /proc."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from riffengine.processes.loop_store import SHM_FOLDER


@dataclass(frozen=True)
class ProcessStats:
    """Resident memory (with shared memory) and private memory in bytes, open files, threads, CPU seconds."""

    resident_bytes: int
    private_bytes: int
    descriptors: int
    threads: int
    cpu_seconds: float


def read_process_stats(pid: int) -> ProcessStats | None:
    """The figures of process ``pid``; ``None`` when it has ended or cannot be read."""
    folder = Path(f"/proc/{pid}")
    try:
        pages = [int(number) for number in (folder / "statm").read_text().split()[:3]]
        stat = (folder / "stat").read_text().rpartition(")")[2].split()
        descriptors = sum(1 for _ in (folder / "fd").iterdir())
    except (OSError, ValueError):
        return None
    page, ticks = 4096, 100.0  # the values on every Linux machine that torch supports
    return ProcessStats(
        resident_bytes=pages[1] * page,
        private_bytes=(pages[1] - pages[2]) * page,
        descriptors=descriptors,
        threads=int(stat[17]),
        cpu_seconds=(int(stat[11]) + int(stat[12])) / ticks,
    )


def shared_segments() -> tuple[int, int]:
    """The number of shared memory segments of all riffengine processes, and their bytes."""
    try:
        sizes = [path.stat().st_size for path in SHM_FOLDER.glob("riffengine-*")]
    except OSError:
        return 0, 0
    return len(sizes), sum(sizes)
