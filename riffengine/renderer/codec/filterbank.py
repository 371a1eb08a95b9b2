"""Filterbank: converts FFT bins to bands and back, on a mel or a logarithmic axis."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from riffengine.renderer.codec.params import CodecParams

_BAND_GROUP = 16  # bands per dense block; a triangle covers few bins, so blocks cost a tenth of the whole matrix


def mel_of_hz(hz: float) -> float:
    """The mel value of a frequency (HTK): ``2595 log10(1 + f / 700)``."""
    return float(2595.0 * np.log10(1.0 + hz / 700.0))


def band_corners_hz(params: CodecParams) -> NDArray[np.float64]:
    """Lower corner, centre and upper corner of every triangular band, ``(n_mels, 3)`` in Hz.

    Mel: HTK points, corners at the neighbours' centres. Log: the half width is the band spacing, at least one bin.
    """
    if params.axis == "mel":
        mels = np.linspace(mel_of_hz(params.fmin), mel_of_hz(params.fmax), params.n_mels + 2)
        points = 700.0 * (10.0 ** (mels / 2595.0) - 1.0)
        return np.stack([points[:-2], points[1:-1], points[2:]], axis=1)
    centres = params.fmin * 2.0 ** (np.arange(params.n_mels) / params.bands_per_octave)
    ratio = 2.0 ** (1.0 / params.bands_per_octave)
    bin_hz = params.sample_rate / params.n_fft
    below = np.maximum(centres - centres / ratio, bin_hz)
    above = np.maximum(centres * ratio - centres, bin_hz)
    return np.stack([centres - below, centres, centres + above], axis=1)


def band_weights(params: CodecParams) -> NDArray[np.float64]:
    """Weights ``(n_mels, bins)``: the mean of each triangle (height 1, linear in Hz) over the width of each bin.

    The usual method, the triangle's value at the bin's centre, loses bands that fall between two bins (8.6 Hz bands and
    10.8 Hz bins at 4096). The mean over the bin's width keeps every band.
    """
    corners = band_corners_hz(params)
    bin_hz = params.sample_rate / params.n_fft
    edges = (np.arange(params.bins + 1) - 0.5) * bin_hz
    low, mid, high = (corners[:, i : i + 1] for i in range(3))
    rise = np.clip(edges - low, 0.0, mid - low)
    fall = np.clip(high - edges, 0.0, high - mid)
    area = rise**2 / (2 * (mid - low)) + ((high - mid) ** 2 - fall**2) / (2 * (high - mid))
    weights: NDArray[np.float64] = np.diff(area, axis=1) / bin_hz
    return weights


class Filterbank:
    """Band weights ``(n_mels, bins)`` as diagonal blocks: ``bands`` projects bins, ``bins`` is its transpose."""

    def __init__(self, weights: NDArray[np.float64], device: torch.device) -> None:
        self._n_bins = weights.shape[1]
        self._blocks: list[tuple[slice, slice, Tensor]] = []
        # On a GPU one large product is faster than many small ones.
        group = _BAND_GROUP if device.type == "cpu" else len(weights)
        for start in range(0, len(weights), group):
            rows = weights[start : start + group]
            used = np.flatnonzero(rows.any(axis=0))
            columns = slice(int(used[0]), int(used[-1]) + 1)
            block = torch.from_numpy(np.ascontiguousarray(rows[:, columns].T)).to(device, torch.float32)
            self._blocks.append((slice(start, start + len(rows)), columns, block))
        self.bin_sums: Tensor = torch.from_numpy(weights.sum(axis=0)).to(device, torch.float32)
        self.band_sums: Tensor = torch.from_numpy(weights.sum(axis=1)).to(device, torch.float32)

    def bands(self, magnitudes: Tensor) -> Tensor:
        """``(..., bins)`` to ``(..., n_mels)``: the weighted sums."""
        return torch.cat([magnitudes[..., columns] @ block for _, columns, block in self._blocks], dim=-1)

    def bins(self, bands: Tensor) -> Tensor:
        """``(..., n_mels)`` to ``(..., bins)``: the transpose of ``bands``."""
        spread = bands.new_zeros((*bands.shape[:-1], self._n_bins))
        for rows, columns, block in self._blocks:
            spread[..., columns] += bands[..., rows] @ block.T
        return spread
