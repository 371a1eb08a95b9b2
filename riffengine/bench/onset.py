"""Finds the onset of a change: the frame where captured sound starts to differ from the repeating loop. Pure.

A deck whose bank does not change plays the same samples in every loop, so every gesture shows as a difference from
the loop before. No assumption about the music is needed, and without a gesture the difference is zero.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

WINDOW_FRAMES = 48
"""1 ms at 48 kHz. The onset is the end of the first window that shows the change, so it is never too early."""

LEAST_RATIO = 0.12
"""Difference divided by level, both RMS: 1 dB, about the smallest audible step in level."""

_QUIET = 0.1  # of the loop's RMS: the least level that differences are compared with, for pauses between notes
_ALIGN_FRAMES = 8192

Sound = NDArray[np.float32]


class BlockTimes:
    """Times of captured frames: ``begins`` and ``out_ns`` are the first frame of every block and its output time.

    Lost blocks make a gap in time, but none in frames.
    """

    def __init__(self, begins: NDArray[np.int64], out_ns: NDArray[np.int64], sample_rate: int) -> None:
        self._begins, self._out_ns, self._rate = begins, out_ns, sample_rate

    def ns_of(self, frame: int) -> int:
        """The clock time in nanoseconds at which ``frame`` is heard."""
        block = max(0, int(np.searchsorted(self._begins, frame, "right")) - 1)
        return int(self._out_ns[block]) + (frame - int(self._begins[block])) * 1_000_000_000 // self._rate

    def unbroken(self, begin: int, frames: int, end: int) -> int:
        """The first frame from ``begin`` on where ``frames`` frames without a lost block lie before ``end``.

        ``begin`` itself where there are none.
        """
        took = np.diff(self._out_ns) * self._rate
        lost = np.flatnonzero(took > 1_500_000_000 * np.diff(self._begins)) + 1  # blocks that came too late
        breaks = self._begins[lost]
        for start in (begin, *(int(frame) for frame in breaks if frame > begin)):
            if start + frames > end:
                break
            if not np.any((breaks > start) & (breaks < start + frames)):
                return start
        return begin

    def frame_at(self, ns: int) -> int:
        """The frame that is heard at ``ns``; negative before the capture started."""
        block = max(0, int(np.searchsorted(self._out_ns, ns, "right")) - 1)
        return int(self._begins[block]) + (ns - int(self._out_ns[block])) * self._rate // 1_000_000_000


@dataclass(frozen=True)
class GestureFrames:
    """One gesture in frames of the capture: sent at ``sent`` and kept until ``until``.

    The loop before it is ``[reference, reference + loop_frames)``; ``[quiet, sent)`` is the paired no-change run.
    """

    reference: int
    quiet: int
    sent: int
    until: int


def difference_ratios(heard: Sound, loop: Sound, begin: int, end: int, phase: int) -> NDArray[np.float64]:
    """For each frame of ``[begin, end)``, how much the millisecond that ends there differs from ``loop``.

    ``heard`` and ``loop`` are ``(frames, channels)``; ``phase`` is the position in ``loop`` of frame 0 of ``heard``.
    """
    first = max(0, begin - WINDOW_FRAMES + 1)
    positions = (np.arange(first, end) + phase) % len(loop)
    expected = loop[positions].astype(np.float64)
    difference = ((heard[first:end] - expected) ** 2).sum(axis=1)
    level = (expected**2).sum(axis=1)
    floor = _QUIET**2 * float((loop.astype(np.float64) ** 2).sum(axis=1).mean()) * WINDOW_FRAMES
    sums = [np.convolve(power, np.ones(WINDOW_FRAMES))[: len(power)] for power in (difference, level)]
    ratios: NDArray[np.float64] = np.sqrt(sums[0] / np.maximum(np.maximum(sums[1], floor), 1e-12))
    return ratios[begin - first :]


def loop_phase(heard: Sound, loop: Sound, end: int, guess: int) -> int:
    """The position in ``loop`` of frame 0 of ``heard``, from the sound before ``end``; lost blocks shift it.

    ``guess`` is returned when it fits; otherwise cross-correlation finds the position, exact to a frame.
    """
    begin = max(0, end - _ALIGN_FRAMES)
    if float(difference_ratios(heard, loop, begin, end, guess).mean()) < LEAST_RATIO / 4:
        return guess
    part = np.zeros(len(loop))
    part[: end - begin] = heard[begin:end].sum(axis=1)
    spectrum = np.fft.rfft(loop.sum(axis=1)) * np.conj(np.fft.rfft(part))
    return int(np.argmax(np.fft.irfft(spectrum, len(loop)))) - begin


def find_onsets(heard: Sound, gestures: list[GestureFrames], loop_frames: int) -> tuple[list[int | None], float]:
    """The onset frame of each gesture, and the threshold: 1 dB, or twice the difference in no-change runs if larger.

    ``None`` is a miss: no change before ``until``, or a disturbance (lost blocks) in the no-change run.
    """
    loops, phases, quiet = [], [], []
    for gesture in gestures:
        loop = heard[gesture.reference : gesture.reference + loop_frames]
        phase = loop_phase(heard, loop, gesture.quiet, -gesture.reference)
        loops.append(loop)
        phases.append(phase)
        quiet.append(float(difference_ratios(heard, loop, gesture.quiet, gesture.sent, phase).max()))
    calm_runs = sorted(quiet)[: max(1, len(quiet) - len(quiet) // 10)]
    threshold = max(LEAST_RATIO, 2.0 * calm_runs[-1])
    onsets: list[int | None] = []
    for gesture, loop, phase, noise in zip(gestures, loops, phases, quiet, strict=True):
        ratios = difference_ratios(heard, loop, gesture.sent, min(gesture.until, len(heard)), phase)
        over = np.flatnonzero(ratios > threshold)
        onsets.append(gesture.sent + int(over[0]) if noise <= threshold and len(over) else None)
    return onsets, threshold
