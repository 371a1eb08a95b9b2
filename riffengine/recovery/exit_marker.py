"""ExitMarker: how the last runs ended. A run that did not say goodbye crashed; three in ten minutes are no accident."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from riffengine.recovery.saved_state import STATE_FILE, write_whole

RUN_FILE = "run.json"
MOST_CRASHES = 3
WITHIN_SECONDS = 600.0


@dataclass(frozen=True)
class Start:
    """What is known when a run begins. ``crashes`` counts the unclean ends in a row within the last ten minutes.

    ``resumable``: the last run ended uncleanly and left a state. ``safe``: start with the preset's own values, whatever
    was asked. ``busy``: another engine is playing; this one keeps nothing.
    """

    crashes: int = 0
    resumable: bool = False
    safe: bool = False
    busy: bool = False

    def advice(self, resume: bool) -> str:
        """What the performer should know, ``""`` for nothing."""
        if self.busy:
            return "another engine is playing: this one keeps no state for --resume"
        if self.safe:
            return (
                f"{self.crashes} crashes within ten minutes: starting safe, with the preset's own values and without "
                "--resume; `riffengine doctor` may know why"
            )
        if self.resumable and not resume:
            return "the last set ended without a goodbye; `riffengine play --resume` goes on where it was"
        return ""


@dataclass
class ExitMarker:
    """The record of this run. ``alive(seconds)`` every few seconds, ``clean()`` at the end. Raises ``OSError``."""

    folder: Path
    crashes: list[float] = field(default_factory=list)
    keeps: bool = True

    def alive(self, now_seconds: float) -> None:
        """This run was alive at ``now_seconds`` (Unix time): the moment of the crash, should it be one."""
        if self.keeps:
            self._write({"pid": os.getpid(), "clean": False, "seen": now_seconds, "crashes": self.crashes})

    def clean(self) -> None:
        """This run has ended as it should."""
        if self.keeps:
            self._write({"pid": os.getpid(), "clean": True, "seen": 0.0, "crashes": []})

    def _write(self, facts: dict[str, Any]) -> None:
        write_whole(self.folder / RUN_FILE, json.dumps(facts).encode())


def process_lives(pid: int) -> bool:
    """Whether there is a process with this number."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError, ValueError):
        return False
    except PermissionError:
        return True
    return pid > 0


def begin_run(
    folder: Path, now_seconds: float, lives: Callable[[int], bool] = process_lives
) -> tuple[Start, ExitMarker]:
    """Look at how the last run ended, and begin the record of this one; ``now_seconds`` is Unix time.

    A folder that cannot be read or written means that nothing is known and nothing is kept.
    """
    before = _read(folder / RUN_FILE)
    unclean = before is not None and not before["clean"]
    if unclean and before is not None and before["pid"] != os.getpid() and lives(before["pid"]):
        return Start(busy=True), ExitMarker(folder, keeps=False)
    crashes: list[float] = []
    if unclean and before is not None:
        times = [*before["crashes"], before["seen"]]
        crashes = [seconds for seconds in times if 0.0 <= now_seconds - seconds <= WITHIN_SECONDS]
    resumable = unclean and (folder / STATE_FILE).exists()
    start = Start(len(crashes), resumable, safe=len(crashes) >= MOST_CRASHES)
    ending = ExitMarker(folder, crashes)
    try:
        for partial in folder.glob(".*.*"):  # what a crash in the middle of a write has left
            partial.unlink(missing_ok=True)
        ending.alive(now_seconds)
    except OSError:
        ending.keeps = False
    return start, ending


def _read(path: Path) -> dict[str, Any] | None:
    try:
        facts = json.loads(path.read_bytes())
        return {
            "pid": int(facts["pid"]),
            "clean": bool(facts["clean"]),
            "seen": float(facts["seen"]),
            "crashes": [float(seconds) for seconds in facts["crashes"]],
        }
    except (OSError, ValueError, TypeError, KeyError, RecursionError, OverflowError):
        return None
