"""IdleCheck: how long nothing can happen but the drift: a tick of an idle set then costs next to nothing."""

from __future__ import annotations

from riffengine.scheduler.state import SchedulerState

FOREVER = 1 << 62


class IdleCheck:
    """Whether the last decision still holds, because nothing has come in and no change is on its way."""

    def __init__(self, scheduler: SchedulerState) -> None:
        self._scheduler = scheduler
        self._seen: tuple[object, ...] | None = None
        self.until = -1

    def update(self, frame: int) -> None:
        """Everything was decided at ``frame``: find out how long that holds."""
        scheduler, renders = self._scheduler, self._scheduler.renders
        self.until = -1
        if scheduler.timeline.upcoming is not None:
            return
        for deck in scheduler.decks.values():
            waits = deck.target is not None or deck.launching is not None or deck.alpha_waits or deck.promises
            if waits or deck.sounding is None or (not deck.gave_up and not deck.settled):
                return
        retry_beat = renders.next_retry_beat(scheduler.timeline.beat_at(frame)) if renders.troubled else None
        ends = (renders.next_hang_frame(), None if retry_beat is None else scheduler.timeline.frame_of(retry_beat) + 1)
        self.until = min((end for end in ends if end is not None), default=FOREVER)
        self._seen = self._watched()

    def lasts(self, frame: int) -> bool:
        """Whether it still holds at ``frame``."""
        return frame < self.until and self._seen == self._watched()

    def _watched(self) -> tuple[object, ...]:
        """What may change besides by the Conductor (the grid of an external tempo, restored loops)."""
        scheduler = self._scheduler
        return scheduler.timeline.grid, scheduler.timeline.upcoming is None, scheduler.loops.version
