"""MorphNoise: Gaussian noise between two seeds, of any length. A longer loop begins with the noise of a shorter one."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from riffengine.renderer.interpolation import slerp


@dataclass(frozen=True)
class MorphNoise:
    """Noise at ``alpha`` between the seeds ``start`` and ``end``; ``take`` 0 is the first version of a loop.

    Drawn on the CPU, so that a seed gives the same loop on every device, and interpolated on great circles, which keeps
    the norm. It is drawn time by time: a canvas that is a little longer, since the tempo is a little slower, has the
    same noise and some more.
    """

    start: int
    end: int
    alpha: float = 0.0
    take: int = 0

    def draw(self, channels: int, length: int, stream: int = 0) -> Tensor:
        """``(1, channels, length) float32``. Stream 0 is what a loop begins with, each other one is a later step's."""
        ends = [_noise(seed, self.take, stream, channels, length) for seed in dict.fromkeys((self.start, self.end))]
        if self.alpha <= 0.0 or len(ends) == 1:
            return ends[0]
        return ends[1] if self.alpha >= 1.0 else slerp(ends[0], ends[1], self.alpha)


def mixed_seed(seed: int, take: int, stream: int) -> int:
    """One number of the three, for a generator."""
    return (seed * 0x9E3779B1 + take * 0x85EBCA6B + stream * 0xC2B2AE35) % 2**63


def _noise(seed: int, take: int, stream: int, channels: int, length: int) -> Tensor:
    generator = torch.Generator().manual_seed(mixed_seed(seed, take, stream))
    return torch.randn(length, channels, generator=generator).T[None].contiguous()
