"""LoopStore: the shared memory in which loops cross from the renderer to the player.

One segment of equal slots, made by the engine, so that a renderer that dies holds nothing: its slot is simply used
again. The engine alone decides which slot is free; the renderer writes a slot, the player reads it, never both at once.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
from multiprocessing import shared_memory
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from riffengine.errors import LoopStoreError

Samples = NDArray[np.float32]

_SHM_FOLDER = Path("/dev/shm")
_NAME = re.compile(r"^riffengine-(\d+)-[0-9a-f]{8}$")


class LoopStore:
    """Equal slots of ``slot_floats`` float32 each in one shared-memory segment.

    ``create`` in the engine process, ``attach`` in the others. Pages that are never written cost no memory.
    """

    def __init__(self, memory: shared_memory.SharedMemory, slots: int, slot_floats: int, owner: bool) -> None:
        self._memory = memory
        self._owner = owner
        self.slots = slots
        self.slot_floats = slot_floats
        if memory.buf is None:
            raise LoopStoreError(f"shared memory {memory.name!r} is closed; attach to it again")
        floats = np.frombuffer(memory.buf, dtype=np.float32, count=slots * slot_floats)
        self._all: Samples = floats.reshape(slots, slot_floats)

    @classmethod
    def create(cls, slots: int, slot_floats: int) -> LoopStore:
        """A new segment, named after this process so that a later start can sweep what a crash left."""
        name = f"riffengine-{os.getpid()}-{secrets.token_hex(4)}"
        memory = shared_memory.SharedMemory(name=name, create=True, size=slots * slot_floats * 4)
        return cls(memory, slots, slot_floats, owner=True)

    @classmethod
    def attach(cls, name: str, slots: int, slot_floats: int) -> LoopStore:
        """The engine's segment, seen from another process."""
        try:
            memory = shared_memory.SharedMemory(name=name)
        except FileNotFoundError:
            raise LoopStoreError(f"shared memory {name!r} does not exist: the engine that made it has ended") from None
        if memory.size < slots * slot_floats * 4:
            raise LoopStoreError(
                f"shared memory {name!r} holds {memory.size} bytes, {slots * slot_floats * 4} expected"
            )
        return cls(memory, slots, slot_floats, owner=False)

    @property
    def name(self) -> str:
        """What ``attach`` needs."""
        return self._memory.name

    def write(self, slot: int, samples: Samples) -> None:
        """Copy ``(stems, frames, channels) float32`` into ``slot``."""
        if samples.size > self.slot_floats:
            raise LoopStoreError(f"a loop of {samples.size} samples does not fit a slot of {self.slot_floats}")
        self._all[slot, : samples.size] = samples.reshape(-1)

    def view(self, slot: int, stems: int, frames: int, channels: int) -> Samples:
        """Read-only ``(stems, frames, channels) float32`` over ``slot``; no copy."""
        view = self._all[slot, : stems * frames * channels].reshape(stems, frames, channels)
        view.flags.writeable = False
        return view

    def close(self) -> None:
        """Leave the segment; the engine also removes it. Every view must be gone by then."""
        self._all = np.zeros((0, 0), dtype=np.float32)
        with contextlib.suppress(BufferError):  # a view is still held: the mapping goes with the process
            self._memory.close()
        if self._owner:
            self._memory.unlink()


def stale_segments() -> list[Path]:
    """Segments whose engine no longer lives (after a power cut or kill -9)."""
    stale = []
    for path in _SHM_FOLDER.glob("riffengine-*") if _SHM_FOLDER.is_dir() else ():
        match = _NAME.match(path.name)
        if match and not Path(f"/proc/{match.group(1)}").exists():
            stale.append(path)
    return stale


def sweep_stale_segments() -> list[str]:
    """Remove the stale segments; returns their names."""
    removed = []
    for path in stale_segments():
        path.unlink(missing_ok=True)
        removed.append(path.name)
    return removed
