"""LoopPictures: spectrograms of the loops that decks play, stem by stem, read from the memory that holds the loops.

The engine says which loops sound and which come next; nothing is asked of it. A slot may be written anew while it is
read here, so a picture counts only when the engine has said afterwards that the loop is still in use.
"""

from __future__ import annotations

import asyncio
import json
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from riffengine.processes.loop_store import LoopStore
from riffengine.processes.player_messages import LoopRef
from riffengine.web.spectrum import BANDS, Columns, loop_columns

_MOST_KEPT = 12  # loops: at 10 s, the longest, 1.8 MB each
_MARGIN_SECONDS = 0.25  # the engine's frame may be some blocks ahead of what was played


@dataclass(frozen=True)
class LoopPicture:
    """A loop as pages see it: ``columns`` ``(stems, 32 * beats, 128)``, ``mono`` the mix ``(frames,)`` of all stems."""

    ref: LoopRef
    columns: Columns
    mono: NDArray[np.float32]

    def file(self) -> bytes:
        """For a page: a line of JSON, then the columns, stem by stem."""
        ref = self.ref
        head = {"loop": ref.loop, "stems": ref.stems, "beats": ref.beats, "bands": BANDS}
        return json.dumps(head).encode() + b"\n" + self.columns.tobytes()


class LoopPictures:
    """Makes the pictures one after the other, in a thread. ``end`` is the newest frame that was played.

    ``store`` is ``None`` where there is no memory of loops; then there are no pictures.
    """

    def __init__(self, store: LoopStore | None, sample_rate: int, end: Callable[[], int]) -> None:
        self._store, self._rate, self._end = store, sample_rate, end
        self._kept: OrderedDict[int, LoopPicture] = OrderedDict()
        self._read: dict[int, tuple[LoopPicture, int]] = {}  # with the frame at which it had been read
        self._wanted: dict[int, LoopRef] = {}
        self._wake = asyncio.Event()

    def find(self, loop: int) -> LoopPicture | None:
        """The picture of the loop with this number."""
        picture = self._kept.get(loop)
        if picture is not None:
            self._kept.move_to_end(loop)
        return picture

    def use(self, refs: Iterable[LoopRef], frame: int) -> None:
        """The engine said at ``frame`` that these loops are in use."""
        self._wanted = {ref.loop: ref for ref in refs}
        for loop, (picture, read_at) in list(self._read.items()):
            if loop not in self._wanted:
                del self._read[loop]
            elif frame > read_at + _MARGIN_SECONDS * self._rate:
                del self._read[loop]
                self._kept[loop] = picture
        while len(self._kept) > _MOST_KEPT:
            self._kept.popitem(last=False)
        if self._missing() is not None:
            self._wake.set()

    async def run(self) -> None:
        """Make pictures for ever."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while (ref := self._missing()) is not None:
                picture = await asyncio.to_thread(self._picture, ref)
                self._read[ref.loop] = picture, self._end()

    def close(self) -> None:
        """Detach from the memory."""
        if self._store is not None:
            self._store.close()
            self._store = None

    def _missing(self) -> LoopRef | None:
        if self._store is None:
            return None
        made = (*self._kept, *self._read)
        return next((ref for loop, ref in self._wanted.items() if loop not in made), None)

    def _picture(self, ref: LoopRef) -> LoopPicture:
        assert self._store is not None
        view = self._store.view(ref.slot, len(ref.stems), ref.frames, ref.channels)
        stems = view.mean(axis=2)  # a copy
        del view
        columns = np.stack([loop_columns(stem, ref.beats, self._rate) for stem in stems])
        return LoopPicture(ref, columns, stems.sum(axis=0))
