"""MidiClock: beat and tempo from MIDI clock, 24 ticks a beat, despite jitter and lost ticks.

A line is fitted through the last eight beats of ticks. A tick that does not fit is compared with it: lost ticks are
counted, doubled ones are dropped, a late one is ignored. When no tick fits any more, the tempo has changed: the line is
fitted again through the ticks since. Ticks that arrive once a period of a sound server are all counted instead.
Source: MIDI 1.0 Detailed Specification, System Real Time Messages.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from riffengine.transport.sync.arrival_grid import ArrivalGrid
from riffengine.transport.sync.regression import LinearFit
from riffengine.transport.sync.source import BeatPosition

TICKS_PER_BEAT = 24
TICKS_PER_SONG_POSITION = 6  # a song position counts sixteenth notes
CLOCK, START, CONTINUE, STOP, SONG_POSITION = 0xF8, 0xFA, 0xFB, 0xFC, 0xF2

_WINDOW = 192  # ticks: 8 beats; with 1 ms of jitter the end of the line is off by 0.14 ms
_TRUSTED = 5  # ticks from which a tempo is read
_STEADY = 24  # with 1 ms of jitter the tempo is off by less than 0.2 % after one beat
_FIT_EVERY = 6  # ticks, once the line is long
_RUN = 5  # ticks in a row that do not fit: the tempo has changed
_LEAST_GATE_NS = 2_500_000.0
_USUAL_SPREAD_NS = 700_000.0  # until the spread can be measured
_GATE_SPREADS = 4.5
_BEND_SPREADS = 2.5  # one too many costs nothing; with 4.5 a ramp of 0.5 bpm a second is off by 5 ms instead of 2
_LEAST_BEND_NS = 200_000.0
_SHORTEST_TICK_NS = 2_000_000.0  # 1250 bpm
_LONGEST_TICK_NS = 200_000_000.0  # 12.5 bpm
_OFF_GRID = 4  # ticks in a row that are off by more than a period: the tempo has changed
_SINCE_CHANGE = 2 * _OFF_GRID  # ticks that are fitted then; more than _TRUSTED
_OFF_PERIODS = 0.75  # a tick that arrives on a grid is off by half a period at most
_LOST_SECONDS = 0.5
_LOST_TICKS = 8


@dataclass
class MidiClockCounters:
    """How many ticks arrived, and how many were irregular."""

    ticks: int = 0
    lost: int = 0
    doubled: int = 0
    strays: int = 0
    relocks: int = 0


class MidiClock:
    """A ``SyncSource``: give ``take`` every System Real Time and System Common message with its arrival time, in order.

    One thread. Until a Start or Continue arrives only the tempo is known.
    """

    def __init__(self) -> None:
        self.counters = MidiClockCounters()
        self._fit = LinearFit(_WINDOW, _TRUSTED)
        self._grid = ArrivalGrid()
        self._grid_ns = 0.0  # the period of the grid that the line was fitted for, 0 without one
        self._off_grid = 0  # ticks in a row that did not fit
        self._tick = 0  # number of the last tick, never reset
        self._since_fit = 0
        self._last_ns = -(10**18)
        self._run: list[int] = []  # arrival of the ticks in a row that did not fit
        self._run_tick = 0  # the last tick before them
        self._armed: int | None = None  # song position, in ticks, of the next tick
        self._shift = 0  # song position = tick + shift
        self._position = 0  # where Continue starts, in ticks
        self._playing = False
        self._epoch = 0

    def take(self, message: Sequence[int], host_ns: int) -> None:
        """Handle one message that arrived at ``host_ns``; messages of other kinds are ignored."""
        status = message[0] if message else 0
        if status == CLOCK:
            self._tick_arrived(host_ns)
        elif status == START:
            self._armed = 0
        elif status == CONTINUE:
            self._armed = self._position
        elif status == STOP:
            if self._playing:
                self._position = self._tick + self._shift + 1
            self._playing, self._armed = False, None
        elif status == SONG_POSITION and len(message) == 3:
            self._position = (message[1] | message[2] << 7) * TICKS_PER_SONG_POSITION
            if self._playing:  # not in the standard, but some send it: it counts from the next tick on
                self._armed = self._position

    def position(self, host_ns: int) -> BeatPosition | None:
        """Beat and tempo of the sender at ``host_ns``; ``None`` before the first ticks and once they have stopped."""
        line = self._fit
        if not line.known:
            return None
        assert line.slope is not None
        if host_ns - self._last_ns > max(_LOST_SECONDS * 1e9, _LOST_TICKS * line.slope):
            return None
        return BeatPosition(
            beat=(line.x_at(host_ns) + self._shift) / TICKS_PER_BEAT,
            bpm=60e9 / (line.slope * TICKS_PER_BEAT),
            playing=self._playing,
            phase_beats=math.inf if self._playing else 0.0,
            epoch=self._epoch,
            steady=len(line) >= _STEADY and not self._run,
        )

    # --- ticks ------------------------------------------------------------------------------------------------------

    def _tick_arrived(self, ns: int) -> None:
        self.counters.ticks += 1
        line = self._fit
        if line.known and line.slope is not None and ns - self._last_ns > max(0.5e9, _LOST_TICKS * line.slope):
            self._fit = line = LinearFit(_WINDOW, _TRUSTED)  # after a pause the ticks are unrelated to those before
            self._run.clear()
            self._grid.clear()
        gap, self._last_ns = ns - self._last_ns, ns
        if self._grid.period_ns:
            self._count(ns, gap)
        elif self._armed is not None and line.known:
            self._restart(ns)
        elif not line.known:
            self._first_ticks(ns)
        else:
            self._compare(ns, gap)
        if self._armed is not None:
            self._shift = self._armed - self._tick
            self._armed = None
            self._playing = True
            self._epoch += 1
        self._grid.add(self._tick, ns)
        if self._grid.period_ns != self._grid_ns:
            self._change_grid()

    def _first_ticks(self, ns: int) -> None:
        """The first ticks: a tempo is accepted once five follow each other evenly."""
        self._run.append(ns)
        self._tick += 1
        del self._run[:-_RUN]
        if self._even(self._run):
            self._fit_through(self._run, self._tick)

    def _compare(self, ns: int, gap: int) -> None:
        line = self._fit
        assert line.slope is not None
        tick, period = self._tick + 1, line.slope
        late = ns - line.y_at(tick)
        gate = self._gate()
        # Where ticks are closer together than the jitter, a single one says nothing.
        distinct = period > 2.0 * gate
        fits = abs(late) <= (gate if distinct else 0.5 * max(period, gate))
        # After ticks that did not fit, one may fit by chance (at 90 bpm every third, if 120 is expected).
        if fits and (not self._run or abs(gap - period) <= gate):
            self._accept(tick, ns)
            return
        if not self._run:
            self._run_tick = self._tick
        self._run.append(ns)
        if len(self._run) >= _RUN and self._even(self._run[-_RUN:]):
            self.counters.relocks += 1
            self._tick = self._run_tick + len(self._run)
            self._fit_through(self._run[-_RUN:], self._tick)
            return
        if fits:
            self._tick = tick
        elif distinct and late > 0.5 * period:
            missing = round(late / period)
            self.counters.lost += missing
            self._tick = tick + missing
            if abs(late - missing * period) <= gate:
                line.add(self._tick, ns)
        elif distinct and late < -0.5 * period:
            self.counters.doubled += 1
        else:
            self.counters.strays += 1
            self._tick = tick

    # --- ticks on a grid ----------------------------------------------------------------------------------------------

    def _change_grid(self) -> None:
        """The ticks arrive on another grid than before, or at any time: fit those since again, every one counted."""
        self._grid_ns = self._grid.period_ns
        arrivals = list(self._grid.arrivals)
        if not self._grid_ns or not arrivals:
            return  # the line is right, and its ticks are compared again
        first = arrivals[0][0]
        self._tick = first + len(arrivals) - 1
        self._fit = LinearFit(_WINDOW, _TRUSTED)
        for number, (_, ns) in enumerate(arrivals, first):
            self._fit.add(number, self._sent_ns(ns))
        self._fit.fit()
        self._run.clear()
        self._off_grid = 0

    def _count(self, ns: int, gap: int) -> None:
        """A tick on the grid: it is the next one, however early or late, unless the gap says that some were lost."""
        line = self._fit
        assert line.slope is not None
        tick, sent = self._tick + 1, self._sent_ns(ns)
        late, allowed = sent - line.y_at(tick), _OFF_PERIODS * self._grid_ns
        # Less than this may be a change of tempo.
        if min(late, gap - line.slope) > self._grid_ns + 0.5 * line.slope and not self._off_grid:
            missing = round(late / line.slope)
            self.counters.lost += missing
            tick += missing
            late -= missing * line.slope
        self._tick = tick
        self._off_grid = self._off_grid + 1 if abs(late) > allowed else 0
        line.add(tick, sent)
        self._since_fit += 1
        if self._off_grid >= _OFF_GRID:
            self.counters.relocks += 1
            self._off_grid = 0
            line.keep(_SINCE_CHANGE)
        elif len(line) <= 2 * _STEADY or self._since_fit >= _FIT_EVERY:
            self._since_fit = 0
            line.fit()

    def _sent_ns(self, ns: int) -> int:
        """When a tick was sent that arrived at ``ns``, the end of its period: half a period earlier, in the mean."""
        return ns - round(0.5 * self._grid_ns)

    def _gate(self) -> float:
        spread = self._fit.spread if len(self._fit) >= _STEADY else max(self._fit.spread, _USUAL_SPREAD_NS)
        return max(_LEAST_GATE_NS, _GATE_SPREADS * spread)

    def _accept(self, tick: int, ns: int) -> None:
        line = self._fit
        self._tick = tick
        self._run.clear()
        line.add(tick, ns)
        self._since_fit += 1
        if len(line) > 2 * _STEADY and self._since_fit < _FIT_EVERY:
            return
        self._since_fit = 0
        line.fit()
        if len(line) >= _STEADY:
            newest = max(1, len(line) // 4)
            if abs(line.bend_ns()) > max(_LEAST_BEND_NS, _BEND_SPREADS * line.spread / math.sqrt(newest)):
                line.keep(max(_STEADY, len(line) // 2))

    def _restart(self, ns: int) -> None:
        """The tick after Start: some senders restart their ticks with it. The tempo is kept."""
        line = self._fit
        tick = self._tick + 1
        self._tick = tick
        if abs(ns - line.y_at(tick)) <= self._gate():
            self._accept(tick, ns)
            return
        self._fit = LinearFit(_WINDOW, _TRUSTED, line.slope)
        self._fit.add(tick, ns)
        self._fit.fit()
        self._run.clear()

    def _even(self, times: list[int]) -> bool:
        """Whether these ticks are even enough to be a tempo."""
        if len(times) < _RUN:
            return False
        gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
        middle = median(gaps)
        tolerance = max(0.3 * middle, 2.0 * _LEAST_GATE_NS)
        return _SHORTEST_TICK_NS <= middle <= _LONGEST_TICK_NS and all(abs(g - middle) <= tolerance for g in gaps)

    def _fit_through(self, times: list[int], last_tick: int) -> None:
        """Fit a new line through ``times``, the last of which is ``last_tick``."""
        self._fit = LinearFit(_WINDOW, _TRUSTED)
        for number, ns in enumerate(times, last_tick - len(times) + 1):
            self._fit.add(number, ns)
        self._fit.fit()
        self._since_fit = 0
        self._run.clear()
