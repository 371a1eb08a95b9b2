"""HostInTest: answers the blocks of an insert in the test's own process, whenever the test says so."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from riffengine.processes.audio import Block
from riffengine.processes.player_messages import AttachInsert
from riffengine.processes.plugin_blocks import BLOCK_FRAMES, Asked, PluginBlocks

MOST_LATENCY = 44100


class HostInTest:
    """A host of one effect, ``change(sound, asked)`` in place, that answers ``latency`` frames late as plugins do."""

    def __init__(self, change: Callable[[Block, Asked], None] = lambda sound, asked: None, latency: int = 0) -> None:
        self.blocks = PluginBlocks.create()
        self.latency = latency
        self.asked: list[Asked] = []
        self._change = change
        self._next: int | None = None
        self._delayed = np.zeros((0, 2), dtype=np.float32)

    def attach(self, place: str, pull_frames: int = 512, controls: tuple[str, ...] = ()) -> AttachInsert:
        return AttachInsert(place, self.blocks.name, pull_frames, self.latency, MOST_LATENCY, controls)

    def serve(self, skip: bool = False) -> None:
        """Answer every block that waits; ``skip`` leaves them out, as a host that hangs does."""
        if self._next is None:
            self._next = next((n for n in range(self.blocks.asked_to) if self._asked(n)), None)
        while self._next is not None and self._next < self.blocks.asked_to:
            sound = np.zeros((BLOCK_FRAMES, 2), dtype=np.float32)
            asked = self.blocks.take(self._next, sound)
            assert asked is not None
            self.asked.append(asked)
            self._change(sound, asked)
            if len(self._delayed) != self.latency:
                grown = np.zeros((self.latency, 2), dtype=np.float32)
                kept = min(len(grown), len(self._delayed))
                grown[len(grown) - kept :] = self._delayed[len(self._delayed) - kept :]
                self._delayed = grown
            late = np.concatenate((self._delayed, sound))
            self._delayed = late[BLOCK_FRAMES:]
            if not skip:
                self.blocks.give(self._next, late[:BLOCK_FRAMES], self.latency)
            self._next += 1

    def _asked(self, block: int) -> bool:
        return self.blocks.take(block, np.zeros((BLOCK_FRAMES, 2), dtype=np.float32)) is not None

    def close(self) -> None:
        self.blocks.close()
