"""A MIDI clock sender on simulated time: jitter, lost and doubled ticks, tempo curves."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

SECOND = 1_000_000_000


class Sender:
    """Ticks along a tempo curve. ``beat_at`` is the exact beat, which the follower must find."""

    def __init__(self, bpm: Callable[[float], float], seconds: float, step: float = 0.001) -> None:
        times = np.arange(0.0, seconds + 1.0, step)
        tempo = np.array([bpm(t) for t in times])
        beats = np.concatenate([[0.0], np.cumsum((tempo[1:] + tempo[:-1]) / 2 * step / 60)])
        self._times, self._beats = times, beats
        self.ticks = np.interp(np.arange(int(np.interp(seconds, times, beats) * 24)) / 24, beats, times)

    @classmethod
    def steady(cls, bpm: float, seconds: float) -> Sender:
        sender = cls.__new__(cls)
        sender._times = np.array([0.0, seconds + 1.0])
        sender._beats = sender._times * bpm / 60
        sender.ticks = np.arange(int(seconds * bpm / 60 * 24)) * 60 / bpm / 24
        return sender

    def beat_at(self, host_ns: float) -> float:
        return float(np.interp(host_ns / SECOND, self._times, self._beats))

    def arrivals(self, jitter: float, seed: int = 1) -> Iterator[tuple[int, int]]:
        """``(tick, host_ns)`` in order of arrival."""
        noisy = self.ticks + jitter * np.random.default_rng(seed).standard_normal(len(self.ticks))
        noisy = np.maximum.accumulate(noisy) + 1.0  # ticks arrive in order; the first is 1 s after zero
        return ((tick, round(at * SECOND)) for tick, at in enumerate(noisy))

    def error_seconds(self, beat: float, bpm: float, host_ns: float) -> float:
        return (beat - self.beat_at(host_ns - SECOND)) * 60 / bpm
