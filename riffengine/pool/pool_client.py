"""PoolClient: what a pool tells whoever has loops rendered by it."""

from __future__ import annotations

from typing import Protocol

from riffengine.pool.finished_loop import FinishedLoop
from riffengine.processes.render_messages import PoolReport, Ready, Render


class PoolClient(Protocol):
    """Whoever has loops rendered. No call waits."""

    name: str

    def ready(self, ready: Ready) -> None:
        """The pool takes jobs; again where it plays another model or numeric kind."""

    def seats(self, seats: int, reason: str) -> None:
        """It renders another number of jobs at the same time; 0: no renderer is there."""

    def finished(self, render: Render, loop: FinishedLoop) -> None:
        """The loop of ``render`` is there."""

    def failed(self, job: int, reason: str, hopeless: bool) -> None:
        """``job`` could not be rendered; -1: no member could load its model."""

    def dropped(self, job: int) -> None:
        """``job`` ended as it was asked to."""

    def alive(self, job: int, worked_seconds: float, steps: int, queued: bool) -> None:
        """``job`` is being rendered, or ``queued``."""

    def report(self, report: PoolReport) -> None:
        """How the pool stands."""
