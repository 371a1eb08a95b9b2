"""ClockOut: our beat as MIDI clock, 24 ticks a beat, with Start, Stop, Continue and Song Position.

Pure: it is given the beat and returns the messages that are due. Ticks continue whether or not receivers are to play,
so that they know the tempo before they start. Source: MIDI 1.0 Detailed Specification, System Real Time Messages.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from riffengine.transport.beat_grid import BEATS_PER_BAR
from riffengine.transport.sync.midi_clock import (
    CLOCK,
    CONTINUE,
    SONG_POSITION,
    START,
    STOP,
    TICKS_PER_BEAT,
    TICKS_PER_SONG_POSITION,
)

_BAR_TICKS = BEATS_PER_BAR * TICKS_PER_BEAT
_SONG_POSITIONS = 1 << 14  # a song position has 14 bits; after 1024 bars it starts again, in phase
_BURST_TICKS = 24  # after a longer delay ticks are not caught up: receivers are repositioned


@dataclass(frozen=True)
class BeatLine:
    """The beat as a straight line from ``host_ns`` on, until ``then`` replaces it at its own ``host_ns``.

    ``playing``: whether receivers are to play. ``epoch`` grows whenever the beat jumps.
    """

    host_ns: int
    beat: float
    bpm: float
    playing: bool = True
    epoch: int = 0
    then: BeatLine | None = None

    def line_at(self, host_ns: float) -> BeatLine:
        """The line that is valid at ``host_ns``."""
        return self.then.line_at(host_ns) if self.then is not None and host_ns >= self.then.host_ns else self

    def beat_at(self, host_ns: float) -> float:
        """The beat that is heard at ``host_ns``."""
        line = self.line_at(host_ns)
        return line.beat + (host_ns - line.host_ns) * line.bpm / 60e9

    def ns_of(self, beat: float) -> float:
        """When this line, if it did not end, reaches ``beat``."""
        return self.host_ns + (beat - self.beat) * 60e9 / self.bpm


class ClockOut:
    """Decides what must be sent, and when. One thread.

    Receivers start on a boundary of ``loop_beats``, which is the start of their song from then on; after a jump of the
    beat they are stopped and continue at the next bar, with its song position.
    """

    def __init__(self, loop_beats: int = 8) -> None:
        self.ticks = 0  # sent so far
        self.jumps = 0  # of the beat, or because the sender was delayed for too long
        self._start_ticks = loop_beats * TICKS_PER_BEAT
        self._line: BeatLine | None = None
        self._tick = 0  # the last tick sent, counted from beat 0
        self._origin: int | None = None  # the tick on which the receivers' song began
        self._start_tick: int | None = None  # the tick on which they are to play
        self._playing = False

    def take(self, line: BeatLine, now_ns: int) -> list[bytes]:
        """Follow ``line`` from ``now_ns`` on; returns what must be sent at once: a Stop or nothing."""
        before, self._line = self._line, line
        if before is None or before.line_at(now_ns).epoch != line.line_at(now_ns).epoch:
            return self._reposition(now_ns)
        if not line.playing:
            return self.stop()
        if not self._playing and self._start_tick is None:
            self._choose_start()
        return []

    def due(self, now_ns: int) -> list[bytes]:
        """The messages due by ``now_ns``, in order."""
        messages: list[bytes] = []
        while self._line is not None and self._line.then is not None and now_ns >= self._line.then.host_ns:
            before, after = self._line, self._line.then
            messages += self._ticks_until(before, after.host_ns - 1)
            self._line = after
            if after.epoch != before.epoch:
                messages += self._reposition(after.host_ns)
        if self._line is not None:
            messages += self._ticks_until(self._line, now_ns)
        return messages

    def next_ns(self) -> float:
        """When the next message is due; infinity before there is a line."""
        if self._line is None:
            return math.inf
        turn_ns = math.inf if self._line.then is None else self._line.then.host_ns
        return min(turn_ns, self._line.ns_of((self._tick + 1) / TICKS_PER_BEAT))

    def stop(self) -> list[bytes]:
        """Stop the receivers."""
        self._start_tick = None
        if not self._playing:
            return []
        self._playing = False
        return [bytes((STOP,))]

    def _ticks_until(self, line: BeatLine, until_ns: int) -> list[bytes]:
        """Every tick of ``line`` until ``until_ns``."""
        messages: list[bytes] = []
        if (line.beat + (until_ns - line.host_ns) * line.bpm / 60e9) * TICKS_PER_BEAT - self._tick > _BURST_TICKS:
            messages += self._reposition(until_ns)
        while line.ns_of((self._tick + 1) / TICKS_PER_BEAT) <= until_ns:
            self._tick += 1
            self.ticks += 1
            messages.append(bytes((CLOCK,)))
            if self._start_tick == self._tick + 1:
                messages += self._start_messages()
        return messages

    def _reposition(self, now_ns: int) -> list[bytes]:
        """Count ticks from the beat at ``now_ns``, after it has jumped."""
        assert self._line is not None
        self.jumps += self.ticks > 0
        self._tick = math.floor(self._line.beat_at(now_ns) * TICKS_PER_BEAT)
        messages = self.stop()
        if self._line.playing:
            self._choose_start()
        return messages

    def _choose_start(self) -> None:
        """Choose the tick on which receivers start: far enough ahead that the message before it can still be sent."""
        every = self._start_ticks if self._origin is None else _BAR_TICKS
        self._start_tick = math.ceil((self._tick + 2) / every) * every

    def _start_messages(self) -> list[bytes]:
        """The message that starts receivers on the next tick."""
        assert self._start_tick is not None
        start, self._start_tick, self._playing = self._start_tick, None, True
        if self._origin is None:
            self._origin = start
            return [bytes((START,))]
        position = (start - self._origin) // TICKS_PER_SONG_POSITION % _SONG_POSITIONS
        return [bytes((SONG_POSITION, position & 0x7F, position >> 7)), bytes((CONTINUE,))]
