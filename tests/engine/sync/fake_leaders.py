"""Leaders on simulated time: a MIDI clock, and a Link session with peers."""

from __future__ import annotations

from collections.abc import Iterable

from riffengine.clock import VirtualClock
from riffengine.transport.sync.midi_clock import MidiClock
from riffengine.transport.sync.source import BeatPosition


class FakeMidiClock:
    """Messages that arrive at their time and are read when the beat is asked for, as ``MidiClockInput`` does."""

    name, problem = "MIDI clock", ""

    def __init__(self, clock: VirtualClock, messages: Iterable[tuple[int, tuple[int, ...]]]) -> None:
        self.core = MidiClock()
        self._clock = clock
        self._messages = iter(messages)
        self._next = next(self._messages, None)
        self.closed = False

    def position(self, host_ns: int) -> BeatPosition | None:
        while self._next is not None and self._next[0] <= self._clock.now_ns():
            self.core.take(self._next[1], self._next[0])
            self._next = next(self._messages, None)
        return self.core.position(host_ns)

    def align(self, beat: float, host_ns: int) -> None:
        pass

    def propose(self, bpm: float) -> bool:
        return False

    def close(self) -> None:
        self._next, self.closed = None, True


class FakeLinkSession:
    """A Link session: all peers share tempo and bar, and follow a tempo that one of them proposes.

    ``alone``: there are no peers yet, so the session adopts the beat of the first one.
    """

    name, problem = "Link session", ""

    def __init__(self, clock: VirtualClock, bpm: float, beat: float = 0.0, alone: bool = False) -> None:
        self._clock, self._alone = clock, alone
        self.bpm, self._beat, self._at = bpm, beat, clock.now_ns()
        self.playing, self.left = True, False

    def align(self, beat: float, host_ns: int) -> None:
        if self._alone:
            self._beat, self._at = beat, host_ns

    def propose(self, bpm: float) -> bool:
        now = self._clock.now_ns()
        self._beat, self._at, self.bpm = self.beat_at(now), now, bpm
        return True

    def beat_at(self, host_ns: float) -> float:
        return self._beat + (host_ns - self._at) * self.bpm / 60e9

    def position(self, host_ns: int) -> BeatPosition | None:
        return BeatPosition(self.beat_at(host_ns), self.bpm, self.playing, phase_beats=4.0)

    def close(self) -> None:
        self.left = True
