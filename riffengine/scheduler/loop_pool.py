"""LoopPool: finished loops by what they sound like, and the slots of the loop store that hold them.

A slot goes free → rendering → ready → freeing → free. The renderer never gets one that the player may still read.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum

from riffengine.errors import LoopStoreError
from riffengine.processes.player_messages import LoopRef


class SlotState(Enum):
    """Who may touch a slot."""

    FREE = "free"
    RENDERING = "rendering"  # the renderer writes it
    READY = "ready"  # holds a finished loop; the player may read it
    FREEING = "freeing"  # the player was told to free it and has not answered


@dataclass
class FinishedLoop:
    """A loop in the pool. ``loop_id`` names what it sounds like whatever the number of denoising steps."""

    ref: LoopRef
    loop_id: str
    steps: int
    known_to_player: bool = False
    heard: bool = False


class LoopPool:
    """Finished loops, least recently wanted first, in a fixed number of slots."""

    def __init__(self, slots: int) -> None:
        self._slots = [SlotState.FREE] * slots
        self._best: dict[str, FinishedLoop] = {}  # by motif, least recently wanted first
        self._superseded: list[FinishedLoop] = []
        self.version = 0  # grows whenever a loop comes or goes
        self._next_loop = 1

    def count(self, state: SlotState) -> int:
        """How many slots are in ``state``."""
        return self._slots.count(state)

    @property
    def slots(self) -> int:
        """How many slots there are."""
        return len(self._slots)

    def reserve(self) -> int | None:
        """A free slot for the renderer to write, ``None`` when there is none."""
        try:
            slot = self._slots.index(SlotState.FREE)
        except ValueError:
            return None
        self._slots[slot] = SlotState.RENDERING
        return slot

    def release(self, slot: int) -> None:
        """The renderer will not write ``slot`` any more, and no loop is in it."""
        self._move(slot, SlotState.RENDERING, SlotState.FREE)

    def put(self, loop_id: str, steps: int, slot: int, shape: tuple[int, int, tuple[str, ...], int]) -> FinishedLoop:
        """A finished loop is in ``slot``; ``shape`` is frames, channels, stems, beats."""
        self._move(slot, SlotState.RENDERING, SlotState.READY)
        frames, channels, stems, beats = shape
        loop = FinishedLoop(LoopRef(self._next_loop, slot, frames, channels, stems, beats), loop_id, steps)
        self._next_loop += 1
        before = self._best.pop(loop_id, None)
        if before is not None and before.steps >= steps:  # a late draft after the finer one
            self._best[loop_id] = before
            self._superseded.append(loop)
        else:
            self._best[loop_id] = loop
            if before is not None:
                self._superseded.append(before)
        self.version += 1
        return loop

    def best(self, loop_id: str) -> FinishedLoop | None:
        """The finest loop there is of ``loop_id``."""
        return self._best.get(loop_id)

    def want(self, loop_id: str) -> None:
        """``loop_id`` is wanted now: it will be evicted after those that are not."""
        loop = self._best.pop(loop_id, None)
        if loop is not None:
            self._best[loop_id] = loop

    def evictable(self, kept_motifs: Collection[str], kept_loops: Collection[int]) -> FinishedLoop | None:
        """The least recently wanted loop that neither collection protects."""
        for loop in self._best.values():
            if loop.loop_id not in kept_motifs and loop.ref.loop not in kept_loops:
                return loop
        return None

    def superseded(self) -> tuple[FinishedLoop, ...]:
        """Loops of which the pool has a finer one."""
        return tuple(self._superseded)

    def drop(self, loop: FinishedLoop) -> bool:
        """Take ``loop`` out of the pool; true when the player knows it and must be told to forget it."""
        if loop in self._superseded:
            self._superseded.remove(loop)
        elif self._best.get(loop.loop_id) is loop:
            del self._best[loop.loop_id]
        self.version += 1
        self._move(loop.ref.slot, SlotState.READY, SlotState.FREEING if loop.known_to_player else SlotState.FREE)
        return loop.known_to_player

    def freed(self, slot: int) -> None:
        """The player reads ``slot`` no more."""
        self._move(slot, SlotState.FREEING, SlotState.FREE)

    def forget_player(self) -> None:
        """The player has ended: it knows no loop any more, and reads no slot."""
        for loop in (*self._best.values(), *self._superseded):
            loop.known_to_player = False
        for slot, state in enumerate(self._slots):
            if state is SlotState.FREEING:
                self._slots[slot] = SlotState.FREE
        self.version += 1

    def _move(self, slot: int, before: SlotState, after: SlotState) -> None:
        if self._slots[slot] is not before:
            raise LoopStoreError(
                f"slot {slot} is {self._slots[slot].value} and cannot become {after.value}; it must be {before.value}"
            )
        self._slots[slot] = after
