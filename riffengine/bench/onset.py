"""Onset: the frame on which captured sound begins to differ from the loop that would have gone on. Pure.

A deck whose bank rests plays the very same samples in every loop, so any gesture shows as a difference from the
loop before: no guess about the music is needed, and in no-change runs the difference is zero.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

WINDOW_FRAMES = 48
"""1 ms at 48 kHz. A change counts from the end of the window that shows it: never earlier than it was there."""

LEAST_RATIO = 0.12
"""Difference over level, both RMS: 1 dB, about the least step in level that an ear notices."""

_QUIET = 0.1  # of the loop's RMS: between two notes a difference is measured against this
_ALIGN_FRAMES = 8192

Sound = NDArray[np.float32]


class BlockTimes:
    """When each captured frame leaves the device: ``begins`` and ``out_ns`` hold a frame and its time for every block.

    Lost blocks make a gap in time and none in frames.
    """

    def __init__(self, begins: NDArray[np.int64], out_ns: NDArray[np.int64], sample_rate: int) -> None:
        self._begins, self._out_ns, self._rate = begins, out_ns, sample_rate

    def ns_of(self, frame: int) -> int:
        """Nanoseconds of the clock at which ``frame`` is heard."""
        block = max(0, int(np.searchsorted(self._begins, frame, "right")) - 1)
        return int(self._out_ns[block]) + (frame - int(self._begins[block])) * 1_000_000_000 // self._rate

    def frame_at(self, ns: int) -> int:
        """The frame that is heard at ``ns``; negative before the capture began."""
        block = max(0, int(np.searchsorted(self._out_ns, ns, "right")) - 1)
        return int(self._begins[block]) + (ns - int(self._out_ns[block])) * self._rate // 1_000_000_000


@dataclass(frozen=True)
class Trial:
    """One gesture in frames of the capture: when it was sent, until when its effect was left alone.

    The loop before it lies in ``[reference, reference + loop_frames)``; ``[quiet, sent)`` is the paired no-change run.
    """

    reference: int
    quiet: int
    sent: int
    until: int


def difference_ratios(heard: Sound, loop: Sound, begin: int, end: int, phase: int) -> NDArray[np.float64]:
    """For each frame of ``[begin, end)`` how much the millisecond that ends there differs from ``loop``.

    ``heard`` and ``loop`` are ``(frames, channels)``; ``phase`` is the place in ``loop`` of frame 0 of ``heard``.
    """
    first = max(0, begin - WINDOW_FRAMES + 1)
    places = (np.arange(first, end) + phase) % len(loop)
    expected = loop[places].astype(np.float64)
    apart = ((heard[first:end] - expected) ** 2).sum(axis=1)
    level = (expected**2).sum(axis=1)
    floor = _QUIET**2 * float((loop.astype(np.float64) ** 2).sum(axis=1).mean()) * WINDOW_FRAMES
    sums = [np.convolve(power, np.ones(WINDOW_FRAMES))[: len(power)] for power in (apart, level)]
    ratios: NDArray[np.float64] = np.sqrt(sums[0] / np.maximum(np.maximum(sums[1], floor), 1e-12))
    return ratios[begin - first :]


def phase_of(heard: Sound, loop: Sound, end: int, guess: int) -> int:
    """The place in ``loop`` of frame 0 of ``heard``, by the sound before ``end``; lost blocks move it.

    ``guess`` is kept when it fits; otherwise cross-correlation finds the place, to the frame.
    """
    begin = max(0, end - _ALIGN_FRAMES)
    if float(difference_ratios(heard, loop, begin, end, guess).mean()) < LEAST_RATIO / 4:
        return guess
    part = np.zeros(len(loop))
    part[: end - begin] = heard[begin:end].sum(axis=1)
    spectrum = np.fft.rfft(loop.sum(axis=1)) * np.conj(np.fft.rfft(part))
    return int(np.argmax(np.fft.irfft(spectrum, len(loop)))) - begin


def find_onsets(heard: Sound, trials: list[Trial], loop_frames: int) -> tuple[list[int | None], float]:
    """The frame of each trial's change and the threshold: 1 dB, or twice what no-change runs show if that is more.

    ``None`` is a miss: no change before ``until``, or a disturbance (lost blocks) in the trial's own no-change run.
    """
    loops, phases, quiet = [], [], []
    for trial in trials:
        loop = heard[trial.reference : trial.reference + loop_frames]
        phase = phase_of(heard, loop, trial.quiet, -trial.reference)
        loops.append(loop)
        phases.append(phase)
        quiet.append(float(difference_ratios(heard, loop, trial.quiet, trial.sent, phase).max()))
    calm = sorted(quiet)[: max(1, len(quiet) - len(quiet) // 10)]
    threshold = max(LEAST_RATIO, 2.0 * calm[-1])
    onsets: list[int | None] = []
    for trial, loop, phase, noise in zip(trials, loops, phases, quiet, strict=True):
        ratios = difference_ratios(heard, loop, trial.sent, min(trial.until, len(heard)), phase)
        over = np.flatnonzero(ratios > threshold)
        onsets.append(trial.sent + int(over[0]) if noise <= threshold and len(over) else None)
    return onsets, threshold
