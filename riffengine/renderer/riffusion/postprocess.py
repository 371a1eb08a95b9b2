"""Postprocessor: resamples decoded audio, splits it into bands and levels it, on the device that decoded it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from riffengine.errors import RendererError
from riffengine.renderer.loudness import gain_to, gated_lufs, gating_blocks, k_weighting
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
        """``(batch, channels, any frames) float32`` → levelled bands of ``frames`` each. The host waits once.

        Raises ``RendererError`` for NaN or infinity, or a loop with nothing above -70 LUFS.
        """
        weights, k_filter, starts = self._constants(frames, sample_rate)
        block = gating_blocks(frames, sample_rate)[1]
        spectra = _resampled(torch.fft.rfft(sound), sound.shape[-1], frames)
        power = torch.fft.irfft(spectra * k_filter, n=frames).double().square_().sum(1)
        running = torch.nn.functional.pad(torch.cat([power, power[:, :block]], dim=1).cumsum(1), (1, 0))
        blocks = (running[:, starts + block] - running[:, starts]).div_(block).clamp_min_(0.0)
        peak = torch.fft.irfft(spectra, n=frames).abs().amax((1, 2))
        host_values = torch.cat([blocks, peak[:, None].double()], dim=1).cpu().numpy()
        if not np.isfinite(host_values).all():
            raise RendererError(
                "the loop holds NaN or infinity and is not played; render it again or check the weights"
            )
        loudness = [gated_lufs(row[:-1]) for row in host_values]
        gains = [gain_to(self._target, lufs, float(row[-1])) for lufs, row in zip(loudness, host_values, strict=True)]
        stems = torch.fft.irfft(spectra[:, None] * weights[:, None], n=frames)
        levelled = torch.stack([each * gain for each, gain in zip(stems, gains, strict=True)])
        return FinishedLoops(
            levelled.transpose(2, 3).contiguous(),
            tuple(lufs + 20.0 * float(np.log10(gain)) for lufs, gain in zip(loudness, gains, strict=True)),
            tuple(float(row[-1]) * gain for row, gain in zip(host_values, gains, strict=True)),
        )

    def _constants(self, frames: int, sample_rate: int) -> tuple[Tensor, Tensor, Tensor]:
        if self._cached is None or self._cached[0] != (frames, sample_rate):
            weights = torch.tensor(band_weights(frames, sample_rate), device=self._device)
            k_filter = torch.tensor(k_weighting(frames, sample_rate), dtype=torch.complex64, device=self._device)
            starts = torch.tensor(gating_blocks(frames, sample_rate)[0], device=self._device)
            self._cached = (frames, sample_rate), weights, k_filter, starts
        return self._cached[1:]


def _resampled(spectra: Tensor, old: int, frames: int) -> Tensor:
    """The spectrum of the same loop with another number of frames."""
    if old == frames:
        return spectra
    kept = min(old, frames) // 2 + 1
    out = spectra.new_zeros((*spectra.shape[:-1], frames // 2 + 1))
    out[..., :kept] = spectra[..., :kept] * (frames / old)
    return out
