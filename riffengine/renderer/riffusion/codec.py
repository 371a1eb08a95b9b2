"""RiffusionCodec: converts loops to Riffusion's spectrogram images and back, using the engine's circular codec."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from riffengine.errors import ModelError, RendererError
from riffengine.renderer.cache import LruCache
from riffengine.renderer.codec import Codec, CodecParams
from riffengine.renderer.codec.filterbank import Filterbank, band_corners_hz, band_weights

COLUMNS_PER_BEAT = 64  # the grid of Riffusion's seed images: 0.64 s a beat at 10 ms a column, 93.75 bpm
DECODE_MAX = 30e6  # Riffusion's factor for decoding; its samples are 16-bit integers
_INT16 = 32767.0
_CACHED_WIDTHS = 4
_MIN_OVERLAP = 4  # every second column may be skipped if at least this many windows still cover every sample
_CHUNK_COLUMNS = 256  # columns whose padded spectra are computed at a time: 18 MB instead of growing with the picture


@dataclass(frozen=True)
class RiffusionParams:
    """The parameters of a spectrogram image; the defaults are those of ``riffusion-model-v1``. Stored as EXIF.

    Durations in ms, frequencies in Hz. ``step_size_ms`` is the width of a column at the picture's original tempo;
    ``padded_duration_ms`` is the length of the FFT. A ``stereo`` picture holds left in green and right in blue.
    ``max_value`` is the band magnitude (of 16-bit samples) of black. Raises ``ModelError`` for impossible values.
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
                raise ModelError(f"picture: {name} is {value}; {least:g} to {most:g} is possible; remove its EXIF")
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
        """The number of audio channels: 2 for a stereo picture, else 1."""
        return 2 if self.stereo else 1

    @property
    def window(self) -> int:
        """The length of the Hann window in samples, even."""
        return round(self.window_duration_ms / 2000.0 * self.sample_rate) * 2

    @property
    def padded(self) -> int:
        """The FFT's length in samples."""
        return round(self.padded_duration_ms / 1000.0 * self.sample_rate)

    def codec_params(self, columns: int) -> CodecParams:
        """Parameters of the engine's codec with the same bands, and one frame for each of ``columns``."""
        return CodecParams(
            sample_rate=self.sample_rate,
            n_fft=self.window,
            n_mels=self.num_frequencies,
            frames=columns,
            fmin=self.min_frequency,
            fmax=self.max_frequency,
            power=1.0,
        )


# Above it phases start from noise: the buzz at the rate of the columns falls from 16 to 6 dB (tools/bench/buzz.py).
NOISE_FROM_HZ = 4000.0


def frames_of_columns(columns: int, params: RiffusionParams, bpm: float | None = None) -> int:
    """The length in samples of ``columns`` at their stored step, or at ``bpm`` with 64 a beat. 512 give 225,792."""
    if bpm is None:
        return round(columns * params.step_size_ms * params.sample_rate / 1000.0)
    return round(columns / COLUMNS_PER_BEAT * 60.0 / bpm * params.sample_rate)


class RiffusionCodec:
    """Converts loops to pictures of any width, and pictures to loops of any length (tempo).

    A picture is ``(batch, channels, bands, columns) float32``: pixels divided by 255 (1 is white and silent, 0 is black
    and loud), lowest band first, which is the bottom row of the file. It has 1 channel (gray), 3 (red, green, blue:
    mono pictures are gray, stereo ones have left in green and right in blue), or 2 (left, right). Deterministic.
    Renderer process; one thread at a time.
    """

    def __init__(
        self,
        params: RiffusionParams | None = None,
        device: str | torch.device = "cpu",
        noise_from_hz: float | None = NOISE_FROM_HZ,
    ) -> None:
        """``noise_from_hz`` is where phases start from noise, as in ``Codec``."""
        self.params = params or RiffusionParams()
        self.device = torch.device(device)
        self._noise_from_hz = noise_from_hz
        self._codecs: LruCache[int, Codec] = LruCache(_CACHED_WIDTHS)
        self._window = torch.hann_window(self.params.window, device=self.device)
        sampled = sampled_weights(self.params)
        self._bank = Filterbank(sampled, self.device)
        # The engine's codec counts a full-scale sine as 1 and has bins as wide as the window resolves. Riffusion counts
        # 16-bit samples and has more bins. Equal noise must give equal bands, so each band is scaled by the sums of
        # both weights.
        inner = band_weights(self.params.codec_params(512)).sum(axis=1)
        to_full_scale = 2.0 / (_INT16 * float(self._window.sum()))
        self._scale = torch.from_numpy(to_full_scale * inner / sampled.sum(axis=1)).to(self.device, torch.float32)

    @torch.no_grad()
    def decode(self, image: Tensor, frames: int, phase_from: Tensor | None = None, iterations: int = 16) -> Tensor:
        """Loops ``(batch, 1|2, frames) float32`` of pictures ``(batch, 1|2|3, bands, columns)``, values 0..1.

        Black has the magnitude ``max_value``; nothing is levelled or clipped. ``phase_from`` is the audio
        ``(batch, 1|2, frames)`` of a similar loop whose phases are the start of the reconstruction. Columns overlap by
        nine tenths. If half of them are enough, only every second one is used, which is twice as fast (16 rounds on 256
        columns: LSD 3.10 dB, SC .152, 0.26 s of one core; 8 rounds on 512: 3.25, .190, 0.34 s). Raises
        ``RendererError`` for another shape, NaN, or an impossible length.
        """
        pixels = self._pixels(image)
        batch, channels, bands, columns = pixels.shape
        if columns % 2 == 0 and columns >= 16 and 2 * frames * _MIN_OVERLAP <= columns * self.params.window:
            pixels = pixels[..., ::2]
            columns //= 2
        levels = (1.0 - pixels).pow(1.0 / self.params.power_for_image) * self.params.max_value
        mel = levels.reshape(batch * channels, bands, columns).transpose(1, 2) * self._scale
        start = phase_from.reshape(batch * channels, -1) if phase_from is not None else None
        return self._codec(columns).decode(mel, frames, start, iterations).reshape(batch, channels, frames)

    @torch.no_grad()
    def encode(self, audio: Tensor, columns: int = 512, max_value: float | None = None) -> Tensor:
        """Pictures ``(batch, 1|3, bands, columns)`` of circular loops ``(batch, 1|2, frames) float32`` in -1..1.

        A stereo picture has 3 channels, the first 0. Black is ``max_value``, or the loudest band of each loop. Raises
        ``RendererError`` for another shape, an impossible length, NaN, silence.
        """
        bands = self.bands(audio, columns)
        tops = bands.amax(dim=(1, 2, 3), keepdim=True) if max_value is None else torch.full((1, 1, 1, 1), max_value)
        if not bool((tops > 0.0).all()):
            raise RendererError("the audio is silent, so there is nothing to encode; use a part with sound")
        pixels = 1.0 - (bands / tops.to(bands)).clamp_(0.0, 1.0).pow_(self.params.power_for_image)
        return torch.cat([torch.zeros_like(pixels[:, :1]), pixels], dim=1) if self.params.stereo else pixels

    @torch.no_grad()
    def bands(self, audio: Tensor, columns: int) -> Tensor:
        """Band magnitudes ``(batch, 1|2, bands, columns)`` of loops ``(batch, 1|2, frames)``, on Riffusion's scale.

        Sums over an FFT padded to ``padded_duration_ms``, of samples on the scale of 16-bit numbers.
        """
        if audio.ndim != 3 or audio.shape[1] not in (1, 2) or not audio.is_floating_point():
            raise RendererError(f"a picture needs (batch, 1 or 2, samples) of float32; got {tuple(audio.shape)}")
        if not bool(torch.isfinite(audio).all()):
            raise RendererError("the audio holds NaN or infinity; every sample must be finite; check what produced it")
        params, length = self.params, audio.shape[2]
        if columns < 8 or length < params.window:
            raise RendererError(
                f"{length} samples in {columns} columns are too few; "
                f"at least {params.window} samples and 8 columns are needed"
            )
        sound = _as_channels(audio.to(self.device, torch.float32) * _INT16, params.channels)
        flat = sound.reshape(-1, length)
        half = params.window // 2
        wrapped = torch.cat([flat[:, -half:], flat, flat[:, :half]], dim=1)
        centres = [(2 * t * length + columns) // (2 * columns) for t in range(columns)]
        rows = []
        for first in range(0, columns, _CHUNK_COLUMNS):
            windows = [
                wrapped[:, centre : centre + params.window] for centre in centres[first : first + _CHUNK_COLUMNS]
            ]
            spectra: Tensor = torch.fft.rfft(torch.stack(windows, dim=1) * self._window, n=params.padded)
            rows.append(self._bank.bands(spectra.abs()))
        return (
            torch.cat(rows, dim=1).transpose(1, 2).reshape(len(audio), params.channels, params.num_frequencies, columns)
        )

    def _pixels(self, image: Tensor) -> Tensor:
        """The audio channels of ``image`` on this device: ``(batch, 1|2, bands, columns)`` in 0..1."""
        bands = self.params.num_frequencies
        if image.ndim != 4 or image.shape[1] not in (1, 2, 3) or image.shape[2] != bands or image.shape[3] < 8:
            raise RendererError(
                f"a picture to decode is (batch, 1 to 3 channels, {bands} bands, 8 or more columns); "
                f"got {tuple(image.shape)}"
            )
        if not bool(torch.isfinite(image).all()):
            raise RendererError(
                "the picture holds NaN or infinity; values from 0 to 1 are needed; check what produced it"
            )
        pixels = image.to(self.device, torch.float32).clamp(0.0, 1.0)
        if pixels.shape[1] == 3 and self.params.stereo:
            pixels = pixels[:, 1:]
        if self.params.stereo:
            return pixels.expand(-1, 2, -1, -1)
        first = pixels[:, :1]
        return first + (pixels - first).mean(dim=1, keepdim=True)  # the mean, exact where all channels are equal

    def _codec(self, columns: int) -> Codec:
        return self._codecs.get(columns) or self._codecs.put(
            columns, Codec(self.params.codec_params(columns), self.device, self._noise_from_hz)
        )


def sampled_weights(params: RiffusionParams) -> NDArray[np.float64]:
    """Riffusion's filters ``(bands, bins)``: each triangle's height at the centre of each bin of the padded FFT.

    Equal to torchaudio's HTK filterbank without normalisation; a triangle that falls between two bins is empty.
    """
    centres = np.arange(params.padded // 2 + 1) * (params.sample_rate / params.padded)
    low, mid, high = (corner[:, None] for corner in band_corners_hz(params.codec_params(512)).T)
    rise, fall = (centres - low) / (mid - low), (high - centres) / (high - mid)
    weights: NDArray[np.float64] = np.maximum(np.minimum(rise, fall), 0.0)
    return weights


def as_batch(samples: NDArray[np.float32]) -> Tensor:
    """``(frames,)`` or ``(frames, channels) float32`` as ``(1, channels, frames)`` for a codec."""
    sides = samples[None] if samples.ndim == 1 else np.ascontiguousarray(samples.T)
    return torch.from_numpy(sides)[None]


def _as_channels(audio: Tensor, channels: int) -> Tensor:
    if audio.shape[1] == channels:
        return audio
    return audio.mean(dim=1, keepdim=True) if channels == 1 else audio.expand(-1, 2, -1)
