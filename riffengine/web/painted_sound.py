"""A painted picture as sound: the spectrogram gives the magnitudes, and phases are found for them. numpy only, pure.

Where the picture is as the loop that it was painted on, that loop's magnitudes and phases stay. The rest begins with
those phases too, or with random ones, and is made consistent by the algorithm of Griffin and Lim (1984), in a circle.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from riffengine.web.loop_picture import LEVEL_POWER, SIZE, band_hz, band_widths, loop_mel, mel_levels

_WINDOW = 2048
_ROUNDS = 24
_TOLERANCE = 6  # of 255: what a canvas or a JPEG changes without anybody painting
_ALONE_RMS = 0.1  # of a picture that was painted on nothing
_CEILING = 0.97

Complex = NDArray[np.complex64]


def painted_sound(
    levels: NDArray[np.uint8], base: NDArray[np.float32] | None, frames: int, sample_rate: int
) -> NDArray[np.float32]:
    """The loop ``(frames,)`` with the picture ``levels`` ``(512, 512)``, painted on the loop ``base`` or on nothing.

    Takes about a second: not on an event loop.
    """
    rng = np.random.default_rng(0)  # the same picture is the same sound
    weights = _weights(sample_rate)
    wanted = ((255.0 - levels[::-1].astype(np.float32)) / 255.0) ** (1.0 / LEVEL_POWER)  # lowest band first
    if base is None or not np.abs(base).max(initial=0.0) > 0.0:
        magnitudes = _per_bin(wanted, weights, sample_rate)
        sound = _consistent(magnitudes, _noise(magnitudes.shape, rng), frames)
        return sound * (_ALONE_RMS / max(1e-9, float(np.sqrt(np.mean(sound**2)))))
    base = np.interp(np.arange(frames) * (len(base) / frames), np.arange(len(base) + 1), np.append(base, base[0]))
    mel = loop_mel(base.astype(np.float32), sample_rate)
    spectrum = _stft(base.astype(np.float32))
    present = np.abs(spectrum)
    largest = float(mel.max())
    scale = float(present.sum() / max(1e-9, _per_bin(mel, weights, sample_rate).sum()))
    painted = np.abs(levels.astype(np.int16) - mel_levels(mel).astype(np.int16))[::-1] > _TOLERANCE
    share = np.minimum(1.0, 4.0 * (weights @ painted.astype(np.float32)).T)  # a thin line fills its bin
    share[:, weights.sum(axis=1) == 0.0] = share[:, [np.flatnonzero(weights.sum(axis=1))[-1]]]  # above the picture
    goal = scale * _per_bin(wanted * largest, weights, sample_rate)
    magnitudes = present * (1.0 - share) + goal * share
    kept = (share == 0.0) | (present > 1e-4 * present.max())
    phases = np.where(kept, spectrum, _noise(spectrum.shape, rng))
    return _consistent(magnitudes, phases, frames)


def _per_bin(mel: NDArray[np.float32], weights: NDArray[np.float32], sample_rate: int) -> NDArray[np.float32]:
    """Magnitudes ``(bands, columns)`` as ``(columns, bins)``: what one bin of each band has, on the mean."""
    found: NDArray[np.float32] = (weights @ (mel / band_widths(sample_rate)[:, None])).T
    return np.ascontiguousarray(found)


def _weights(sample_rate: int) -> NDArray[np.float32]:
    """``(bins, bands)``: which bands lie around each bin; rows add up to 1, or to 0 above the picture.

    Low bands are narrower than a bin, so that one of them lies between two bins; high ones are wider.
    """
    hz, centres = np.fft.rfftfreq(_WINDOW, 1.0 / sample_rate), band_hz()
    width = np.maximum(hz[1], np.gradient(centres))
    near = np.maximum(0.0, 1.0 - np.abs(hz[:, None] - centres[None]) / width[None])
    whole = near.sum(axis=1, keepdims=True)
    weights: NDArray[np.float32] = (near / np.maximum(whole, 1e-9)).astype(np.float32)
    return weights


def _consistent(magnitudes: NDArray[np.float32], phases: Complex, frames: int) -> NDArray[np.float32]:
    """The sound ``(frames,)`` whose columns have ``magnitudes``, as nearly as there is one."""
    spectrum = magnitudes * _unit(phases)
    for _ in range(_ROUNDS):
        spectrum = magnitudes * _unit(_stft(_overlapped(spectrum, frames)))
    sound = _overlapped(spectrum, frames)
    peak = float(np.abs(sound).max(initial=0.0))
    return sound * (_CEILING / peak) if peak > _CEILING else sound


def _starts(frames: int) -> NDArray[np.int64]:
    return np.round(np.arange(SIZE) * frames / SIZE).astype(np.int64)


def _window() -> NDArray[np.float32]:
    return np.hanning(_WINDOW + 1)[:-1].astype(np.float32)


def _stft(sound: NDArray[np.float32]) -> Complex:
    """``(512, bins)`` of the circle ``sound``, a column around each 512th part of it."""
    places = (_starts(len(sound))[:, None] + np.arange(-_WINDOW // 2, _WINDOW // 2)) % len(sound)
    return np.fft.rfft(sound[places] * _window()).astype(np.complex64)


def _overlapped(spectrum: Complex, frames: int) -> NDArray[np.float32]:
    """The circle ``(frames,)`` that is nearest to ``spectrum``."""
    window = _window()
    pieces = np.fft.irfft(spectrum, _WINDOW).astype(np.float32) * window
    sound, weight = np.zeros(frames + _WINDOW, np.float32), np.zeros(frames + _WINDOW, np.float32)
    for start, piece in zip(_starts(frames), pieces, strict=True):
        sound[start : start + _WINDOW] += piece
        weight[start : start + _WINDOW] += window**2
    for whole in (sound, weight):
        whole[:_WINDOW] += whole[frames:]
    return np.roll(sound[:frames] / np.maximum(weight[:frames], 1e-6), -_WINDOW // 2)


def _unit(spectrum: Complex) -> Complex:
    unit: Complex = (spectrum / np.maximum(np.abs(spectrum), 1e-12)).astype(np.complex64)
    return unit


def _noise(shape: tuple[int, ...], rng: np.random.Generator) -> Complex:
    noise: Complex = np.exp(2j * np.pi * rng.random(shape, np.float32)).astype(np.complex64)
    return noise
