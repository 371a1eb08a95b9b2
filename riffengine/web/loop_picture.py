"""The picture of a loop, as Riffusion draws it: 512 x 512, time to the right, low below, dark is loud. No torch.

The loop is taken as a circle, so the last column meets the first. Mel scale: HTK, 0 to 10 kHz in 512 bands; the levels
are those of Riffusion's images, 255 * (1 - (magnitude / largest) ** 0.25).
"""

from __future__ import annotations

import functools
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIZE = 512
LEVEL_POWER = 0.25
_HIGHEST_HZ = 10_000.0
_WINDOW = 8192
_COLUMNS_AT_ONCE = 64  # 4 MB of windows at a time


def loop_picture(mono: NDArray[np.float32], sample_rate: int) -> NDArray[np.uint8]:
    """``(512, 512) uint8`` of the loop ``mono`` ``(frames,)``."""
    return mel_levels(loop_mel(mono, sample_rate))


def loop_mel(mono: NDArray[np.float32], sample_rate: int) -> NDArray[np.float32]:
    """The magnitudes ``(512 bands, 512 columns)``, lowest band first, of the loop ``mono`` ``(frames,)``."""
    bands = _mel_bands(sample_rate)
    window = np.hanning(_WINDOW).astype(np.float32)
    starts = np.round(np.arange(SIZE) * len(mono) / SIZE).astype(np.int64) - _WINDOW // 2
    mel = np.empty((SIZE, SIZE), np.float32)
    for at in range(0, SIZE, _COLUMNS_AT_ONCE):
        places = (starts[at : at + _COLUMNS_AT_ONCE, None] + np.arange(_WINDOW)) % len(mono)
        magnitudes = np.abs(np.fft.rfft(mono[places] * window)).astype(np.float32)
        mel[:, at : at + _COLUMNS_AT_ONCE] = bands @ magnitudes.T
    return mel


def mel_levels(mel: NDArray[np.float32]) -> NDArray[np.uint8]:
    """``mel`` as a picture: highest band first, the largest magnitude is black."""
    largest = float(mel.max())
    levels = (mel / largest) ** LEVEL_POWER if largest > 0.0 else mel
    return np.round(255.0 * (1.0 - levels)).astype(np.uint8)[::-1]


def band_hz() -> NDArray[np.float64]:
    """The centre of each band, lowest first."""
    return _edges()[1:-1]


def band_widths(sample_rate: int) -> NDArray[np.float32]:
    """How many bins each band adds up, weighted."""
    widths: NDArray[np.float32] = _mel_bands(sample_rate).sum(axis=1)
    return widths


def jpeg(picture: NDArray[np.uint8]) -> bytes:
    """``picture`` as a JPEG file."""
    file = io.BytesIO()
    Image.fromarray(picture).convert("RGB").save(file, "JPEG", quality=90)
    return file.getvalue()


@functools.cache
def _mel_bands(sample_rate: int) -> NDArray[np.float32]:
    """``(512, bins)``: triangles between neighbouring mel frequencies."""
    edges = _edges()
    bins = np.fft.rfftfreq(_WINDOW, 1.0 / sample_rate)
    # Low bands are narrower than a bin: none is narrower here than one bin to each side.
    least = float(bins[1])
    rising = (bins[None] - edges[:-2, None]) / np.maximum(np.diff(edges)[:-1, None], least)
    falling = (edges[2:, None] - bins[None]) / np.maximum(np.diff(edges)[1:, None], least)
    return np.maximum(0.0, np.minimum(np.minimum(rising, falling), 1.0)).astype(np.float32)


def _edges() -> NDArray[np.float64]:
    """Where bands begin, peak and end: 514 frequencies at equal distances on the mel scale."""
    highest = 2595.0 * np.log10(1.0 + _HIGHEST_HZ / 700.0)
    edges: NDArray[np.float64] = 700.0 * (10.0 ** (np.linspace(0.0, highest, SIZE + 2) / 2595.0) - 1.0)
    return edges
