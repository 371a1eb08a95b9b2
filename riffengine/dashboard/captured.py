"""What is written to stderr while the dashboard draws: printed by the engine, or by the dashboard where it has died."""

from __future__ import annotations

import os
import sys

from riffengine.errors import plain
from riffengine.telemetry.text_writer import TextWriter


def print_captured(file: int, seconds: float) -> None:
    """Print on stderr what the file of descriptor ``file`` holds, and empty it, so that it is printed once.

    It waits ``seconds`` at most for a terminal that takes nothing.
    """
    rest = os.pread(file, os.fstat(file).st_size, 0).decode("utf-8", "replace")
    os.ftruncate(file, 0)
    errors = TextWriter(sys.stderr)
    errors.write(plain(rest))
    errors.close(seconds)
