"""AudioTap: shared memory in which the player leaves the newest seconds of its output, or input, for other processes.

The audio thread copies every block into a ring and moves one number on; it never waits for a reader and does not know
whether there is one. Readers notice by themselves what they have missed.
"""

from __future__ import annotations

from dataclasses import dataclass
from multiprocessing import shared_memory

import numpy as np

from riffengine.errors import LoopStoreError
from riffengine.processes.audio import Block
from riffengine.processes.loop_store import Segment, release_segment, reserve_segment

TAP_FRAMES = 1 << 18
"""5.9 s at 44.1 kHz, 2 MB in stereo: a reader that was stopped for so long has missed nothing."""

_BLOCK_FRAMES = 1 << 13  # of the longest block: the oldest frames are overwritten before the end moves on
_GUARD_FRAMES = _BLOCK_FRAMES + (1 << 12)  # a reader stays so far away, so that it seldom has to read once more
_HEADER = 8  # int64
_BEGIN, _END, _HOST_NS, _RATE, _CHANNELS, _FRAMES = range(6)


@dataclass(frozen=True)
class Tapped:
    """What a reader got: ``samples`` ``(frames, channels) float32``, a copy, from output frame ``frame`` on.

    The player handed over the frame after the last one that is known at ``host_ns`` of the monotonic clock.
    """

    frame: int
    samples: Block
    host_ns: int


class AudioTap:
    """The ring. The engine makes it with ``create``; the player writes it, other processes read it (``attach``).

    One writer at a time. Every position is an output frame of the player, so a player that is started again goes on
    in the same ring. ``sample_rate`` and ``channels`` are those of the output.
    """

    def __init__(self, memory: shared_memory.SharedMemory, owner: bool, lock: int = -1) -> None:
        self._memory, self._owner, self._lock = memory, owner, lock
        if memory.buf is None:
            raise LoopStoreError(f"shared memory {memory.name!r} is closed; attach to it again")
        self._header = np.frombuffer(memory.buf, np.int64, _HEADER)
        self.sample_rate, self.channels = int(self._header[_RATE]), int(self._header[_CHANNELS])
        self._frames = int(self._header[_FRAMES])
        floats = np.frombuffer(memory.buf, np.float32, self._frames * self.channels, _HEADER * 8)
        self._ring = floats.reshape(self._frames, self.channels)

    @classmethod
    def create(cls, sample_rate: int, channels: int, frames: int = TAP_FRAMES) -> AudioTap:
        """A new ring of ``frames``; ``LoopStoreError`` when there is no shared memory for it."""
        try:
            memory, lock = reserve_segment(_HEADER * 8 + frames * channels * 4)
        except OSError as error:
            raise LoopStoreError(
                f"no shared memory for the output of the web server: {error}; end other programs or play without --web"
            ) from error
        assert memory.buf is not None
        header = np.frombuffer(memory.buf, np.int64, _HEADER)
        header[_RATE], header[_CHANNELS], header[_FRAMES] = sample_rate, channels, frames
        del header
        return cls(memory, owner=True, lock=lock)

    @classmethod
    def attach(cls, name: str) -> AudioTap:
        """The engine's ring in another process; ``LoopStoreError`` when it is gone or is none."""
        try:
            memory = Segment(name=name)
        except OSError as error:
            raise LoopStoreError(f"shared memory {name!r} cannot be opened: {error}; has its engine ended?") from None
        assert memory.buf is not None
        header = np.frombuffer(memory.buf, np.int64, _HEADER) if memory.size >= _HEADER * 8 else np.zeros(_HEADER)
        needed = _HEADER * 8 + int(header[_FRAMES]) * int(header[_CHANNELS]) * 4
        if not header[_FRAMES] or memory.size < needed:
            raise LoopStoreError(f"shared memory {name!r} holds no audio output; it belongs to another program")
        return cls(memory, owner=False)

    @property
    def name(self) -> str:
        """What ``attach`` needs."""
        return self._memory.name

    @property
    def begin(self) -> int:
        """The frame from which on nothing is missing, though it may be overwritten by now."""
        return int(self._header[_BEGIN])

    @property
    def end(self) -> int:
        """The frame after the newest one."""
        return int(self._header[_END])

    def write(self, frame: int, block: Block, host_ns: int) -> None:
        """Leave ``block`` ``(frames, channels or 1) float32``, which begins at output frame ``frame``. Audio thread.

        ``host_ns`` is when the device asked for it. A block longer than the ring leaves its end.
        """
        header, ring, size = self._header, self._ring, self._frames
        if frame != header[_END]:  # a new player begins
            header[_BEGIN] = frame
        end = frame + len(block)
        block = block[-size:]
        frame = end - len(block)
        at = frame % size
        first = min(len(block), size - at)
        ring[at : at + first] = block[:first]
        if first < len(block):
            ring[: len(block) - first] = block[first:]
        header[_HOST_NS] = host_ns
        header[_END] = end

    def read(self, frame: int, most_frames: int) -> Tapped:
        """What there is from ``frame`` on, at most ``most_frames``; never waits.

        The answer begins later than ``frame`` where that is overwritten already, or where the player was away.
        """
        while True:
            end, begin = int(self._header[_END]), int(self._header[_BEGIN])
            start = max(frame, begin, end - self._frames + _GUARD_FRAMES)
            count = max(0, min(end - start, most_frames))
            indices = np.arange(start, start + count) % self._frames
            samples = self._ring[indices]
            oldest = int(self._header[_END]) - self._frames + _BLOCK_FRAMES
            if start >= oldest and int(self._header[_BEGIN]) == begin:
                return Tapped(start, samples, int(self._header[_HOST_NS]))

    def close(self) -> None:
        """Detach; the engine also removes the memory."""
        self._header = np.zeros(_HEADER, np.int64)
        self._ring = np.zeros((0, self.channels), np.float32)
        self._lock = release_segment(self._memory, self._owner, self._lock)
