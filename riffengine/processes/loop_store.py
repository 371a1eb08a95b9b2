"""LoopStore: the shared memory that passes loops from the renderer to the player.

The engine makes one segment of equal slots, so a renderer that dies takes no memory with it: its slot is used again.
Only the engine decides which slot is free; the renderer writes a slot, the player reads it, never both at once.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import sys
import threading
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing import resource_tracker, shared_memory
from pathlib import Path

import numpy as np

from riffengine.errors import LoopStoreError
from riffengine.processes.audio import Samples

if sys.platform != "win32":
    import fcntl

SHM_FOLDER = Path("/dev/shm")
"""Where Linux lists the segments of shared memory by name; other systems have no such folder."""

_ATTACHING = threading.Lock()
_OWN: set[str] = set()  # names of the segments that this process has made and not removed
_TRIES = 8
_NAME = re.compile(r"^riffengine-(\d+)-[0-9a-f]{8}$")


class Segment(shared_memory.SharedMemory):
    """A segment that writes nothing to stderr when its process ends while a view of it is still alive.

    Its creator alone has it removed by its resource tracker. A process that attaches would do so too: one whose tracker
    was killed starts another of its own, which removed the memory of a set that played on.
    """

    def __init__(self, name: str, create: bool = False, size: int = 0) -> None:
        with contextlib.nullcontext() if create else _untracked():
            super().__init__(name, create, size)
        if create:
            _OWN.add(self.name)

    def unlink(self) -> None:
        """Remove the segment; ``FileNotFoundError`` where another process has."""
        _OWN.discard(self.name)
        super().unlink()

    def __del__(self) -> None:
        with contextlib.suppress(BufferError, OSError):
            self.close()


@contextlib.contextmanager
def _untracked() -> Iterator[None]:
    """Within it no segment is registered with the resource tracker; Python has an option for it from 3.13 on."""
    names = vars(resource_tracker)
    with _ATTACHING:
        register = names["register"]
        names["register"] = lambda name, kind: None
        try:
            yield
        finally:
            names["register"] = register


@dataclass(frozen=True)
class StoreName:
    """What another process needs to read a loop store."""

    name: str
    slots: int
    slot_floats: int


class LoopStore:
    """Equal slots of ``slot_floats`` float32 each in one shared-memory segment.

    Use ``create`` in the engine process and ``attach`` in the others. ``slots`` is their number.
    """

    def __init__(
        self, memory: shared_memory.SharedMemory, slots: int, slot_floats: int, owner: bool, lock: int = -1
    ) -> None:
        self._memory = memory
        self._owner = owner
        self._lock = lock
        self.slots = slots
        self.slot_floats = slot_floats
        if memory.buf is None:
            raise LoopStoreError(f"shared memory {memory.name!r} is closed; attach to it again")
        floats = np.frombuffer(memory.buf, dtype=np.float32, count=slots * slot_floats)
        self._all: Samples = floats.reshape(slots, slot_floats)

    @classmethod
    def create(cls, slots: int, slot_floats: int, least_slots: int | None = None) -> LoopStore:
        """A new segment of ``slots``; where there is no room for them, of half as many, down to ``least_slots``.

        Raises ``LoopStoreError``, which says what to do, where there is no room for ``least_slots`` either.
        """
        least = slots if least_slots is None else min(least_slots, slots)
        number = slots
        while True:
            try:
                memory, lock = reserve_segment(number * slot_floats * 4)
            except OSError as error:
                if number <= least:
                    megabytes = number * slot_floats * 4 / 2**20
                    raise LoopStoreError(
                        f"no shared memory for {number} loops ({megabytes:.0f} MiB): {error}; enlarge {SHM_FOLDER} "
                        "(docker run --shm-size=1g, or mount -o remount,size=1G) or end the programs that fill it"
                    ) from error
                number = max(least, number // 2)
                continue
            return cls(memory, number, slot_floats, owner=True, lock=lock)

    @classmethod
    def attach(cls, name: str, slots: int, slot_floats: int) -> LoopStore:
        """The engine's segment in another process; raises ``LoopStoreError`` when it is gone or cannot be opened."""
        try:
            memory = Segment(name=name)
        except FileNotFoundError:
            raise LoopStoreError(f"shared memory {name!r} does not exist: the engine that made it has ended") from None
        except OSError as error:
            raise LoopStoreError(f"shared memory {name!r} cannot be opened: {error}; is it another user's?") from error
        if memory.size < slots * slot_floats * 4:
            raise LoopStoreError(
                f"shared memory {name!r} holds {memory.size} bytes, {slots * slot_floats * 4} expected"
            )
        return cls(memory, slots, slot_floats, owner=False)

    @property
    def name(self) -> str:
        """What ``attach`` needs."""
        return self._memory.name

    @property
    def reference(self) -> StoreName:
        """The store as it is named in messages."""
        return StoreName(self.name, self.slots, self.slot_floats)

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
        """Detach from the segment; the engine also removes it. No view of it may be left."""
        self._all = np.zeros((0, 0), dtype=np.float32)
        self._lock = release_segment(self._memory, self._owner, self._lock)


def stale_segments() -> list[Path]:
    """This user's segments whose engine no longer runs (after a power cut or kill -9).

    A running engine holds a lock on its segment. Its process id would not do: containers may share the memory but
    number their processes separately.
    """
    stale = []
    for path in SHM_FOLDER.glob("riffengine-*") if SHM_FOLDER.is_dir() else ():
        if _NAME.match(path.name):
            with contextlib.suppress(OSError):  # removed meanwhile, or not ours to open
                lock = _lock(path)
                if lock is not None:
                    os.close(lock)
                    stale.append(path)
    return stale


def sweep_stale_segments() -> list[str]:
    """Remove the stale segments; returns their names."""
    removed = []
    for path in stale_segments():
        with contextlib.suppress(OSError):
            path.unlink()
            removed.append(path.name)
    return removed


def reserve_segment(size: int) -> tuple[Segment, int]:
    """A segment of ``size`` bytes, all allocated, and the descriptor of its lock (-1: this system has no such folder).

    Without the allocation, the first write to the segment would end the process (SIGBUS) when the folder is full.
    """
    start_resource_tracker()
    for _ in range(_TRIES):
        name = f"riffengine-{os.getpid()}-{secrets.token_hex(4)}"
        memory = Segment(name=name, create=True, size=size)
        path = SHM_FOLDER / name
        if not path.exists() or sys.platform == "win32":
            return memory, -1
        lock = None
        try:
            lock = _lock(path)
            if lock is not None and path.exists():
                if hasattr(os, "posix_fallocate"):
                    os.posix_fallocate(lock, 0, size)
                return memory, lock
        except FileNotFoundError:  # removed as stale between its creation and its lock: try again
            pass
        except OSError:
            _discard(memory, lock)
            raise
        _discard(memory, lock)
    raise OSError(f"{_TRIES} segments were removed by another process")


def start_resource_tracker() -> None:
    """Start Python's process that removes the shared memory of an engine that was killed, without its warnings.

    It would warn the performer of the very memory that it removes, or that it was killed itself. May be called again,
    and should be: one that takes the place of a killed one is told of the memory that there is.
    """
    if sys.platform == "win32":
        return
    option = "ignore::UserWarning:multiprocessing.resource_tracker"
    if option not in sys.warnoptions:  # the tracker is started with them
        sys.warnoptions.append(option)
        warnings.filterwarnings("ignore", category=UserWarning, module=r"multiprocessing\.resource_tracker")
    tracker = vars(resource_tracker)["_resource_tracker"]
    before = tracker._pid
    resource_tracker.ensure_running()
    if before is not None and tracker._pid != before:
        for name in _OWN:
            resource_tracker.register(f"/{name}", "shared_memory")


def release_segment(memory: shared_memory.SharedMemory, owner: bool, lock: int) -> int:
    """Detach from a segment of which no view is left; its ``owner`` also removes it. Frees ``lock``; returns -1."""
    with contextlib.suppress(BufferError):  # a view is still held: the mapping ends with the process
        memory.close()
    if owner:
        if sys.platform != "win32":  # a tracker that was killed and started again knows nothing of it
            resource_tracker.register(f"/{memory.name}", "shared_memory")
        with contextlib.suppress(FileNotFoundError):  # another process has removed it
            memory.unlink()
    if lock >= 0:
        os.close(lock)
    return -1


def _discard(memory: shared_memory.SharedMemory, lock: int | None) -> None:
    if lock is not None:
        os.close(lock)
    memory.close()
    with contextlib.suppress(FileNotFoundError):
        memory.unlink()


def _lock(path: Path) -> int | None:
    """The descriptor that locks this user's file ``path``; ``None`` if its engine runs or it is another user's."""
    if sys.platform == "win32":
        return None
    descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if os.fstat(descriptor).st_uid == os.getuid():
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
    except BlockingIOError:
        pass
    os.close(descriptor)
    return None
