"""MessageQueue: the messages that the mixer has not acted on yet, in order of their frames."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable

from riffengine.processes.player_messages import PlaceLoop, Scheduled, ToPlayer


class MessageQueue:
    """Messages for one frame keep the order in which they came.

    ``add`` and ``unsorted`` may be called from another thread; all else belongs to the mixer's.
    """

    def __init__(self) -> None:
        self.late_messages = 0
        self._inbox: deque[ToPlayer] = deque()  # appending and popping are atomic
        self._due: list[tuple[int, int, ToPlayer]] = []  # a heap: frame, order of arrival, message
        self._arrived = 0

    def add(self, message: ToPlayer) -> None:
        """Take a message; ``sort`` gives it its frame."""
        self._inbox.append(message)

    @property
    def unsorted(self) -> bool:
        """Whether a message has no frame yet."""
        return bool(self._inbox)

    def sort(self, horizon: int) -> list[Scheduled]:
        """Give every new message its frame: the one it asks for, but none before ``horizon``; counts those too late."""
        scheduled = []
        while self._inbox:
            message = self._inbox.popleft()
            asked: int | None = getattr(message, "at_frame", None)
            if asked is not None and asked < horizon:
                self.late_messages += 1
            frame = horizon if asked is None else max(asked, horizon)
            heapq.heappush(self._due, (frame, self._arrived, message))
            self._arrived += 1
            scheduled.append(Scheduled(self._arrived, frame, horizon))
        return scheduled

    @property
    def next_frame(self) -> int | None:
        """The frame of the first message."""
        return self._due[0][0] if self._due else None

    def pop_due(self, frame: int) -> ToPlayer | None:
        """The first message whose frame is not after ``frame``; it is no longer kept."""
        return heapq.heappop(self._due)[2] if self._due and self._due[0][0] <= frame else None

    def pop_while(self, end_frame: int, accepts: Callable[[ToPlayer, int], bool]) -> None:
        """Pass the messages before ``end_frame`` to ``accepts`` with their frames, up to the first it refuses."""
        while self._due and self._due[0][0] < end_frame and accepts(self._due[0][2], self._due[0][0]):
            heapq.heappop(self._due)

    def drop_placements(self, loop: int) -> None:
        """Forget every message that would place the loop with this number."""
        self._due = [
            entry for entry in self._due if not (isinstance(entry[2], PlaceLoop) and entry[2].loop.loop == loop)
        ]
        heapq.heapify(self._due)
