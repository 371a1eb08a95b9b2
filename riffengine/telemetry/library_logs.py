"""What libraries log, written by a thread: a warning on the engine's loop waits for no terminal."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from typing import TextIO

from riffengine.errors import plain
from riffengine.telemetry.text_writer import TextWriter

_CLOSE_SECONDS = 1.0


class _Plain(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return plain(super().format(record))


@contextlib.contextmanager
def library_logs(stream: TextIO) -> Iterator[None]:
    """Have warnings and errors of the standard ``logging`` written to ``stream``, as Python does by itself, later.

    Where the program has set up handlers of its own, they stay as they are.
    """
    root = logging.getLogger()
    if root.handlers:
        yield
        return
    writer = TextWriter(stream)
    handler = logging.StreamHandler(writer)
    handler.setFormatter(_Plain())
    handler.setLevel(logging.WARNING)
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
        writer.close(_CLOSE_SECONDS)
