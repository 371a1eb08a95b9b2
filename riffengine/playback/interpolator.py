"""Interpolator: samples between samples, by a windowed sinc of 32 taps in a fixed order of summation.

Source: J. O. Smith, "Digital Audio Resampling" (windowed-sinc interpolation with a table of phases).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from riffengine.processes.audio import Samples

TAPS = 32
_BEFORE = TAPS // 2 - 1  # taps before the sample at or left of the position
_PHASES = 1024  # with straight lines between phases the coefficients err by 4e-7 (−128 dB)
_BETA = 8.0  # Kaiser: 80 dB of stop band, flat to 0.85 of Nyquist (18.7 kHz at 44.1 kHz)

Taps = NDArray[np.float32]
"""``(TAPS, frames) float32``."""


@dataclass(frozen=True)
class Span:
    """What a loop reads for a run of ``frames`` frames.

    ``first`` is the first sample, in ``[0, loop.frames)``; ``reach`` is the offset of the last one. ``taps`` is
    ``None`` when positions are whole samples. ``steps`` are the offsets of all frames, ``None`` for 0, 1, 2 …
    """

    first: int
    frames: int
    reach: int
    taps: Taps | None
    steps: NDArray[np.int64] | None


def _kaiser_sinc() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """``(TAPS, phases)`` coefficients and their differences to the next phase; each phase sums to 1."""
    phases = np.arange(_PHASES + 1) / _PHASES
    distance = np.arange(TAPS)[:, None] - _BEFORE - phases[None, :]
    inside = np.maximum(1.0 - (distance / (TAPS / 2)) ** 2, 0.0)
    table = np.sinc(distance) * np.i0(_BETA * np.sqrt(inside)) / np.i0(_BETA)
    table /= table.sum(axis=0)
    return np.ascontiguousarray(table[:, :-1]), np.ascontiguousarray(np.diff(table, axis=1))


_TABLE, _SLOPE = _kaiser_sinc()


def taps_at(fractions: NDArray[np.float64]) -> Taps:
    """Coefficients ``(TAPS, frames)`` for positions ``fractions`` (0 ≤ f < 1) right of a sample."""
    scaled = fractions * _PHASES
    index = np.minimum(scaled.astype(np.int64), _PHASES - 1)
    between = scaled - index
    taps = _TABLE.take(index, axis=1)
    taps += _SLOPE.take(index, axis=1) * between
    return taps.astype(np.float32)


class Interpolator:
    """Reads loops between their samples. It owns its buffers, so one thread only."""

    def __init__(self) -> None:
        self._window = np.zeros(0, dtype=np.float32)
        self._scaled = np.zeros(0, dtype=np.float32)
        self._products = np.zeros(0, dtype=np.float32)

    def read(self, samples: Samples, span: Span) -> Samples:
        """Every stem of the loop ``samples``, ``(stems, frames, channels)``; the next call overwrites the result."""
        stems, _, channels = samples.shape
        window = self._empty_window(stems, span.reach + TAPS, channels)
        for done, piece in _pieces(samples, span):
            window[:, done : done + piece.shape[1]] = piece
        return self._apply_taps(window, span)

    def read_mixed(self, samples: Samples, span: Span, gains: Sequence[float]) -> Samples:
        """The stems summed by ``gains``, ``(1, frames, channels)``: mixed first, so one filter pass is enough."""
        stems, _, channels = samples.shape
        window = self._empty_window(1, span.reach + TAPS, channels)
        if window.size > self._scaled.size:
            self._scaled = np.zeros(2 * window.size, dtype=np.float32)
        window[:] = 0.0
        for done, piece in _pieces(samples, span):
            run = piece.shape[1]
            scaled = self._scaled[: run * channels].reshape(run, channels)
            for stem in range(stems):
                np.multiply(piece[stem], gains[stem], out=scaled)
                np.add(window[0, done : done + run], scaled, out=window[0, done : done + run])
        return self._apply_taps(window, span)

    def _empty_window(self, stems: int, width: int, channels: int) -> Samples:
        size = stems * width * channels
        if size > self._window.size:
            self._window = np.zeros(2 * size, dtype=np.float32)
        return self._window[:size].reshape(stems, width, channels)

    def _apply_taps(self, window: Samples, span: Span) -> Samples:
        assert span.taps is not None
        stems, width, channels = window.shape
        item = window.itemsize
        spread: Samples = np.ndarray(
            (stems, TAPS, span.reach + 1, channels),
            np.float32,
            buffer=self._window,
            strides=(width * channels * item, channels * item, channels * item, item),
        )
        if span.steps is not None:
            spread = spread.take(span.steps, axis=2)
        size = stems * TAPS * span.frames * channels
        if size > self._products.size:
            self._products = np.zeros(2 * size, dtype=np.float32)
        products = self._products[:size].reshape(stems, TAPS, span.frames, channels)
        np.multiply(spread, span.taps[:, :, None], out=products)
        half = TAPS // 2
        while half:  # a tree of plain additions: the order never depends on the number of frames
            np.add(products[:, :half], products[:, half : 2 * half], out=products[:, :half])
            half //= 2
        return products[:, 0]


def _pieces(samples: Samples, span: Span) -> Iterator[tuple[int, Samples]]:
    """The samples that a span and its taps read, with their offsets, in pieces that do not cross the loop's end."""
    length = samples.shape[1]
    start, width, done = (span.first - _BEFORE) % length, span.reach + TAPS, 0
    while done < width:
        run = min(width - done, length - start)
        yield done, samples[:, start : start + run]
        done, start = done + run, 0
