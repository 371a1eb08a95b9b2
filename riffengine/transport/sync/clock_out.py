"""ClockOut: our beat as MIDI clock, 24 ticks a beat, with Start, Stop, Continue and Song Position.

Pure: it is told where the beat is and asked what is due. Ticks go on whether or not the receivers are to play, so that
they know the tempo before they start. Source: MIDI 1.0 Detailed Specification, System Real Time Messages.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from riffengine.transport.sync.midi_clock import (
    CLOCK,
    CONTINUE,
    SONG_POSITION,
    START,
    STOP,
    TICKS_PER_BEAT,
    TICKS_PER_SONG_POSITION,
)

_BAR_TICKS = 4 * TICKS_PER_BEAT
_SONG_POSITIONS = 1 << 14  # a song position is 14 bits wide; after 1024 bars it begins anew, in phase
_BURST_TICKS = 24  # later than this much there is no catching up: receivers are seated anew


@dataclass(frozen=True)
class Course:
    """The beat as a straight line from ``host_ns`` on, until ``then`` takes over at its own ``host_ns``.

    ``playing``: whether receivers are to play. ``epoch`` grows whenever the beat does not go on where it was.
    """

    host_ns: int
    beat: float
    bpm: float
    playing: bool = True
    epoch: int = 0
    then: Course | None = None

    def ruling(self, host_ns: float) -> Course:
        """The line that holds at ``host_ns``."""
        return self.then.ruling(host_ns) if self.then is not None and host_ns >= self.then.host_ns else self

    def beat_at(self, host_ns: float) -> float:
        """The beat that is heard at ``host_ns``."""
        line = self.ruling(host_ns)
        return line.beat + (host_ns - line.host_ns) * line.bpm / 60e9

    def ns_of(self, beat: float) -> float:
        """When this line, if it went on for ever, comes to ``beat``."""
        return self.host_ns + (beat - self.beat) * 60e9 / self.bpm


class ClockOut:
    """What must be sent, and when. One thread.

    Receivers start on a boundary of ``loop_beats``, which is their song's beginning from then on; after a jump of the
    beat they are stopped and go on at the next bar, told where in the song it is.
    """

    def __init__(self, loop_beats: int = 8) -> None:
        self.ticks = 0  # sent so far
        self.jumps = 0  # of the beat, or of a sender that was held up for too long
        self._start_ticks = loop_beats * TICKS_PER_BEAT
        self._course: Course | None = None
        self._tick = 0  # the last tick sent, counted from beat 0
        self._origin: int | None = None  # the tick on which the receivers' song began
        self._join: int | None = None  # the tick on which they are to play
        self._playing = False

    def take(self, course: Course, now_ns: int) -> list[bytes]:
        """A new course holds from ``now_ns`` on; returns what must be sent at once, which is a Stop or nothing."""
        before, self._course = self._course, course
        if before is None or before.ruling(now_ns).epoch != course.ruling(now_ns).epoch:
            return self._seat(now_ns)
        if not course.playing:
            return self.stop()
        if not self._playing and self._join is None:
            self._plan()
        return []

    def due(self, now_ns: int) -> list[bytes]:
        """What must have been sent by ``now_ns``, in order."""
        messages: list[bytes] = []
        while self._course is not None and self._course.then is not None and now_ns >= self._course.then.host_ns:
            before, after = self._course, self._course.then
            messages += self._run_on(before, after.host_ns - 1)
            self._course = after
            if after.epoch != before.epoch:
                messages += self._seat(after.host_ns)
        if self._course is not None:
            messages += self._run_on(self._course, now_ns)
        return messages

    def next_ns(self) -> float:
        """When there is something to do; infinity before there is a course."""
        if self._course is None:
            return math.inf
        turn_ns = math.inf if self._course.then is None else self._course.then.host_ns
        return min(turn_ns, self._course.ns_of((self._tick + 1) / TICKS_PER_BEAT))

    def stop(self) -> list[bytes]:
        """Receivers are not to play any more."""
        self._join = None
        if not self._playing:
            return []
        self._playing = False
        return [bytes((STOP,))]

    def _run_on(self, line: Course, until_ns: int) -> list[bytes]:
        """Every tick that ``line`` has until then."""
        messages: list[bytes] = []
        if (line.beat + (until_ns - line.host_ns) * line.bpm / 60e9) * TICKS_PER_BEAT - self._tick > _BURST_TICKS:
            messages += self._seat(until_ns)
        while line.ns_of((self._tick + 1) / TICKS_PER_BEAT) <= until_ns:
            self._tick += 1
            self.ticks += 1
            messages.append(bytes((CLOCK,)))
            if self._join == self._tick + 1:
                messages += self._go()
        return messages

    def _seat(self, now_ns: int) -> list[bytes]:
        """The beat stands somewhere else."""
        assert self._course is not None
        self.jumps += self.ticks > 0
        self._tick = math.floor(self._course.beat_at(now_ns) * TICKS_PER_BEAT)
        messages = self.stop()
        if self._course.playing:
            self._plan()
        return messages

    def _plan(self) -> None:
        """Choose the tick on which receivers play: far enough ahead that the message before it can still be sent."""
        every = self._start_ticks if self._origin is None else _BAR_TICKS
        self._join = math.ceil((self._tick + 2) / every) * every

    def _go(self) -> list[bytes]:
        """Sent after the tick before the one that it speaks of."""
        assert self._join is not None
        join, self._join, self._playing = self._join, None, True
        if self._origin is None:
            self._origin = join
            return [bytes((START,))]
        position = (join - self._origin) // TICKS_PER_SONG_POSITION % _SONG_POSITIONS
        return [bytes((SONG_POSITION, position & 0x7F, position >> 7)), bytes((CONTINUE,))]
