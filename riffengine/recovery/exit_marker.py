"""ExitMarker: records how a run ended. A run without an end is a crash; three within ten minutes make a safe start."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from riffengine.files.json_text import read_json
from riffengine.recovery.saved_state import STATE_FILE, write_atomically

RUN_FILE = "run.json"
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

    ``writes`` is false where another engine owns the folder, or where it cannot be written.
    """

    folder: Path
    crashes: list[float] = field(default_factory=list)
    writes: bool = True

    def mark_alive(self, now_seconds: float) -> None:
        """This run was alive at ``now_seconds`` (Unix time), which is the time of the crash if it crashes."""
        if self.writes:
            self._write({"pid": os.getpid(), "clean": False, "seen": now_seconds, "crashes": self.crashes})

    def mark_clean(self) -> None:
        """This run has ended properly."""
        if self.writes:
            self._write({"pid": os.getpid(), "clean": True, "seen": 0.0, "crashes": []})

    def _write(self, record: dict[str, Any]) -> None:
        write_atomically(self.folder / RUN_FILE, json.dumps(record).encode())


def process_exists(pid: int) -> bool:
    """Whether there is a process with this number."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError, ValueError):
        return False
    except PermissionError:
        return True
    return pid > 0


def begin_run(
    folder: Path, now_seconds: float, exists: Callable[[int], bool] = process_exists
) -> tuple[RunStart, ExitMarker]:
    """Read how the last run ended, and begin the record of this one; ``now_seconds`` is Unix time.

    Where the folder cannot be read or written, nothing is known and nothing is saved.
    """
    last = _read(folder / RUN_FILE)
    crashed = last is not None and not last["clean"]
    if crashed and last is not None and last["pid"] != os.getpid() and exists(last["pid"]):
        return RunStart(busy=True), ExitMarker(folder, writes=False)
    crashes: list[float] = []
    if crashed and last is not None:
        times = [*last["crashes"], last["seen"]]
        # A time in the future is of a clock that was set back since, and counts as now.
        crashes = [min(seconds, now_seconds) for seconds in times if now_seconds - seconds <= _WITHIN_SECONDS]
    resumable = crashed and (folder / STATE_FILE).exists()
    start = RunStart(len(crashes), resumable, safe=len(crashes) >= _MOST_CRASHES)
    marker = ExitMarker(folder, crashes)
    try:
        for partial in folder.glob(".*.*"):  # left by a crash in the middle of a write
            partial.unlink(missing_ok=True)
        marker.mark_alive(now_seconds)
    except OSError:
        marker.writes = False
    return start, marker


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
