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

    Only where the program has set up no handlers, as Python's own: that one is replaced.
    """
    writer = TextWriter(stream)
    handler = logging.StreamHandler(writer)
    handler.setFormatter(_Plain())
    handler.setLevel(logging.WARNING)
    before, logging.lastResort = logging.lastResort, handler
    try:
        yield
    finally:
        logging.lastResort = before
        writer.close(_CLOSE_SECONDS)
