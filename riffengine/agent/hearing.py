"""What an agent hears of the last bars: figures of the sound, and a picture of its spectrum. numpy only.

Keys are found by the profiles of Krumhansl and Kessler (1982) and the correlation of Krumhansl and Schmuckler (1990).
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from riffengine.renderer.loudness import loop_loudness

TONICS = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
_MAJOR = (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88)
_MINOR = (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17)
_WINDOW = 4096
_HOP = 1024
_CHROMA_HZ = (65.0, 2100.0)
_BANDS_HZ = {"low": (20.0, 150.0), "middle": (150.0, 2500.0), "high": (2500.0, 20000.0)}
_PICTURE_WIDTH, _PICTURE_HEIGHT = 512, 160
_PICTURE_HZ = (40.0, 16000.0)
_FLOOR_DB = -70.0
_SILENT = 1e-5
_LEAST_RISE = 0.05  # of an onset: half a decibel over all bands; tones that beat rise less
SILENCE_DB = -120.0
"""The level of what cannot be heard; JSON knows no infinity."""

Samples = NDArray[np.float32]
Spectrum = NDArray[np.floating]


@dataclass(frozen=True)
class Heard:
    """Figures of some bars. Levels in dB; ``low_db``, ``middle_db`` and ``high_db`` are shares of the whole energy.

    ``brightness_hz`` is the mean spectral centroid, ``onsets_per_bar`` what begins in a bar, ``key`` the likeliest key
    and ``key_certainty`` its correlation, 0 to 1; ``side_db`` is the side against the mid, 0 dB is very wide.
    """

    bars: int
    bpm: float
    loudness_lufs: float
    peak_db: float
    brightness_hz: float
    onsets_per_bar: float
    key: str
    key_certainty: float
    low_db: float
    middle_db: float
    high_db: float
    side_db: float


def hear(samples: Samples, sample_rate: int, bars: int, bpm: float) -> Heard:
    """What is heard in ``samples`` ``(frames, channels)``, which are ``bars`` bars at ``bpm``."""
    mono = samples.mean(axis=1)
    if np.abs(samples).max(initial=0.0) < _SILENT:
        return Heard(
            bars, bpm, SILENCE_DB, SILENCE_DB, 0.0, 0.0, "", 0.0, SILENCE_DB, SILENCE_DB, SILENCE_DB, SILENCE_DB
        )
    power = np.mean([_spectra(channel) ** 2 for channel in samples.T], axis=0)
    hz = np.fft.rfftfreq(_WINDOW, 1 / sample_rate)
    key, certainty = likeliest_key(power, hz)
    total = power.sum()
    shares = {name: _db(power[:, (hz >= low) & (hz < high)].sum() / total) for name, (low, high) in _BANDS_HZ.items()}
    centroids = (power @ hz) / np.maximum(power.sum(axis=1), 1e-20)
    loud = power.sum(axis=1) > 1e-4 * power.sum(axis=1).max()
    side = 0.5 * (samples[:, 0] - samples[:, -1])
    return Heard(
        bars=bars,
        bpm=bpm,
        loudness_lufs=max(SILENCE_DB, round(loop_loudness(samples, sample_rate), 1)),
        peak_db=round(_db(float(np.abs(samples).max()) ** 2), 1),
        brightness_hz=round(float(centroids[loud].mean())),
        onsets_per_bar=round(onsets(power) / bars, 1),
        key=key,
        key_certainty=round(certainty, 2),
        low_db=shares["low"],
        middle_db=shares["middle"],
        high_db=shares["high"],
        side_db=_db(float(np.square(side).mean() / max(np.square(mono).mean(), 1e-20))),
    )


def onsets(power: Spectrum) -> int:
    """How many onsets there are in power spectra ``(frames, bins)``: peaks of the rise over all bands."""
    levels = np.log10(power + 1e-6 * power.max())
    rises = np.maximum(np.diff(levels, axis=0), 0.0).mean(axis=1)
    if len(rises) < 3 or rises.max() <= 0.0:
        return 0
    peaks = (rises[1:-1] > rises[:-2]) & (rises[1:-1] >= rises[2:])
    least = max(_LEAST_RISE, 2.0 * float(np.median(rises)), 0.15 * float(rises.max()))
    return int((peaks & (rises[1:-1] > least)).sum())


def likeliest_key(power: Spectrum, hz: Spectrum) -> tuple[str, float]:
    """The key whose profile is nearest to the pitch classes, such as "A minor", and the correlation."""
    used = (hz >= _CHROMA_HZ[0]) & (hz <= _CHROMA_HZ[1])
    classes = np.round(12 * np.log2(hz[used] / 440.0) + 9).astype(int) % 12
    chroma = np.bincount(classes, np.sqrt(power[:, used]).sum(axis=0), minlength=12)
    if not chroma.any() or np.ptp(chroma) == 0:
        return "", 0.0
    found = [
        (float(np.corrcoef(np.roll(profile, tonic), chroma)[0, 1]), f"{TONICS[tonic]} {mode}")
        for tonic in range(12)
        for mode, profile in (("major", _MAJOR), ("minor", _MINOR))
    ]
    certainty, key = max(found)
    return key, max(0.0, certainty)


def picture(samples: Samples, sample_rate: int) -> bytes:
    """The spectrum of ``samples`` as a PNG: time to the right, 40 Hz to 16 kHz upwards, 70 dB from black to white."""
    power = _spectra(samples.mean(axis=1)) ** 2
    rows = np.geomspace(_PICTURE_HZ[1], _PICTURE_HZ[0], _PICTURE_HEIGHT)
    columns = np.linspace(0, len(power) - 1, _PICTURE_WIDTH)
    levels = 10.0 * np.log10(power + 1e-12)
    bins = np.clip(rows * _WINDOW / sample_rate, 0, power.shape[1] - 2)
    low = bins.astype(int)
    image = levels[np.round(columns).astype(int)]
    image = image[:, low] * (1 - (bins - low)) + image[:, low + 1] * (bins - low)
    shade = np.clip((image.T - image.max() - _FLOOR_DB) / -_FLOOR_DB, 0.0, 1.0)
    file = io.BytesIO()
    Image.fromarray((255 * shade).astype(np.uint8), "L").save(file, "PNG", optimize=True)
    return file.getvalue()


def _spectra(mono: NDArray[np.floating]) -> Spectrum:
    """Magnitudes ``(frames, bins)`` of overlapping windows; a shorter sound is padded with silence."""
    padded = np.pad(np.asarray(mono, np.float64), (0, max(0, _WINDOW - len(mono))))
    windows = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::_HOP]
    return np.abs(np.fft.rfft(windows * np.hanning(_WINDOW))) / (_WINDOW / 4)


def _db(power: float) -> float:
    return round(10.0 * math.log10(max(float(power), 1e-12)), 1)
