"""MemoryFallback: repeats work in smaller batches when the device runs out of memory, and adds a notice about it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from riffengine.errors import RendererError
from riffengine.renderer.riffusion.networks import Networks


class Notices:
    """Messages for the performer, each at most once. ``texts`` are all that were ever added, in order."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def add(self, text: str) -> None:
        """Add ``text``, unless it was added before."""
        if text not in self.texts:
            self.texts.append(text)


class MemoryFallback:
    """The batch size that the device's memory allows: starts at ``batch`` and only decreases. One thread at a time."""

    def __init__(self, networks: Networks, batch: int, notices: Notices) -> None:
        self.batch = batch
        self._networks = networks
        self._notices = notices

    def run(self, work: Callable[[int], Tensor], batch: int) -> Tensor:
        """``work(batch)``; each time that memory runs out, again with half the batch.

        Before it gives up at a batch of 1, the decoder is switched to one loop at a time. Raises ``RendererError`` when
        that is not enough either.
        """
        while True:
            try:
                return work(batch)
            except torch.OutOfMemoryError as error:
                self._networks.release_memory()
                if batch == 1:
                    if self._networks.decode_one_by_one:
                        raise RendererError(
                            "the device has no memory left for a single loop; close what else uses it, allow more "
                            "(vram=), or play on the CPU (device=cpu)"
                        ) from error
                    self._networks.decode_one_by_one = True
                    self._notices.add("memory ran out: pictures are decoded one by one from now on")
                    continue
                batch = (batch + 1) // 2
                self.batch = batch
                self._notices.add(f"memory ran out: {batch} loops at once from now on")
