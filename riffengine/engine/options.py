"""PlayOptions: what one performance is started with besides its session."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from riffengine.control.surface import Surface
from riffengine.performance.command import Command
from riffengine.recovery import Recovery


@dataclass(frozen=True)
class PlayOptions:
    """What holds for one performance only. What replaces settings of a preset is in the ``Session`` itself.

    ``seconds`` of music, counted from the first sound; ``None`` plays until it is stopped. ``commands`` are applied to
    the state before the first beat. ``journal`` and ``latency_csv`` are files to write, ``None`` for none.
    ``surfaces`` are notified besides those that the session opens.
    """

    seconds: float | None = None
    commands: tuple[Command, ...] = ()
    journal: Path | None = None
    latency_csv: Path | None = None
    recovery: Recovery | None = None
    surfaces: tuple[Surface, ...] = ()
