"""Stereo image: how a stem lies between left and right, in a few numbers for each sixteenth and frequency band.

The mid signal is a mono stem. Its side signal is described by two numbers per band: *pan*, the share of the mid that
the side repeats (-1 right, 0 middle, 1 left), and *width*, the level of the rest of the side against the mid. The rest
is made again from the mid by an all-pass with many delays, so the sum of both channels is always the mono stem.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor, nn

from riffengine.renderer.bundled.score import STEPS
from riffengine.renderer.codec.envelopes import resampled
from riffengine.renderer.codec.noise import zone_weights
from riffengine.renderer.stereo import all_pass

_RATE = 44100
_WINDOW = 2048
_PER_STEP = 4  # windows of the analysis in a sixteenth
_LEAST_WIDTH_DB, _MOST_WIDTH_DB = -40.0, 6.0
_SHORTEST_MS, _LONGEST_MS = 3.0, 20.0
_QUIET = 1e-8  # mean power of a band below which nothing is known about its image


def analyse_image(mid: Tensor, side: Tensor, bands_hz: tuple[float, ...]) -> tuple[Tensor, Tensor]:
    """The image ``(STEPS, bands, 2)`` (pan, width in dB) of a loop of two bars, and where it is known (bool).

    ``mid`` and ``side`` are ``(L,)``, half the sum and half the difference of both channels, at 44.1 kHz.
    ``bands_hz`` are the lower borders of the bands. Values are means over two sixteenths around a sixteenth's middle.
    """
    length, count = len(mid), STEPS * _PER_STEP
    centres = ((torch.arange(count) + 0.5) * length / count).long()
    index = (centres[:, None] + torch.arange(_WINDOW) - _WINDOW // 2) % length
    window = torch.hann_window(_WINDOW)
    mids, sides = (torch.fft.rfft(x[index] * window) for x in (mid, side))
    weights = torch.stack(zone_weights(bands_hz, torch.fft.rfftfreq(_WINDOW, 1 / _RATE))[1:]).T / _WINDOW**2
    powers = [(a.conj() * b).real @ weights for a, b in ((mids, mids), (sides, sides), (mids, sides))]
    shape = torch.hann_window(2 * _PER_STEP + 1, periodic=False)[1:]
    mid_power, side_power, common = (_smoothed(power, shape)[_PER_STEP // 2 :: _PER_STEP] for power in powers)
    known = mid_power > _QUIET
    pan = (common / mid_power.clamp_min(_QUIET)).clamp(-1.0, 1.0)
    rest = (side_power / mid_power.clamp_min(_QUIET) - pan.square()).clamp_min(1e-9)
    width = (10.0 * rest.log10()).clamp(_LEAST_WIDTH_DB, _MOST_WIDTH_DB)
    return torch.stack([pan, width], dim=2), known


def _smoothed(values: Tensor, shape: Tensor) -> Tensor:
    shifts = range(-(len(shape) // 2), len(shape) - len(shape) // 2)
    return torch.stack([values.roll(-shift, 0) * weight for shift, weight in zip(shifts, shape, strict=True)]).sum(0)


def side_signal(mid: Tensor, image: Tensor, bands_hz: tuple[float, ...], sample_rate: int, seed: int) -> Tensor:
    """The side signal ``(L,)`` of a mono stem ``(L,)`` with an ``image`` ``(T, bands, 2)`` as of ``analyse_image``.

    ``seed`` chooses the delays of the all-pass; stems with other seeds are wide independently of each other.
    """
    length = len(mid)
    zones, delayed = _filters(length, sample_rate, bands_hz, seed)
    spectrum = torch.fft.rfft(mid)
    parts = torch.fft.irfft(torch.cat([spectrum * zones, spectrum * delayed]), n=length)
    width = 10.0 ** (image[..., 1] / 20.0) * (image[..., 1] > _LEAST_WIDTH_DB + 1.0)
    gains = torch.cat([image[..., 0], width], dim=1).T
    return (parts * resampled(gains, length)).sum(dim=0)


@lru_cache(maxsize=8)
def _filters(length: int, sample_rate: int, bands_hz: tuple[float, ...], seed: int) -> tuple[Tensor, Tensor]:
    """The bands of a spectrum, and the same behind an all-pass whose delay changes from frequency to frequency."""
    hz = torch.fft.rfftfreq(length, 1 / sample_rate)
    zones = torch.stack(zone_weights(bands_hz, hz)[1:])
    delays = all_pass(length, sample_rate, _SHORTEST_MS, _LONGEST_MS, seed).astype(np.complex64)
    return zones, zones * torch.from_numpy(delays)


class ImageCode(nn.Module):
    """Images ``(batch, T, bands, 2)`` ↔ latents ``(batch, T, 2 bands)`` of about unit variance."""

    mean: Tensor
    spread: Tensor

    def __init__(self, bands: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(2 * bands))
        self.register_buffer("spread", torch.ones(2 * bands))

    def fit(self, images: Tensor, known: Tensor) -> None:
        """Fit to images ``(n, T, bands, 2)``, of which only those values count that are ``known`` ``(n, T, bands)``."""
        weight = known.float().repeat_interleave(2, dim=2)
        rows = images.flatten(2)
        total = weight.sum((0, 1)).clamp_min(1.0)
        self.mean.copy_((rows * weight).sum((0, 1)) / total)
        variance = ((rows - self.mean).square() * weight).sum((0, 1)) / total
        self.spread.copy_(variance.sqrt().clamp_min(1e-2))

    def encode(self, images: Tensor, known: Tensor) -> Tensor:
        """Latents of images; 0, the mean, where nothing is known."""
        return (images.flatten(2) - self.mean) / self.spread * known.float().repeat_interleave(2, dim=2)

    def decode(self, latents: Tensor) -> Tensor:
        """Images of latents, within their range."""
        images = (latents * self.spread + self.mean).unflatten(2, (-1, 2))
        pan = images[..., 0].clamp(-1.0, 1.0)
        return torch.stack([pan, images[..., 1].clamp(_LEAST_WIDTH_DB, _MOST_WIDTH_DB)], dim=3)
