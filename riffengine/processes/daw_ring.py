"""DawRing: the shared memory through which one plugin in a DAW gets its sound and tells the host's time.

``daw_layout`` has the byte layout and says how sound finds its place; the plugin's side is C
(``riffengine/daw/native/ring.h``). This is the engine's side. The engine process creates the ring when the plugin asks
for one (``daw_handshake``); the player process attaches to it, reads the host's time, and writes blocks. ``FillPlan``
(``daw_fill``) decides what to write.
"""

from __future__ import annotations

import os
import struct
import threading
from dataclasses import dataclass

import numpy as np

from riffengine.errors import DawError
from riffengine.processes import daw_layout as at
from riffengine.processes.audio import Block
from riffengine.processes.loop_store import Segment, release_segment, reserve_segment

_HOST = struct.Struct("<q5d4qqd")  # the host time from HOST_JUMPS on, without its last field
_TRIES = 16


@dataclass(frozen=True)
class HostTime:
    """What the host's audio thread said at the start of its newest block; beats are quarters of its song.

    ``beat`` holds at the first frame of the block, ``wanted`` is the first beat that the plugin still needs.
    ``rolling``: the plugin plays; ``playing``: the host's transport runs (a plugin may play on while it stands).
    ``known`` is false for hosts that tell no time: then tempo and beat are the plugin's own count, not to be followed.
    ``loop`` is the host's loop range in beats while it is on. ``jumps`` counts the jumps that need a new run.
    ``read`` is the index in the ring of the block's first frame, -1 where there is none; ``ns`` its CLOCK_MONOTONIC.
    """

    rolling: bool
    playing: bool
    offline: bool
    known: bool
    beat: float
    bpm: float
    wanted: float
    loop: tuple[float, float] | None
    jumps: int
    frames: int
    read: int
    block_frames: int
    ns: int
    beats_per_bar: float = 4.0
    beat_unit: int = 4


@dataclass(frozen=True)
class Progress:
    """What a plugin has played: the frames that its host has asked for, the index that it reads next, silent frames."""

    frames: int
    read: int
    silent: int


@dataclass(frozen=True)
class DawMidi:
    """A MIDI message from the track: its ``beat`` in the host's song and its frame, counted as ``HostTime.frames``."""

    beat: float
    frame: int
    data: bytes


class DawRing:
    """The engine's end of a ring. One thread writes; ``close`` when the plugin or the session has gone.

    ``(frames, channels) float32`` blocks at ``rate`` frames a second; two channels for each source in ``wants``
    (``master``, ``deck/a``, ``deck/a/stem/drums`` or, by place from 1, ``deck/a/stem/2``).
    """

    def __init__(self, memory: Segment, lock: int, owner: bool) -> None:
        buffer = memory.buf
        assert buffer is not None  # open
        if memory.size < at.SAMPLES or bytes(buffer[:8]) != at.MAGIC:
            raise DawError(f"shared memory {memory.name!r} is not the ring of a DAW's plugin")
        version, header, self.rate, self.channels, self.capacity, self.engine_pid = struct.unpack_from("<6I", buffer, 8)
        if version != at.VERSION or header != at.SAMPLES:
            raise DawError(
                f"the ring {memory.name!r} has version {version}, this engine writes {at.VERSION}; "
                "install plugin and engine of one release: riffengine plugin install"
            )
        self.instance = _text(buffer, at.INSTANCE, at.INSTANCE_BYTES)
        self.wants = tuple(_text(buffer, at.WANTS, at.WANTS_BYTES).split(","))
        self._memory, self._lock, self._owner = memory, lock, owner
        self._i64 = np.frombuffer(buffer, np.int64, at.SPANS // 8)
        self._f64 = self._i64.view(np.float64)
        self._f32 = self._i64.view(np.float32)
        self._u32 = self._i64.view(np.uint32)
        self._spans = np.frombuffer(buffer, np.int64, at.SPAN_RECORDS * 5, at.SPANS).reshape(at.SPAN_RECORDS, 5)
        self._span_beats = self._spans.view(np.float64)
        floats = self.capacity * self.channels
        self._samples = np.frombuffer(buffer, np.float32, floats, at.SAMPLES).reshape(self.capacity, self.channels)
        self._taken = self._counts(at.TO_ENGINE) * 0
        self._fence = threading.Lock()
        self._host: HostTime | None = None

    @classmethod
    def create(
        cls, rate: int, instance: str, wants: tuple[str, ...] = ("master",), capacity: int = at.CAPACITY_FRAMES
    ) -> DawRing:
        """A new ring, all zeros; ``DawError`` where there is no room. Its name is removed when it is closed."""
        if capacity < 4096 or capacity & (capacity - 1):
            raise DawError(f"a ring has a power of two of frames, 4096 at least, not {capacity}")
        for text, room in ((instance, at.INSTANCE_BYTES), (",".join(wants), at.WANTS_BYTES)):
            if not text.isascii() or not 0 < len(text) < room:
                raise DawError(f"{text!r} does not fit into the {room} bytes of a ring; use 1 to {room - 1} letters")
        channels = 2 * len(wants)
        try:
            memory, lock = reserve_segment(at.SAMPLES + capacity * channels * 4)
        except OSError as error:
            raise DawError(f"no shared memory for a DAW's plugin: {error}; enlarge /dev/shm") from error
        assert memory.buf is not None  # just made
        struct.pack_into("<6I", memory.buf, 8, at.VERSION, at.SAMPLES, rate, channels, capacity, os.getpid())
        for offset, text in ((at.INSTANCE, instance), (at.WANTS, ",".join(wants))):
            memory.buf[offset : offset + len(text)] = text.encode()
        memory.buf[:8] = at.MAGIC
        return cls(memory, lock, owner=True)

    @classmethod
    def attach(cls, name: str) -> DawRing:
        """The ring ``name`` in another process; ``DawError`` when it is gone or of another release."""
        try:
            memory = Segment(name=name)
        except FileNotFoundError:
            raise DawError(f"the ring {name!r} does not exist: the engine that made it has ended") from None
        except OSError as error:
            raise DawError(f"the ring {name!r} cannot be opened: {error}; is it another user's?") from error
        return cls(memory, -1, owner=False)

    @property
    def name(self) -> str:
        """What ``attach`` needs."""
        return self._memory.name

    # --- the host's time -----------------------------------------------------------------------------------------

    def host(self, now_ns: int) -> HostTime | None:
        """The newest host time; ``None`` before the plugin's first block. Tells the plugin that the engine lives."""
        self._i64[at.HEARTBEAT // 8] = now_ns
        for _ in range(_TRIES):  # the plugin writes for some nanoseconds only; the last one is good enough otherwise
            before = int(self._i64[at.SEQUENCE // 8])
            if before == 0:
                return None
            self._order()
            words = self._i64[at.HOST_JUMPS // 8 : (at.SEQUENCE + at.HOST_BYTES) // 8].tobytes()
            self._order()
            if before % 2 == 0 and before == int(self._i64[at.SEQUENCE // 8]):
                self._host = _host_time(words)
                break
        return self._host

    # --- sound ---------------------------------------------------------------------------------------------------

    @property
    def written(self) -> int:
        """The index of the next frame to be written."""
        return int(self._i64[at.WRITE // 8])

    @property
    def run(self) -> int:
        """The number of the newest run."""
        return int(self._i64[at.RUN // 8])

    def write(self, block: Block, beat: float, bpm: float, run: int) -> None:
        """Append ``block``, the music from ``beat`` on at ``bpm``, as a part of ``run``; never waits.

        The block goes on in its run without a break, or begins a run with a greater number. ``DawError`` for another
        shape than ``(1 … capacity / 4, channels)``, and for a run that is over.
        """
        frames = len(block)
        if block.shape != (frames, self.channels) or not 0 < frames <= self.capacity // 4:
            raise DawError(
                f"a block of shape {block.shape} does not fit a ring with {self.channels} channels and "
                f"{self.capacity} frames; write 1 to {self.capacity // 4} frames at once"
            )
        if run < self.run:
            raise DawError(f"run {run} is over, the ring is at run {self.run}; begin a new one")
        first = self.written
        self._i64[at.CLAIM // 8] = first + frames
        self._order()
        place = first % self.capacity
        head = min(frames, self.capacity - place)
        self._samples[place : place + head] = block[:head]
        self._samples[: frames - head] = block[head:]
        spans = int(self._i64[at.SPANS_WRITTEN // 8])
        record = spans % at.SPAN_RECORDS
        self._spans[record] = (first, frames, 0, 0, run)
        self._span_beats[record, 2:4] = beat, bpm
        self._order()
        self._i64[at.RUN // 8] = run
        self._i64[at.SPANS_WRITTEN // 8] = spans + 1
        self._i64[at.WRITE // 8] = first + frames

    def tell(self, bpm: float, ahead_frames: int) -> None:
        """The engine's own tempo, for hosts that have none, and its intended lead, to be shown."""
        self._f64[at.ENGINE_BPM // 8] = bpm
        self._i64[at.AHEAD // 8] = ahead_frames

    # --- parameters and MIDI -------------------------------------------------------------------------------------

    def changed_parameters(self) -> list[tuple[int, float]]:
        """``(slot 0..15, value 0..1)`` of each parameter that the host has set since the last call."""
        counts = self._counts(at.TO_ENGINE)
        changed = np.nonzero(counts != self._taken)[0]
        self._taken = counts
        return [(int(slot), float(self._f32[at.TO_ENGINE // 4 + 2 * slot])) for slot in changed]

    def set_parameter(self, slot: int, value: float) -> None:
        """Tell the plugin that the parameter of ``slot`` is at ``value`` now: it was changed in the engine."""
        if not 0 <= slot < at.PARAMETERS:
            raise DawError(f"a plugin has the parameters 0 to {at.PARAMETERS - 1}, there is no {slot}")
        self._f32[at.TO_PLUGIN // 4 + 2 * slot] = value
        self._u32[at.TO_PLUGIN // 4 + 2 * slot + 1] += 1
        self._i64[at.TO_PLUGIN_CHANGES // 8] += 1

    def take_midi(self) -> list[DawMidi]:
        """The MIDI messages of the track since the last call, oldest first."""
        written, read = int(self._i64[at.MIDI_WRITTEN // 8]), int(self._i64[at.MIDI_READ // 8])
        self._order()
        events = []
        for number in range(max(read, written - at.MIDI_EVENTS), written):
            offset = at.MIDI + number % at.MIDI_EVENTS * at.MIDI_BYTES
            record = self._i64[offset // 8 : (offset + at.MIDI_BYTES) // 8].tobytes()
            beat, frame, size = struct.unpack_from("<dqB", record)
            events.append(DawMidi(beat, frame, record[17 : 17 + min(size, 3)]))
        self._i64[at.MIDI_READ // 8] = written
        return events

    # --- life ----------------------------------------------------------------------------------------------------

    @property
    def underruns(self) -> int:
        """Blocks that the plugin could not fill while rolling, except after a jump."""
        return int(self._i64[at.UNDERRUNS // 8])

    @property
    def silent_frames(self) -> int:
        """Frames for which the plugin had no music while rolling."""
        return int(self._i64[at.SILENT // 8])

    def progress(self) -> Progress:
        """What the plugin has played up to the end of its newest block."""
        for _ in range(_TRIES):
            frames = int(self._i64[at.FRAMES // 8])
            self._order()
            found = Progress(frames, int(self._i64[at.READ // 8]), self.silent_frames)
            self._order()
            if frames == int(self._i64[at.FRAMES // 8]):
                break
        return found

    def close(self) -> None:
        """Let go; the creator also tells the plugin that the ring is given up, and removes its name."""
        if self._owner:
            self._i64[at.CLOSING // 8] = 1
        none = np.zeros((0, 1), np.int64)
        self._i64, self._f64 = none[:, 0], none[:, 0].view(np.float64)
        self._f32, self._u32 = none[:, 0].view(np.float32), none[:, 0].view(np.uint32)
        self._spans, self._span_beats, self._samples = none, none.view(np.float64), none.view(np.float32)
        self._lock = release_segment(self._memory, self._owner, self._lock)

    def _counts(self, offset: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint32]]:
        first = offset // 4 + 1
        return self._u32[first : first + 2 * at.PARAMETERS : 2].copy()

    def _order(self) -> None:
        """Order the loads and stores before it and after it: arm64 needs it. Two turns of a lock are a full fence."""
        with self._fence:
            pass
        with self._fence:
            pass


def _host_time(words: bytes) -> HostTime:
    jumps, beat, bpm, wanted, start, end, ns, frames, read, block, flags, per_bar = _HOST.unpack_from(words)
    (unit,) = struct.unpack_from("<q", words, _HOST.size)
    return HostTime(
        rolling=bool(flags & at.ROLLING),
        playing=bool(flags & at.PLAYING),
        offline=bool(flags & at.OFFLINE),
        known=bool(flags & at.KNOWN),
        beat=beat,
        bpm=bpm,
        wanted=wanted,
        loop=(start, end) if flags & at.LOOPING and end > start else None,
        jumps=jumps,
        frames=frames,
        read=read,
        block_frames=block,
        ns=ns,
        beats_per_bar=per_bar,
        beat_unit=unit,
    )


def _text(buffer: memoryview, offset: int, room: int) -> str:
    return bytes(buffer[offset : offset + room]).split(b"\0", 1)[0].decode("ascii", "replace")
