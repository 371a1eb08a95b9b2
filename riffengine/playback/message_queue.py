"""MessageQueue: the messages that the mixer has not acted on yet, in order of their frames, for each of its stages."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterable
from enum import IntEnum

from riffengine.processes.player_messages import PlaceLoop, Scheduled, ToPlayer


class Stage(IntEnum):
    """What a message acts on. Where there are inserts, each stage works ahead of the next one."""

    VOICES = 0  # loops, grid, alpha
    DECKS = 1  # gains of stems, effects of decks
    FADERS = 2  # gain, mute, crossfader, sends
    OUT = 3  # master gain and fade, headphones


ALL_STAGES = tuple(Stage)
_Entry = tuple[int, int, ToPlayer]  # frame, order of arrival, message


class MessageQueue:
    """Messages of one stage for one frame keep the order in which they came.

    ``add`` and ``unsorted`` may be called from another thread; all else belongs to the mixer's.
    """

    def __init__(self) -> None:
        self.late_messages = 0
        self._inbox: deque[ToPlayer] = deque()  # appending and popping are atomic
        self._due: dict[Stage, list[_Entry]] = {stage: [] for stage in ALL_STAGES}  # heaps
        self._arrived = 0

    def add(self, message: ToPlayer) -> None:
        """Take a message; ``sort`` gives it its frame."""
        self._inbox.append(message)

    @property
    def unsorted(self) -> bool:
        """Whether a message has no frame yet."""
        return bool(self._inbox)

    def sort(self, horizon: int, place: Callable[[ToPlayer], tuple[Stage, int] | int]) -> list[Scheduled]:
        """Give every new message its frame: the one it asks for, but none before the horizon of its stage.

        ``place`` names stage and horizon of a message; or, where it has acted on it, the frame. ``horizon`` is that of
        the last stage. Counts late messages.
        """
        scheduled = []
        while self._inbox:
            message = self._inbox.popleft()
            asked: int | None = getattr(message, "at_frame", None)
            placed = place(message)
            if isinstance(placed, int):
                frame = placed
            else:
                stage, earliest = placed
                frame = earliest if asked is None else max(asked, earliest)
                heapq.heappush(self._due[stage], (frame, self._arrived, message))
            if asked is not None and asked < frame:
                self.late_messages += 1
            self._arrived += 1
            scheduled.append(Scheduled(self._arrived, frame, horizon))
        return scheduled

    def next_frame(self, stages: Iterable[Stage] = ALL_STAGES) -> int | None:
        """The frame of the first message of ``stages``."""
        return min((self._due[stage][0][0] for stage in stages if self._due[stage]), default=None)

    def pop_due(self, frame: int, stages: Iterable[Stage] = ALL_STAGES) -> ToPlayer | None:
        """The first message of ``stages`` whose frame is not after ``frame``; it is no longer kept."""
        first: list[_Entry] | None = None
        for stage in stages:
            due = self._due[stage]
            if due and due[0][0] <= frame and (first is None or due[0][:2] < first[0][:2]):
                first = due
        return heapq.heappop(first)[2] if first else None

    def pop_while(self, end_frame: int, accepts: Callable[[ToPlayer, int], bool]) -> None:
        """Pass the messages for voices before ``end_frame`` to ``accepts`` with their frames, up to one it refuses."""
        due = self._due[Stage.VOICES]
        while due and due[0][0] < end_frame and accepts(due[0][2], due[0][0]):
            heapq.heappop(due)

    def drop_placements(self, loop: int) -> None:
        """Forget every message that would place the loop with this number."""
        due = self._due[Stage.VOICES]
        due[:] = [entry for entry in due if not (isinstance(entry[2], PlaceLoop) and entry[2].loop.loop == loop)]
        heapq.heapify(due)
