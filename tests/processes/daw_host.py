"""HostEnd: the plugin's side of a DawRing in Python, for tests that need no compiler. It finds music by its beat."""

from __future__ import annotations

import struct
from multiprocessing import shared_memory

import numpy as np

from riffengine.processes import daw_layout as at
from riffengine.processes.audio import Block
from riffengine.processes.daw_ring import HostTime


class HostEnd:
    """Publishes host times and plays blocks as the C core does, one run after the other, without a crossfade."""

    def __init__(self, name: str) -> None:
        self._memory = shared_memory.SharedMemory(name=name)
        assert self._memory.buf is not None
        self.buffer = self._memory.buf
        _, _, self.rate, self.channels, self.capacity, _ = struct.unpack_from("<6I", self.buffer, 8)

    def get(self, offset: int) -> int:
        return int(struct.unpack_from("<q", self.buffer, offset)[0])

    def put(self, offset: int, value: int) -> None:
        struct.pack_into("<q", self.buffer, offset, value)

    def publish(self, host: HostTime) -> None:
        start, end = host.loop or (0.0, 0.0)
        flags = host.rolling * at.ROLLING + host.playing * at.PLAYING + host.offline * at.OFFLINE
        flags += host.known * at.KNOWN + (host.loop is not None) * at.LOOPING
        sequence = self.get(at.SEQUENCE)
        self.put(at.SEQUENCE, sequence + 1)
        struct.pack_into(
            "<q5d5qdq",
            self.buffer,
            at.HOST_JUMPS,
            host.jumps,
            *(host.beat, host.bpm, host.wanted, start, end),
            *(host.ns, host.frames, host.read, host.block_frames, flags),
            host.beats_per_bar,
            host.beat_unit,
        )
        self.put(at.SEQUENCE, sequence + 2)

    def find(self, beat: float) -> tuple[int, int] | None:
        """The index of the frame at ``beat`` in the newest span that has it, and the frames left in that span."""
        written = self.get(at.SPANS_WRITTEN)
        for number in range(written - 1, max(-1, written - at.SPAN_RECORDS + 1), -1):
            offset = at.SPANS + number % at.SPAN_RECORDS * at.SPAN_BYTES
            first, frames, start, bpm, _run = struct.unpack_from("<qqddq", self.buffer, offset)
            place = round((beat - start) * 60.0 * self.rate / bpm)
            if 0 <= place < frames:
                return first + place, frames - place
        return None

    def take(self, beat: float, bpm: float, frames: int) -> Block:
        """``(frames, channels)`` from ``beat`` on; zeros where there is no music for it."""
        out = np.zeros((frames, self.channels), np.float32)
        floats = self.capacity * self.channels
        ring = np.frombuffer(self.buffer, np.float32, floats, at.SAMPLES).reshape(self.capacity, self.channels)
        done = 0
        while done < frames:
            found = self.find(beat + done * bpm / 60.0 / self.rate)
            if found is None:
                break
            count = min(found[1], frames - done)
            out[done : done + count] = ring[(found[0] + np.arange(count)) % self.capacity]
            self.put(at.READ, found[0] + count)
            done += count
        del ring
        return out

    def midi(self, beat: float, frame: int, data: bytes) -> None:
        written = self.get(at.MIDI_WRITTEN)
        offset = at.MIDI + written % at.MIDI_EVENTS * at.MIDI_BYTES
        struct.pack_into("<dqB3s", self.buffer, offset, beat, frame, len(data), data)
        self.put(at.MIDI_WRITTEN, written + 1)

    def parameter(self, slot: int, value: float) -> None:
        offset = at.TO_ENGINE + 8 * slot
        (count,) = struct.unpack_from("<I", self.buffer, offset + 4)
        struct.pack_into("<fI", self.buffer, offset, value, count + 1)
        self.put(at.TO_ENGINE_CHANGES, self.get(at.TO_ENGINE_CHANGES) + 1)

    def received(self, slot: int) -> tuple[float, int]:
        value, count = struct.unpack_from("<fI", self.buffer, at.TO_PLUGIN + 8 * slot)
        return value, count

    def close(self) -> None:
        self.buffer = memoryview(b"")
        self._memory.close()
