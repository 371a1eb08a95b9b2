"""PluginBlocks: the shared memory through which the player sends blocks of sound to a host process and gets them back.

A ring of slots; block number n is the frames ``[n · block_frames, (n + 1) · block_frames)`` of the set and has slot
``n % slots``. The player writes the asking half of a slot, the host the answering half; neither ever waits for the
other. A host that dies takes no memory with it: the next one goes on with the newest block.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing import shared_memory

import numpy as np

from riffengine.errors import PluginError
from riffengine.processes.audio import CHANNELS, Block
from riffengine.processes.futex import Futex
from riffengine.processes.loop_store import Segment, release_segment, reserve_segment

BLOCK_FRAMES = 128
"""Frames of one block (2.7 ms at 48 kHz), cut on absolute frames whatever the sound device asks for."""

SLOTS = 256
"""Blocks that may be under way at once: device blocks of 8192 frames three times over."""

MOST_CHANGES = 64
"""Parameter changes that one block carries; what is left over goes with the next."""

MOST_NOTES = 64

_MAGIC = 0x52494646_504C5547  # "RIFFPLUG"
_HEADER_BYTES = 512
_ASKED_WORD, _ANSWERED_WORD = 256, 384  # on cache lines of their own
_SLOT = np.dtype(
    [
        ("asked", np.int64),  # the block that was written last; -1 for none
        ("answered", np.int64),
        ("latency", np.int64),  # of the answer, frames
        ("beat", np.float64),  # at the first frame
        ("bpm", np.float64),
        ("changes", np.int64),
        ("notes", np.int64),
        ("change", np.float64, (MOST_CHANGES, 2)),  # number of the parameter, value
        ("note", np.int64, (MOST_NOTES, 4)),  # frame in the block, three bytes
    ]
)


@dataclass(frozen=True)
class BlockNote:
    """A MIDI message of up to three bytes at ``frame`` of a block; shorter ones are filled up with 0."""

    frame: int
    data: tuple[int, int, int]


@dataclass(frozen=True)
class Asked:
    """What came with a block: transport at its first frame, parameter changes by number, MIDI messages."""

    block: int
    beat: float
    bpm: float
    changes: tuple[tuple[int, float], ...]
    notes: tuple[BlockNote, ...]


@dataclass(frozen=True)
class BlockAddresses:
    """Where the parts of a segment are in this process, for a host that answers in C."""

    header: int
    records: int
    record_bytes: int
    slots: int
    sound_in: int
    sound_out: int
    asked_word: int
    answered_word: int


class PluginBlocks:
    """One insert's shared memory. ``create`` in the engine, ``attach`` in the player and in the host process.

    ``ask`` and ``answer`` belong to the player's audio thread and cost some microseconds; ``wait``, ``take`` and
    ``give`` to the host.
    """

    def __init__(self, memory: shared_memory.SharedMemory, owner: bool, lock: int = -1) -> None:
        self._memory, self._owner, self._lock = memory, owner, lock
        assert memory.buf is not None
        header = np.frombuffer(memory.buf, np.int64, _HEADER_BYTES // 8)
        if owner:
            header[:5] = (_MAGIC, BLOCK_FRAMES, SLOTS, 0, 0)
        elif tuple(header[:3]) != (_MAGIC, BLOCK_FRAMES, SLOTS):
            raise PluginError(f"shared memory {memory.name!r} holds no plugin blocks of this version")
        self._header = header
        self._records = np.frombuffer(memory.buf, _SLOT, SLOTS, _HEADER_BYTES)
        floats = np.frombuffer(memory.buf, np.float32, 2 * SLOTS * BLOCK_FRAMES * CHANNELS, _SOUND_OFFSET)
        both = floats.reshape(2, SLOTS, BLOCK_FRAMES, CHANNELS)
        self._in, self._out = both[0], both[1]
        self._blocks_asked, self._blocks_answered = self._records["asked"], self._records["answered"]
        self._latencies, self._beats, self._bpms = (self._records[n] for n in ("latency", "beat", "bpm"))
        self._change_counts, self._note_counts = self._records["changes"], self._records["notes"]
        self._changes, self._notes = self._records["change"], self._records["note"]
        if owner:
            self._blocks_asked[:] = -1
            self._blocks_answered[:] = -1
        address = header.ctypes.data
        self._ask_word, self._answer_word = Futex(address + _ASKED_WORD), Futex(address + _ANSWERED_WORD)

    @classmethod
    def create(cls) -> PluginBlocks:
        """A new segment; ``PluginError`` where there is no room for it (1.4 MB)."""
        try:
            memory, lock = reserve_segment(_SIZE)
        except OSError as error:
            raise PluginError(f"no shared memory for a plugin: {error}; end other programs that use it") from error
        return cls(memory, owner=True, lock=lock)

    @classmethod
    def attach(cls, name: str) -> PluginBlocks:
        """The engine's segment in another process; ``PluginError`` when it is gone."""
        try:
            memory = Segment(name=name)
        except OSError as error:
            raise PluginError(f"shared memory {name!r} cannot be opened: {error}; has its engine ended?") from error
        if memory.size < _SIZE:
            raise PluginError(f"shared memory {name!r} holds {memory.size} bytes, {_SIZE} expected")
        return cls(memory, owner=False)

    @property
    def name(self) -> str:
        """What ``attach`` needs."""
        return self._memory.name

    @property
    def asked_to(self) -> int:
        """The number after the newest block that was asked for; 0 before the first."""
        return int(self._header[3])

    @property
    def answered_to(self) -> int:
        """The number after the newest block that was answered."""
        return int(self._header[4])

    @property
    def position(self) -> int:
        """Which plugin of the chain the host was in when it last said so: what to blame when it has ended."""
        return int(self._header[5])

    def set_position(self, position: int) -> None:
        """Say which plugin is called next."""
        self._header[5] = position

    # --- the player -------------------------------------------------------------------------------------------------

    def ask(
        self,
        block: int,
        sound: Block,
        beat: float,
        bpm: float,
        changes: Sequence[tuple[int, float]] = (),
        notes: Sequence[BlockNote] = (),
    ) -> None:
        """Send ``sound`` ``(BLOCK_FRAMES, 2) float32`` as ``block``; blocks come in order. Never waits."""
        slot = block % SLOTS
        self._blocks_asked[slot] = -1
        self._in[slot] = sound
        self._beats[slot], self._bpms[slot] = beat, bpm
        for index, change in enumerate(changes):
            self._changes[slot, index] = change
        for index, note in enumerate(notes):
            self._notes[slot, index] = (note.frame, *note.data)
        self._change_counts[slot], self._note_counts[slot] = len(changes), len(notes)
        self._blocks_asked[slot] = block
        self._header[3] = block + 1
        self._ask_word.wake()

    def answer(self, block: int) -> tuple[Block, int] | None:
        """The answer to ``block``, a view, and its latency in frames; ``None`` while there is none."""
        slot = block % SLOTS
        if self._blocks_answered[slot] != block:
            return None
        return self._out[slot], int(self._latencies[slot])

    def wait_answer(self, block: int, timeout_seconds: float) -> bool:
        """Wait for the answer to ``block``, for rendering that is not live; whether it came."""
        step, waited = 0.05, 0.0
        while self._blocks_answered[block % SLOTS] != block:
            seen = self._answer_word.value
            if self._blocks_answered[block % SLOTS] == block:
                return True
            if waited >= timeout_seconds:
                return False
            self._answer_word.wait(seen, step)
            waited += step
        return True

    # --- the host ---------------------------------------------------------------------------------------------------

    def wait(self, block: int, timeout_seconds: float) -> bool:
        """Wait until ``block`` or a later one has been asked for; whether it has."""
        seen = self._ask_word.value
        if self.asked_to > block:
            return True
        self._ask_word.wait(seen, timeout_seconds)
        return self.asked_to > block

    def take(self, block: int, sound: Block) -> Asked | None:
        """Copy ``block`` to ``sound``; ``None`` when a newer block has its slot already."""
        slot = block % SLOTS
        if self._blocks_asked[slot] != block:
            return None
        sound[:] = self._in[slot]
        changes = tuple((int(n), float(v)) for n, v in self._changes[slot, : int(self._change_counts[slot])])
        notes = tuple(
            BlockNote(int(frame), (int(a), int(b), int(c)))
            for frame, a, b, c in self._notes[slot, : int(self._note_counts[slot])]
        )
        asked = Asked(block, float(self._beats[slot]), float(self._bpms[slot]), changes, notes)
        return asked if self._blocks_asked[slot] == block else None

    def give(self, block: int, sound: Block, latency: int) -> None:
        """Answer ``block`` with ``sound``, which comes ``latency`` frames late."""
        slot = block % SLOTS
        self._blocks_answered[slot] = -1
        self._out[slot] = sound
        self._latencies[slot] = latency
        self._blocks_answered[slot] = block
        self._header[4] = block + 1
        self._answer_word.wake()

    def addresses(self) -> BlockAddresses:
        """Where everything is; good until ``close``."""
        header = self._header.ctypes.data
        records, sound_in, sound_out = (part.ctypes.data for part in (self._records, self._in, self._out))
        words = (header + _ASKED_WORD, header + _ANSWERED_WORD)
        return BlockAddresses(header, records, _SLOT.itemsize, SLOTS, sound_in, sound_out, *words)

    def close(self) -> None:
        """Detach; the engine also removes the segment."""
        for name in [name for name, part in vars(self).items() if isinstance(part, np.ndarray)]:
            delattr(self, name)
        self._lock = release_segment(self._memory, self._owner, self._lock)


_SOUND_OFFSET = _HEADER_BYTES + (SLOTS * _SLOT.itemsize + 63) // 64 * 64
_SIZE = _SOUND_OFFSET + 2 * SLOTS * BLOCK_FRAMES * CHANNELS * 4
