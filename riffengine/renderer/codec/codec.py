"""Codec: converts loops to mel images and back; circular, deterministic, at any tempo."""

from __future__ import annotations

import torch
from torch import Tensor

from riffengine.errors import RendererError
from riffengine.renderer.cache import LruCache
from riffengine.renderer.codec.circular_stft import CircularStft
from riffengine.renderer.codec.filterbank import Filterbank, band_weights
from riffengine.renderer.codec.noise import noise_bins, noise_signal
from riffengine.renderer.codec.params import CodecParams
from riffengine.renderer.codec.phase import TINY, griffin_lim, magnitude, predicted_phase, with_magnitude

_MOMENTUM = 0.99
_MEL_UPDATES = 8  # 8 and 10 give 0.05 dB less LSD than 4; each costs about a millisecond
_NOISE_FLOOR = 10.0 ** (-50 / 20)
_CACHED_NOISES = 2  # of as many lengths; each is up to 3 MB
_CACHED_LENGTHS = 8  # loop lengths (tempi); each costs two megabytes at 60 bpm
_LOBE_BINS = 16  # above the highest predicted bin: a bin takes the phase of its peak, which may lie above it


class Codec:
    """Converts loops to mel images and mel images to loops, for one ``CodecParams`` on one torch device.

    Not random: equal input gives equal samples, bit for bit, with the same number of threads. Renderer process; one
    thread at a time.
    """

    def __init__(
        self, params: CodecParams, device: str | torch.device = "cpu", noise_from_hz: float | None = None
    ) -> None:
        """Above ``noise_from_hz`` reconstruction starts from the phases of noise, below it from predicted phases."""
        self.params = params
        self.device = torch.device(device)
        self._filterbank = Filterbank(band_weights(params), self.device)
        self._stfts: LruCache[int, CircularStft] = LruCache(_CACHED_LENGTHS)
        self._white_noise: LruCache[int, Tensor] = LruCache(_CACHED_NOISES)
        self._noise_bins = None if noise_from_hz is None else noise_bins(params, noise_from_hz).to(self.device)
        self._predicted_bins = 0 if self._noise_bins is None else int((~self._noise_bins).nonzero().max()) + 1

    def encode(self, audio: Tensor) -> Tensor:
        """Mel images ``(batch, T, n_mels) float32`` of circular loops ``(batch, L) float32`` in -1..1.

        Raises ``RendererError`` for another shape or type, a length that does not fit, NaN or infinity.
        """
        if audio.ndim != 2 or not audio.is_floating_point():
            raise RendererError(f"encode needs (batch, samples) float32; got {tuple(audio.shape)} {audio.dtype}")
        _check_finite(audio, "the audio to encode")
        stft = self._stft(audio.shape[1])
        spectra = stft.spectra(audio.to(self.device, torch.float32))
        return self._filterbank.bands(magnitude(spectra) * stft.gain).pow(self.params.power)

    @torch.no_grad()
    def decode(
        self,
        mel: Tensor,
        frames: int,
        phase_from: Tensor | None = None,
        iterations: int = 12,
        noise: Tensor | None = None,
    ) -> Tensor:
        """Loops ``(batch, frames) float32`` of mel images ``(batch, T, n_mels)``; another length is another tempo.

        Phase reconstruction starts from ``phase_from``: the audio ``(batch, frames)`` of a similar loop of the same
        length, or its complex spectra ``(batch, T, bins)``; without it from predicted phases, and above the codec's
        ``noise_from_hz`` from those of ``noise`` ``(frames,)``, by default white noise. ``iterations`` is the number of
        Griffin-Lim rounds. Raises ``RendererError`` for another shape, a length that does not fit, NaN or infinity.
        """
        if iterations < 0:
            raise RendererError(f"decode was asked for {iterations} iterations; 0 or more are possible")
        stft = self._stft(frames)
        bands = self._bands_of(mel)
        magnitudes = self._magnitudes(bands)
        if phase_from is not None:
            given = self._spectra_of(phase_from, magnitudes, stft)
            if self._noise_bins is not None:  # where it has no highs, its phases there are rounding errors
                floor = _NOISE_FLOOR * with_magnitude(self._noise(noise, stft), magnitudes)
                given = given + torch.where(self._noise_bins, floor, torch.zeros_like(floor))
            start = with_magnitude(given, magnitudes)
        elif self._noise_bins is not None:
            start = self._partly_predicted(magnitudes, self._noise_bins, noise, stft)
        else:
            start = torch.polar(magnitudes, predicted_phase(magnitudes, stft))
        spectra = griffin_lim(start, bands, self._filterbank, stft, iterations, _MOMENTUM)
        return stft.audio(spectra).div_(stft.gain)

    def _partly_predicted(
        self, magnitudes: Tensor, noise_bins: Tensor, noise: Tensor | None, stft: CircularStft
    ) -> Tensor:
        """Spectra with the phases of ``noise`` in ``noise_bins``, and predicted phases in the others."""
        start = with_magnitude(self._noise(noise, stft), magnitudes)
        bins = min(self._predicted_bins + _LOBE_BINS, magnitudes.shape[-1])
        predicted = torch.polar(magnitudes[..., :bins], predicted_phase(magnitudes, stft, bins))
        start[..., :bins] = torch.where(noise_bins[:bins], start[..., :bins], predicted)
        return start

    def _magnitudes(self, bands: Tensor) -> Tensor:
        """FFT magnitudes ``(batch, T, bins)`` with the given bands: a back-projection, then a few updates.

        The multiplicative updates are those of non-negative least squares (Lee, Seung 2001).
        """
        bank = self._filterbank
        target = bank.bins(bands)
        estimate = bank.bins(bands / bank.band_sums) / bank.bin_sums.clamp_min(TINY)
        for _ in range(_MEL_UPDATES):
            estimate *= target / bank.bins(bank.bands(estimate)).clamp_min_(TINY)
        return estimate

    def _bands_of(self, mel: Tensor) -> Tensor:
        """Linear band magnitudes of a mel image, after checks; values below 0 count as 0."""
        shape = (self.params.frames, self.params.n_mels)
        if mel.ndim != 3 or tuple(mel.shape[1:]) != shape or not mel.is_floating_point():
            raise RendererError(
                f"decode needs a mel of (batch, {shape[0]}, {shape[1]}) float32; got {tuple(mel.shape)} {mel.dtype}"
            )
        _check_finite(mel, "the mel to decode")
        return mel.to(self.device, torch.float32).clamp_min(0.0).pow(1.0 / self.params.power)

    def _spectra_of(self, phase_from: Tensor, magnitudes: Tensor, stft: CircularStft) -> Tensor:
        _check_finite(phase_from, "phase_from")
        if phase_from.is_complex() and phase_from.shape == magnitudes.shape:
            return phase_from.to(self.device, torch.complex64)
        if not phase_from.is_complex() and tuple(phase_from.shape) == (len(magnitudes), stft.length):
            return stft.spectra(phase_from.to(self.device, torch.float32))
        raise RendererError(
            f"phase_from is {tuple(phase_from.shape)} {phase_from.dtype}; audio ({len(magnitudes)}, {stft.length}) "
            f"or complex spectra {tuple(magnitudes.shape)} of the same loop length are needed"
        )

    def _noise(self, noise: Tensor | None, stft: CircularStft) -> Tensor:
        """The spectra ``(1, T, bins)`` of ``noise`` ``(L,)``; those of white noise are computed once a length."""
        if noise is not None:
            return stft.spectra(noise[None].to(self.device))
        if (white := self._white_noise.get(stft.length)) is not None:
            return white
        return self._white_noise.put(stft.length, stft.spectra(noise_signal(stft.length)[None].to(self.device)))

    def _stft(self, length: int) -> CircularStft:
        return self._stfts.get(length) or self._stfts.put(length, CircularStft(self.params, length, self.device))


def _check_finite(values: Tensor, what: str) -> None:
    if not bool(torch.isfinite(values).all()):
        raise RendererError(f"{what} holds NaN or infinity; every value must be finite; check what produced it")
