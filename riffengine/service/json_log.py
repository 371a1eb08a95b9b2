"""JsonLog: a log of JSON lines, one object per line, in files that are rotated before they grow too large."""

from __future__ import annotations

import json
import queue
import sys
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from riffengine.errors import ServiceError, plain
from riffengine.telemetry.text_writer import DirectText

LEVELS = ("info", "warning", "error")
_LONGEST_QUEUE = 10_000  # lines; beyond it new lines are dropped and counted: a hanging disk must not fill the memory


class JsonLog:
    """Writes lines in its own thread; ``write`` never blocks. With ``path`` ``None`` it writes to ``stream``.

    When a file would grow beyond ``most_bytes`` it is renamed to ``name.1``, the one before to ``name.2``, and so on up
    to ``keep``. Lines that the disk does not take are counted in ``lost``; the next successful write reports the count.
    The constructor raises ``ServiceError`` when the file cannot be created.
    """

    def __init__(
        self,
        path: Path | None,
        unix_seconds: Callable[[], float],
        most_bytes: int = 10_000_000,
        keep: int = 5,
        stream: TextIO | None = None,
    ) -> None:
        self.lost = 0
        self._path, self._unix_seconds = path, unix_seconds
        self._most_bytes, self._keep = most_bytes, max(1, keep)
        self._stream = DirectText(stream or sys.stdout)
        self._file: TextIO | None = None
        self._reported_lost = 0
        if path is not None:
            try:
                self._file = path.open("a", encoding="utf-8")
            except OSError as error:
                raise ServiceError(
                    f"cannot log to {path}: {error.strerror}; choose a file in a folder that exists and is writable"
                ) from error
        self._queue: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="json-log", daemon=True)
        self._thread.start()

    def write(self, event: str, text: str = "", level: str = "info", facts: Mapping[str, Any] | None = None) -> None:
        """One line: ``time`` (UTC), ``level``, ``event``, ``text`` and the facts."""
        if self._queue.qsize() >= _LONGEST_QUEUE:
            self.lost += 1
            return
        when = datetime.fromtimestamp(self._unix_seconds(), UTC).isoformat(timespec="milliseconds")
        line: dict[str, Any] = {"time": when, "level": level, "event": event}
        if text:
            line["text"] = text
        self._queue.put(_escaped(json.dumps({**line, **(facts or {})}, ensure_ascii=False, default=str)))

    def close(self, timeout_seconds: float = 5.0) -> None:
        """Write the queued lines and close the file."""
        self._queue.put(None)
        self._thread.join(timeout_seconds)

    def _run(self) -> None:
        while (line := self._queue.get()) is not None:
            if self.lost > self._reported_lost:
                line = json.dumps({"event": "lost", "level": "warning", "lines": self.lost}) + "\n" + line
            before = self.lost
            self._write_text(line + "\n")
            if self.lost == before:
                self._reported_lost = before
        if self._file is not None:
            try:
                self._file.close()
            except OSError:
                self.lost += 1

    def _write_text(self, text: str) -> None:
        try:
            if self._path is None:
                self._stream.write(text)
                return
            self._file = self._rotated(self._path, len(text.encode("utf-8", "replace")))
            self._file.write(text)
            self._file.flush()
        except (OSError, ValueError):  # ValueError: stdout was closed meanwhile
            self.lost += 1

    def _rotated(self, path: Path, more_bytes: int) -> TextIO:
        """The file to write to; a new one when the old would grow too large."""
        file = self._file
        if file is None or file.closed:
            file = path.open("a", encoding="utf-8")
        if file.tell() and file.tell() + more_bytes > self._most_bytes:
            file.close()
            for number in range(self._keep, 0, -1):
                older = path if number == 1 else path.with_name(f"{path.name}.{number - 1}")
                if older.exists():
                    older.replace(path.with_name(f"{path.name}.{number}"))
            file = path.open("a", encoding="utf-8")
        return file


def _escaped(line: str) -> str:
    """``line`` of JSON with everything that a terminal would obey as \\uXXXX, which reads back the same."""
    if line.isprintable():
        return line
    return "".join(c if plain(c) == c and c not in "\n\t" else json.dumps(c)[1:-1] for c in line)
