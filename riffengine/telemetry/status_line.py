"""StatusLine: one line that stays in place on a terminal, with messages that scroll above it."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Mapping
from typing import TextIO

from rich.cells import cell_len, set_cell_size

from riffengine.errors import plain

_FADING = "fading out; Ctrl-C again ends at once"


class StatusLine:
    """Writes to a terminal. If ``stream`` is none, or one that only prints (``TERM=dumb``), every ``every``-th update
    is printed as plain text.
    """

    def __init__(self, stream: TextIO, every: int = 50, environment: Mapping[str, str] = os.environ) -> None:
        self._stream = stream
        self._live = stream.isatty() and environment.get("TERM") != "dumb"
        self._every = every
        self._updates = 0
        self._shown = ""

    def say(self, text: str) -> None:
        """Print ``text`` on its own line, above the status line."""
        text = plain(text)
        if self._live:
            self._write(f"\r\x1b[2K{text}\n{self._shown}")
        else:
            self._write(f"{text}\n")

    def update(self, fields: Mapping[str, str]) -> None:
        """Show ``fields`` as the status, cut to the width of the terminal."""
        line = plain("  ".join(f"{name} {value}".strip() for name, value in fields.items()))
        self._updates += 1
        if self._live:
            width = shutil.get_terminal_size().columns - 1  # a line that wraps could not be written over
            self._shown = line if cell_len(line) <= width else set_cell_size(line, width)
            self._write(f"\r\x1b[2K{self._shown}")
        elif self._updates % self._every == 1:
            self._write(f"{line}\n")

    def end(self) -> None:
        """Keep the last status on the screen, and say below it that the fade-out has started."""
        if self._live and self._shown:
            self._write(f"\n{_FADING}\n")
            self._shown = ""

    def _write(self, text: str) -> None:
        """Write; where the terminal is closed or nobody reads any more, everything goes to nowhere from now on."""
        try:
            self._stream.write(text)
            self._stream.flush()
        except OSError:
            leave_out_the_rest(self._stream)


def leave_out_the_rest(stream: TextIO) -> None:
    """Have nowhere take all that follows on ``stream``, what is still buffered too: Python writes it when it ends."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
