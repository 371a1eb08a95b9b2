"""PluginLog: the file for what the plugins of a place print, kept small. The event loop's thread.

A plugin may print with every block, for hours: the file is emptied when it is larger than a megabyte. The hosts write
at its end, wherever that is. Its last line often says why a plugin has ended.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

MOST_BYTES = 1 << 20
_LAST_BYTES = 2000
_LINE_CHARACTERS = 120


class PluginLog:
    """The log at ``path``, "" for none. What cannot be read or emptied is left as it is."""

    def __init__(self, path: str) -> None:
        self._path = path

    def trim(self) -> None:
        """Empty the file if it has become large; call it now and then."""
        with contextlib.suppress(OSError):
            if self._path and Path(self._path).stat().st_size > MOST_BYTES:
                os.truncate(self._path, 0)

    def last_line(self) -> str:
        """The last line with something printable in it, cut at 120 characters; "" where there is none."""
        try:
            lines = self._end().decode("utf-8", "replace").split("\n") if self._path else []
        except OSError:
            return ""
        said = [line.strip() for line in lines if line.strip()]
        return "".join(c for c in said[-1] if c.isprintable())[:_LINE_CHARACTERS] if said else ""

    def _end(self) -> bytes:
        with Path(self._path).open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _LAST_BYTES))
            return file.read(_LAST_BYTES)
