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

    def reckon(self, frame: int) -> None:
        """All has been decided at ``frame``: see how long that holds."""
        scheduler, desk = self._scheduler, self._scheduler.renders
        self.until = -1
        if scheduler.timeline.upcoming is not None:
            return
        for part in scheduler.decks.values():
            waits = part.target is not None or part.launching is not None or part.jump or part.promises
            if waits or part.sounding is None or (part.want != part.refused and not part.settled):
                return
        retry_beat = desk.next_retry_beat(scheduler.timeline.beat_at(frame)) if desk.troubled else None
        ends = (desk.next_hang_frame(), None if retry_beat is None else scheduler.timeline.frame_of(retry_beat) + 1)
        self.until = min((end for end in ends if end is not None), default=FOREVER)
        self._seen = self._news()

    def lasts(self, frame: int) -> bool:
        """Whether it still holds at ``frame``."""
        return frame < self.until and self._seen == self._news()

    def _news(self) -> tuple[object, ...]:
        """What those may change who decide beside the Conductor (a leader's grid, loops of an earlier set)."""
        scheduler = self._scheduler
        return scheduler.timeline.grid, scheduler.timeline.upcoming is None, scheduler.loops.version
