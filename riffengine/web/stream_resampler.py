"""StreamResampler: an endless sound at another rate, with less than a millisecond of delay.

A polyphase filter in the time domain: libraries such as soxr work in blocks, so what they give comes in bursts of 19 ms
from 44.1 to 48 kHz, which a page would have to wait for. Method: windowed sinc, Kaiser window (Oppenheim and Schafer,
Discrete-Time Signal Processing, 7.5).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from riffengine.processes.audio import Block

_TAPS = 64  # of the source: 0.7 ms of delay at 44.1 kHz; flat up to 20 kHz
_BETA = 8.0  # 80 dB


class StreamResampler:
    """Takes pieces ``(frames, channels) float32`` of any length at ``source_rate``; ``rate`` is not lower. One thread.

    Frame ``n`` of the output is the sound at frame ``n * source_rate / rate`` of the source.
    """

    def __init__(self, source_rate: int, rate: int, channels: int) -> None:
        common = math.gcd(source_rate, rate)
        self._up, self._down = rate // common, source_rate // common
        self._filters = _filters(self._up)
        self._kept: Block = np.zeros((_TAPS // 2 - 1, channels), np.float32)
        self._phase = 0  # of the next output frame after the middle of the first window, in 1 / up of a source frame

    def process(self, samples: Block) -> Block:
        """What is known of the output after ``samples``."""
        sound = np.concatenate([self._kept, samples])
        count = max(0, -(-((len(sound) - _TAPS + 1) * self._up - self._phase) // self._down))
        if count == 0:
            self._kept = sound
            return sound[:0]
        whole, phase = np.divmod(self._phase + self._down * np.arange(count), self._up)
        windows = np.lib.stride_tricks.sliding_window_view(sound, _TAPS, axis=0)[whole]  # (count, channels, taps)
        found = np.einsum("nct,nt->nc", windows, self._filters[phase])
        after = self._phase + self._down * count
        self._kept, self._phase = sound[after // self._up :], after % self._up
        return np.asarray(found, np.float32)


def _filters(phases: int) -> NDArray[np.float32]:
    """``(phases, taps)``: the filter for each place between two frames."""
    at = np.arange(_TAPS) - (_TAPS // 2 - 1) - np.arange(phases)[:, None] / phases
    window = np.i0(_BETA * np.sqrt(np.clip(1.0 - (at / (_TAPS / 2)) ** 2, 0.0, 1.0))) / np.i0(_BETA)
    found = np.sinc(at) * window
    return np.asarray(found / found.sum(axis=1, keepdims=True), np.float32)
