"""Postprocessor: resamples decoded audio, splits it into bands and levels it, on the device that decoded it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from riffengine.errors import RendererError
from riffengine.renderer.levelling import BLOCK, OVERSAMPLING, frame_gains, gain_curve
from riffengine.renderer.loudness import k_weighting
from riffengine.renderer.riffusion.bands import band_weights


@dataclass(frozen=True)
class FinishedLoops:
    """``stems`` ``(batch, bands, frames, channels) float32`` on the device; loudness in LUFS and peak of each loop."""

    stems: Tensor
    lufs: tuple[float, ...]
    peaks: tuple[float, ...]


class Postprocessor:
    """Resamples, splits and levels circular loops by products of spectra. Renderer process; one thread at a time.

    The constants of the last length (band weights, K filter) are cached: a set has one length at a time.
    """

    def __init__(self, device: torch.device, target_lufs: float) -> None:
        self._device, self._target = device, target_lufs
        self._cached: tuple[tuple[int, int], Tensor, Tensor, Tensor] | None = None

    def process(self, sound: Tensor, frames: int, sample_rate: int) -> FinishedLoops:
        """``(batch, channels, any frames) float32`` → levelled bands of ``frames`` each. The host waits twice.

        Raises ``RendererError`` for NaN or infinity, or a loop with nothing above -70 LUFS.
        """
        weights, k_filter, quarter = self._constants(frames, sample_rate)
        spectra = _resampled(torch.fft.rfft(sound), sound.shape[-1], frames)
        power = torch.fft.irfft(spectra * k_filter, n=frames).square_().sum(1)
        if sound.shape[1] == 1:
            power *= 2.0  # it is played by two loudspeakers
        peak = torch.fft.irfft(spectra, n=frames).abs().amax(1)
        shifted = spectra
        for _ in range(1, OVERSAMPLING):
            shifted = shifted * quarter
            peak = torch.maximum(peak, torch.fft.irfft(shifted, n=frames).abs().amax(1))
        powers, peaks = _in_blocks(power).double().sum(2), _in_blocks(peak).amax(2).double()
        host_values = torch.stack([powers, peaks], dim=1).cpu().numpy()
        if not np.isfinite(host_values).all():
            raise RendererError(
                "the loop holds NaN or infinity and is not played; render it again or check the weights"
            )
        curves = [gain_curve(high, loud, frames, self._target, sample_rate) for loud, high in host_values]
        gains = np.stack([frame_gains(curve.gains, frames) for curve in curves])
        stems = torch.fft.irfft(spectra[:, None] * weights[:, None], n=frames)
        levelled = stems * torch.from_numpy(gains).to(self._device)[:, None, None]
        highest = levelled.sum(1).abs().amax((1, 2))
        return FinishedLoops(
            levelled.transpose(2, 3).contiguous(),
            tuple(curve.loudness_lufs for curve in curves),
            tuple(highest.tolist()),
        )

    def _constants(self, frames: int, sample_rate: int) -> tuple[Tensor, Tensor, Tensor]:
        if self._cached is None or self._cached[0] != (frames, sample_rate):
            weights = torch.tensor(band_weights(frames, sample_rate), device=self._device)
            k_filter = torch.tensor(k_weighting(frames, sample_rate), dtype=torch.complex64, device=self._device)
            turn = 2j * np.pi / (frames * OVERSAMPLING) * np.arange(frames // 2 + 1)  # a quarter of a sample
            quarter = torch.tensor(np.exp(turn), dtype=torch.complex64, device=self._device)
            self._cached = (frames, sample_rate), weights, k_filter, quarter
        return self._cached[1:]


def _in_blocks(values: Tensor) -> Tensor:
    """``(batch, frames)`` → ``(batch, blocks, BLOCK)``, the last block filled with zeros."""
    return torch.nn.functional.pad(values, (0, -values.shape[1] % BLOCK)).unflatten(1, (-1, BLOCK))


def _resampled(spectra: Tensor, old: int, frames: int) -> Tensor:
    """The spectrum of the same loop with another number of frames."""
    if old == frames:
        return spectra
    kept = min(old, frames) // 2 + 1
    out = spectra.new_zeros((*spectra.shape[:-1], frames // 2 + 1))
    out[..., :kept] = spectra[..., :kept] * (frames / old)
    return out
