"""CapturedFiles: where captured bars are saved, and which of a deck that follows may be removed again."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection
from datetime import datetime
from pathlib import Path

KEPT = 8
"""Files of a deck that follows the input, 1 to 2 MB each: what lands late or is undone soon is still there."""


class CapturedFiles:
    """Names files in ``folder``. With ``keep_all`` none is removed: the journal of the set names them for its replay.

    What was captured by hand always stays. The event loop's thread.
    """

    def __init__(self, folder: Path, keep_all: bool, unix_seconds: Callable[[], float]) -> None:
        self._folder, self._keep_all, self._unix_seconds = folder, keep_all, unix_seconds
        self._followed: dict[str, deque[Path]] = {}
        self._saved = 0

    def new(self, deck: str, followed: bool) -> Path:
        """The path of the next file of ``deck``; ``followed``: nobody has asked for it by hand."""
        stamp = datetime.fromtimestamp(self._unix_seconds()).strftime("%Y-%m-%d-%H%M%S")
        self._saved += 1
        path = self._folder / f"riffengine-input-{stamp}-{deck}-{self._saved}.flac"
        if followed:
            self._followed.setdefault(deck, deque()).append(path)
        return path

    def forget(self, path: Path) -> None:
        """``path`` was not written: nobody may wait for it to be removed."""
        for files in self._followed.values():
            if path in files:
                files.remove(path)

    def remove_old(self, deck: str, in_use: Collection[str]) -> None:
        """Remove what ``deck`` has followed before its last ``KEPT`` files, except where a path is ``in_use``."""
        files = self._followed.get(deck, deque())
        if self._keep_all:
            files.clear()
            return
        for path in list(files)[: max(0, len(files) - KEPT)]:
            if str(path.resolve()) not in in_use:
                files.remove(path)
                path.unlink(missing_ok=True)
