"""Noise phases: what the phases of hats, cymbals, breath and other noise start from.

Predicted phases put the bins of a spectral lobe in step in every frame. Noise then becomes a train of pulses at the
frame rate, an audible buzz, and Griffin-Lim does not remove it. So above a frequency the phases start from those of a
fixed noise signal. Two loops start from the same noise, so a crossfade between similar loops still adds up.
"""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor

from riffengine.renderer.codec.params import CodecParams

_SEED = 7
_TRANSITION_OCTAVES = 1 / 3  # bins near the border belong to either side, at random: a sharp border is audible


def noise_signal(length: int) -> Tensor:
    """White noise ``(length,) float32`` of unit power; the same for every loop of this length."""
    return torch.randn(length, generator=torch.Generator().manual_seed(_SEED))


def noise_bins(params: CodecParams, from_hz: float) -> Tensor:
    """Which FFT bins take their phases from noise ``(bins,) bool``: those above ``from_hz``."""
    octaves = torch.log2(bin_hz(params).clamp_min(1.0) / from_hz) / _TRANSITION_OCTAVES + 0.5
    draw = torch.rand(params.bins, generator=torch.Generator().manual_seed(_SEED)).clamp(0.01, 0.99)
    return octaves.clamp(0.0, 1.0) > draw


def bin_hz(params: CodecParams) -> Tensor:
    """The frequency of every FFT bin in use ``(bins,)``."""
    return torch.arange(params.bins) * (params.sample_rate / params.n_fft)


def zone_weights(edges_hz: tuple[float, ...], hz: Tensor) -> list[Tensor]:
    """Weights of ``len(edges_hz) + 1`` frequency zones at the frequencies ``hz``; they add up to 1 everywhere.

    A border is a raised cosine half an octave wide.
    """
    above = [torch.ones_like(hz)]
    for edge in edges_hz:
        position = (torch.log2(hz.clamp_min(1.0) / edge) / 0.5 + 0.5).clamp(0.0, 1.0)
        above.append(torch.sin(0.5 * math.pi * position).square())
    return [low * (1.0 - high) for low, high in itertools.pairwise(above)] + [above[-1]]
