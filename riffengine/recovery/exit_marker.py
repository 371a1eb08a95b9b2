"""ExitMarker: records how a run ended. A run without an end is a crash; three within ten minutes make a safe start."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from riffengine.files.json_text import read_json
from riffengine.recovery.atomic_file import write_atomically
from riffengine.recovery.saved_state import STATE_FILE

if sys.platform != "win32":
    import fcntl

RUN_FILE = "run.json"
LOCK_FILE = "run.lock"
_MOST_CRASHES = 3
_WITHIN_SECONDS = 600.0
_MOST_BYTES = 65536


@dataclass(frozen=True)
class RunStart:
    """What is known when a run begins. ``crashes`` counts the crashes in a row within the last ten minutes.

    ``resumable``: the last run crashed and left a state. ``safe``: start with the preset's own values, even with
    --resume. ``busy``: another engine is playing; this one saves nothing.
    """

    crashes: int = 0
    resumable: bool = False
    safe: bool = False
    busy: bool = False

    def advice(self, resume: bool) -> str:
        """What to tell the performer, ``""`` for nothing."""
        if self.busy:
            return "another engine is playing: this one saves no state for --resume"
        if self.safe:
            return (
                f"{self.crashes} crashes within ten minutes: safe start, with the preset's own values and without "
                "--resume; run `riffengine doctor` for the cause"
            )
        if self.resumable and not resume:
            return "the last set ended in a crash; `riffengine play --resume` continues it"
        return ""


@dataclass
class ExitMarker:
    """The record of this run: ``mark_alive`` every few seconds, ``mark_clean`` at the end. Both raise ``OSError``.

    ``writes`` is false where another engine owns the folder, or where it cannot be written. ``lock`` is the
    descriptor of its lock, held as long as the run lasts.
    """

    folder: Path
    crashes: list[float] = field(default_factory=list)
    writes: bool = True
    lock: int | None = None

    def mark_alive(self, now_seconds: float) -> None:
        """This run was alive at ``now_seconds`` (Unix time), which is the time of the crash if it crashes."""
        if self.writes:
            self._write({"pid": os.getpid(), "clean": False, "seen": now_seconds, "crashes": self.crashes})

    def mark_clean(self) -> None:
        """This run has ended properly."""
        if self.writes:
            self._write({"pid": os.getpid(), "clean": True, "seen": 0.0, "crashes": []})

    def release(self) -> None:
        """Leave the folder to the next run."""
        if self.lock is not None:
            os.close(self.lock)
            self.lock = None

    def _write(self, record: dict[str, Any]) -> None:
        write_atomically(self.folder / RUN_FILE, json.dumps(record).encode())


def begin_run(folder: Path, now_seconds: float) -> tuple[RunStart, ExitMarker]:
    """Read how the last run ended, and begin the record of this one; ``now_seconds`` is Unix time.

    Where the folder cannot be read or written, nothing is known and nothing is saved.
    """
    last = _read(folder / RUN_FILE)
    crashed = last is not None and not last["clean"]
    lock, busy = _lock(folder)
    if busy and last is not None and last["pid"] != os.getpid():
        return RunStart(busy=True), ExitMarker(folder, writes=False)
    crashes: list[float] = []
    if crashed and last is not None:
        times = [*last["crashes"], last["seen"]]
        # A time in the future is of a clock that was set back since, and counts as now.
        crashes = [min(seconds, now_seconds) for seconds in times if now_seconds - seconds <= _WITHIN_SECONDS]
    resumable = crashed and (folder / STATE_FILE).exists()
    start = RunStart(len(crashes), resumable, safe=len(crashes) >= _MOST_CRASHES)
    marker = ExitMarker(folder, crashes, lock=lock)
    try:
        for partial in folder.glob(".*.*"):  # left by a crash in the middle of a write
            partial.unlink(missing_ok=True)
        marker.mark_alive(now_seconds)
    except OSError:
        marker.writes = False
    return start, marker


def _lock(folder: Path) -> tuple[int | None, bool]:
    """The lock of the folder, ``None`` where there is none to be had; and whether another run holds it.

    The system frees it however a process ends, in a power failure too. The number of a process says less: after the
    machine has started again, any other process may have it.
    """
    if sys.platform == "win32":
        return None, False
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:
        return None, False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        return None, isinstance(error, BlockingIOError)  # another error is of a file system without locks
    return lock, False


def _read(path: Path) -> dict[str, Any] | None:
    try:
        record = read_json(path, _MOST_BYTES)
        return {
            "pid": int(record["pid"]),
            "clean": bool(record["clean"]),
            "seen": float(record["seen"]),
            "crashes": [float(seconds) for seconds in record["crashes"]],
        }
    except (OSError, ValueError, TypeError, KeyError, RecursionError, OverflowError):
        return None
