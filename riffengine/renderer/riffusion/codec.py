"""RiffusionCodec: loops to Riffusion's pictures of sound and back, on the engine's own circular codec."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from riffengine.errors import ModelError, RendererError
from riffengine.renderer.codec import Codec, CodecParams
from riffengine.renderer.codec.filterbank import Filterbank, band_corners_hz, band_weights

COLUMNS_PER_BEAT = 64  # the grid of Riffusion's seed images: 0.64 s a beat at 10 ms a column, 93.75 bpm
DECODE_MAX = 30e6  # what Riffusion multiplies with when it decodes; its samples are 16-bit whole numbers
_INT16 = 32767.0
_WIDTHS_KEPT = 4
_LEAST_OVERLAP = 4  # windows over every sample, below which no column is left out
_CHUNK_COLUMNS = 256  # padded spectra of so many columns at a time: 18 MB instead of growing with the picture


@dataclass(frozen=True)
class RiffusionParams:
    """What a picture of Riffusion's means; its defaults are those of ``riffusion-model-v1``. Stored as EXIF.

    Durations in ms, frequencies in Hz. ``step_size_ms`` is the width of a column at the tempo at which the picture was
    made; ``padded_duration_ms`` the length of the FFT. A ``stereo`` picture holds left in green and right in blue.
    ``max_value`` is the band magnitude (of 16-bit samples) that black stands for. Raises ``ModelError`` for values that
    make no picture.
    """

    sample_rate: int = 44100
    stereo: bool = False
    step_size_ms: float = 10.0
    window_duration_ms: float = 100.0
    padded_duration_ms: float = 400.0
    num_frequencies: int = 512
    min_frequency: float = 0.0
    max_frequency: float = 10000.0
    power_for_image: float = 0.25
    max_value: float = DECODE_MAX

    def __post_init__(self) -> None:
        ranges = {
            "sample_rate": (8000, 192000),
            "step_size_ms": (1.0, 100.0),
            "window_duration_ms": (10.0, 400.0),
            "padded_duration_ms": (10.0, 1600.0),
            "num_frequencies": (8, 2048),
            "min_frequency": (0.0, 10000.0),
            "max_frequency": (100.0, self.sample_rate / 2),
            "power_for_image": (0.05, 1.0),
            "max_value": (1e-6, 1e12),
        }
        for name, (least, most) in ranges.items():
            value = getattr(self, name)
            if not least <= value <= most:  # NaN is refused too
                raise ModelError(f"picture: {name} is {value}; {least:g} to {most:g} is possible; take its EXIF away")
        if self.min_frequency >= self.max_frequency:
            raise ModelError(
                f"picture: min_frequency {self.min_frequency:g} Hz is not below max_frequency {self.max_frequency:g} Hz"
            )
        if self.padded_duration_ms < self.window_duration_ms:
            raise ModelError(
                f"picture: padded_duration_ms {self.padded_duration_ms:g} is shorter than the window "
                f"of {self.window_duration_ms:g} ms; make it as long or longer"
            )

    @classmethod
    def wide(cls) -> RiffusionParams:
        """The 20 kHz stereo setting."""
        return cls(stereo=True, min_frequency=10.0, max_frequency=20000.0)

    @property
    def channels(self) -> int:
        """Channels of the sound: 2 for a stereo picture, else 1."""
        return 2 if self.stereo else 1

    @property
    def window(self) -> int:
        """The Hann window in samples, even."""
        return round(self.window_duration_ms / 2000.0 * self.sample_rate) * 2

    @property
    def padded(self) -> int:
        """The FFT's length in samples."""
        return round(self.padded_duration_ms / 1000.0 * self.sample_rate)

    def codec_params(self, columns: int) -> CodecParams:
        """The engine's codec with the same bands, one frame for each of ``columns``."""
        return CodecParams(
            sample_rate=self.sample_rate,
            n_fft=self.window,
            n_mels=self.num_frequencies,
            frames=columns,
            fmin=self.min_frequency,
            fmax=self.max_frequency,
            power=1.0,
        )


def frames_of(columns: int, params: RiffusionParams, bpm: float | None = None) -> int:
    """Samples of ``columns`` of a picture: at its own step, or at ``bpm`` with 64 columns a beat. 512 give 225,792."""
    if bpm is None:
        return round(columns * params.step_size_ms * params.sample_rate / 1000.0)
    return round(columns / COLUMNS_PER_BEAT * 60.0 / bpm * params.sample_rate)


class RiffusionCodec:
    """Turns loops into pictures and pictures into loops; the width follows the picture, the tempo the wanted length.

    A picture is ``(batch, channels, bands, columns) float32``: the pixels of the file divided by 255 (1 is white and
    silent, 0 black and loud) with the lowest band first, which in the file is the bottom row. It has 1 channel (grey),
    3 (red, green, blue: mono pictures are grey, stereo ones have left in green and right in blue), or 2 (left, right).
    Deterministic. Lives in the renderer process; one thread at a time.
    """

    def __init__(self, params: RiffusionParams | None = None, device: str | torch.device = "cpu") -> None:
        self.params = params or RiffusionParams()
        self.device = torch.device(device)
        self._codecs: OrderedDict[int, Codec] = OrderedDict()
        self._window = torch.hann_window(self.params.window, device=self.device)
        sampled = sampled_weights(self.params)
        self._bank = Filterbank(sampled, self.device)
        # The inner codec's magnitudes: a full-scale sine is 1, bins as wide as the window resolves. Riffusion's: 16-bit
        # samples, more bins. Equal noise must give equal bands, so each band is scaled by the sums of both weights.
        inner = band_weights(self.params.codec_params(512)).sum(axis=1)
        to_full_scale = 2.0 / (_INT16 * float(self._window.sum()))
        self._scale = torch.from_numpy(to_full_scale * inner / sampled.sum(axis=1)).to(self.device, torch.float32)

    @torch.no_grad()
    def decode(self, image: Tensor, frames: int, phase_from: Tensor | None = None, iterations: int = 16) -> Tensor:
        """Loops ``(batch, 1|2, frames) float32`` of pictures ``(batch, 1|2|3, bands, columns)``, values 0..1.

        Black sounds at ``max_value``; nothing is levelled or clipped. ``phase_from`` is the ``(batch, 1|2, frames)``
        audio of a neighbour to start the phase from. Columns overlap by nine tenths: where half of them are enough, the
        phase is sought on every second one, twice as fast (16 rounds on 256 columns: LSD 3.10 dB, SC .152, 0.26 s of
        one core; 8 rounds on 512: 3.25, .190, 0.34 s). Raises ``RendererError`` for another shape, NaN, or a length
        that does not fit.
        """
        pixels = self._pixels(image)
        batch, channels, bands, columns = pixels.shape
        if columns % 2 == 0 and columns >= 16 and 2 * frames * _LEAST_OVERLAP <= columns * self.params.window:
            pixels = pixels[..., ::2]
            columns //= 2
        levels = (1.0 - pixels).pow(1.0 / self.params.power_for_image) * self.params.max_value
        mel = levels.reshape(batch * channels, bands, columns).transpose(1, 2) * self._scale
        near = phase_from.reshape(batch * channels, -1) if phase_from is not None else None
        return self._codec(columns).decode(mel, frames, near, iterations).reshape(batch, channels, frames)

    @torch.no_grad()
    def encode(self, audio: Tensor, columns: int = 512, max_value: float | None = None) -> Tensor:
        """Pictures ``(batch, 1|3, bands, columns)`` of circular loops ``(batch, 1|2, frames) float32`` in -1..1.

        A stereo picture has 3 channels, the first 0. Black stands for ``max_value``, or for the loudest band of each
        loop, found by ``bands``. Raises ``RendererError`` for another shape, a length that does not fit, NaN, silence.
        """
        bands = self.bands(audio, columns)
        tops = bands.amax(dim=(1, 2, 3), keepdim=True) if max_value is None else torch.full((1, 1, 1, 1), max_value)
        if not bool((tops > 0.0).all()):
            raise RendererError("the audio is silent: there is nothing to picture; take a part that sounds")
        pixels = 1.0 - (bands / tops.to(bands)).clamp_(0.0, 1.0).pow_(self.params.power_for_image)
        return torch.cat([torch.zeros_like(pixels[:, :1]), pixels], dim=1) if self.params.stereo else pixels

    @torch.no_grad()
    def bands(self, audio: Tensor, columns: int) -> Tensor:
        """Band magnitudes ``(batch, 1|2, bands, columns)`` of loops ``(batch, 1|2, frames)``, as Riffusion counts them.

        Sums over an FFT padded to ``padded_duration_ms``, of samples on the scale of 16-bit numbers.
        """
        if audio.ndim != 3 or audio.shape[1] not in (1, 2) or not audio.is_floating_point():
            raise RendererError(f"a picture needs (batch, 1 or 2, samples) of float32; got {tuple(audio.shape)}")
        if not bool(torch.isfinite(audio).all()):
            raise RendererError("the audio holds NaN or infinity; every sample must be finite; see what produced it")
        own, length = self.params, audio.shape[2]
        if columns < 8 or length < own.window:
            raise RendererError(
                f"{length} samples in {columns} columns make no picture; at least {own.window} samples and 8 columns do"
            )
        sound = _as_channels(audio.to(self.device, torch.float32) * _INT16, own.channels)
        flat = sound.reshape(-1, length)
        half = own.window // 2
        wrapped = torch.cat([flat[:, -half:], flat, flat[:, :half]], dim=1)
        centres = [(2 * t * length + columns) // (2 * columns) for t in range(columns)]
        rows = []
        for first in range(0, columns, _CHUNK_COLUMNS):
            windows = [wrapped[:, centre : centre + own.window] for centre in centres[first : first + _CHUNK_COLUMNS]]
            spectra: Tensor = torch.fft.rfft(torch.stack(windows, dim=1) * self._window, n=own.padded)
            rows.append(self._bank.bands(spectra.abs()))
        return torch.cat(rows, dim=1).transpose(1, 2).reshape(len(audio), own.channels, own.num_frequencies, columns)

    def _pixels(self, image: Tensor) -> Tensor:
        """The channels that sound, on this device: ``(batch, 1|2, bands, columns)`` in 0..1."""
        bands = self.params.num_frequencies
        if image.ndim != 4 or image.shape[1] not in (1, 2, 3) or image.shape[2] != bands or image.shape[3] < 8:
            raise RendererError(
                f"a picture to decode is (batch, 1 to 3 channels, {bands} bands, 8 or more columns); "
                f"got {tuple(image.shape)}"
            )
        if not bool(torch.isfinite(image).all()):
            raise RendererError(
                "the picture holds NaN or infinity; values from 0 to 1 are needed; see what produced it"
            )
        pixels = image.to(self.device, torch.float32).clamp(0.0, 1.0)
        if pixels.shape[1] == 3 and self.params.stereo:
            pixels = pixels[:, 1:]
        if self.params.stereo:
            return pixels.expand(-1, 2, -1, -1)
        first = pixels[:, :1]
        return first + (pixels - first).mean(dim=1, keepdim=True)  # the mean, exact where all channels are equal

    def _codec(self, columns: int) -> Codec:
        if columns not in self._codecs:
            self._codecs[columns] = Codec(self.params.codec_params(columns), self.device)
            if len(self._codecs) > _WIDTHS_KEPT:
                self._codecs.popitem(last=False)
        self._codecs.move_to_end(columns)
        return self._codecs[columns]


def sampled_weights(params: RiffusionParams) -> NDArray[np.float64]:
    """Riffusion's filters ``(bands, bins)``: each triangle's height at the centre of each bin of the padded FFT.

    The same numbers as torchaudio's HTK filterbank without a norm; a triangle that falls between two bins is empty.
    """
    centres = np.arange(params.padded // 2 + 1) * (params.sample_rate / params.padded)
    low, mid, high = (corner[:, None] for corner in band_corners_hz(params.codec_params(512)).T)
    rise, fall = (centres - low) / (mid - low), (high - centres) / (high - mid)
    weights: NDArray[np.float64] = np.maximum(np.minimum(rise, fall), 0.0)
    return weights


def as_batch(samples: NDArray[np.float32]) -> Tensor:
    """``(frames,)`` or ``(frames, channels) float32`` as the ``(1, channels, frames)`` that a codec takes."""
    sides = samples[None] if samples.ndim == 1 else np.ascontiguousarray(samples.T)
    return torch.from_numpy(sides)[None]


def _as_channels(audio: Tensor, channels: int) -> Tensor:
    if audio.shape[1] == channels:
        return audio
    return audio.mean(dim=1, keepdim=True) if channels == 1 else audio.expand(-1, 2, -1)
