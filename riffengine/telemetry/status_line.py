"""StatusLine: one line that stays in place on a terminal, with messages that scroll above it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from typing import TextIO

from rich.cells import cell_len, set_cell_size

from riffengine.errors import plain
from riffengine.telemetry.text_writer import TextWriter

_OVER = "\r\x1b[2K"  # to the start of the row, which is erased
_FADING = "fading out; Ctrl-C again ends at once"


class StatusLine:
    """Writes to a terminal. If ``stream`` is none, or one that only prints (``TERM=dumb``), every ``every``-th update
    is printed as plain text. Only ``close`` waits, whatever becomes of the terminal.
    """

    def __init__(self, stream: TextIO, every: int = 50, environment: Mapping[str, str] = os.environ) -> None:
        self._writer = TextWriter(stream)
        self._live = stream.isatty() and environment.get("TERM") != "dumb"
        self._every = every
        self._updates = 0
        self._shown = ""

    def say(self, text: str) -> None:
        """Print ``text`` on its own line, above the status line."""
        text = plain(text)
        if self._live:
            self._writer.write(f"{_OVER}{text}\n")
            self._show()
        else:
            self._writer.write(f"{text}\n")

    def update(self, fields: Mapping[str, str]) -> None:
        """Show ``fields`` as the status, cut to the width of the terminal."""
        line = plain("  ".join(f"{name} {value}".strip() for name, value in fields.items()))
        self._updates += 1
        if self._live:
            width = shutil.get_terminal_size().columns - 1  # a line that wraps could not be written over
            self._shown = line if cell_len(line) <= width else set_cell_size(line, width)
            self._show()
        elif self._updates % self._every == 1:
            self._writer.write(f"{line}\n")

    def end(self) -> None:
        """Keep the last status on the screen, and say below it that the fade-out has started."""
        if self._live and self._shown:
            shown, self._shown = self._shown, ""
            self._show()
            self._writer.write(f"{_OVER}{shown}\n{_FADING}\n")

    def close(self, most_seconds: float) -> None:
        """Wait until everything is written, ``most_seconds`` at most."""
        self._writer.close(most_seconds)

    def _show(self) -> None:
        self._writer.show(f"{_OVER}{self._shown}" if self._shown else "")
