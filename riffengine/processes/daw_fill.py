"""FillPlan: what the engine writes next into the rings of a DAW's plugins. Pure decisions; one thread."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

from riffengine.processes.daw_ring import HostTime

TEMPO_STEP_BEATS = 1e-3
"""A new tempo that moves the end of what is written by more than this begins a new run: 0.5 ms at 120 bpm."""

VARISPEED = 0.01
"""The most by which blocks are faster or slower than the host's tempo, to come back onto its beat: 17 cents."""

_CATCH_UP_SECONDS = 0.25
_RAMP_BPM = 3.0  # a greater change from one block of the host to the next is a step
_SPANS_KEPT = 256


@dataclass(frozen=True)
class Fill:
    """One block to write: ``frames`` of music from ``beat`` on at ``bpm``, in ``run``.

    ``continues``: it goes on exactly where the block before it ended; otherwise the music jumps to ``beat``, after a
    jump of the host, a step of its tempo, or the end of its loop range.
    """

    beat: float
    bpm: float
    frames: int
    run: int
    continues: bool


@dataclass(frozen=True)
class _Span:
    first: int
    frames: int
    beat: float
    bpm: float


class FillPlan:
    """Follows the host time of one ring, the leader's; the same blocks may be written to the rings of all instances.

    ``rate``: of the ring. ``run``: the newest run in the rings (``DawRing.run``, the greatest of them).
    """

    def __init__(self, rate: int, run: int = 0) -> None:
        self._rate = rate
        self._run = run
        self._jumps: int | None = None
        self._beat = 0.0  # the end of what is written
        self._bpm = 0.0  # the host's tempo when that was written
        self._laps = 0  # of the loop range that we are ahead of the host
        self._wanted = 0.0
        self._continues = False
        self._slope = 0.0  # bpm a second, of a ramp
        self._before: HostTime | None = None
        self._written: deque[_Span] = deque(maxlen=_SPANS_KEPT)  # of this run, for the error against the host

    def next(self, host: HostTime, frames: int, ahead_frames: int) -> Fill | None:
        """The next block of at most ``frames``; ``None`` when ``ahead_frames`` beyond the host's place are written.

        ``ahead_frames`` must be more than the host's block (``host.block_frames``). Call ``wrote`` after each block.
        """
        per_frame = host.bpm / 60.0 / self._rate
        if per_frame <= 0.0:
            return None
        self._watch_ramp(host)
        if self._must_restart(host, ahead_frames):
            self._restart(host)
        self._wanted = host.wanted
        goal = max(host.wanted, host.beat if not host.rolling else host.wanted)
        lead = self._lead(host)
        if lead - (goal - host.wanted) >= ahead_frames * per_frame:
            return None
        ramp = self._slope * (lead / per_frame + host.block_frames + frames / 2) / self._rate
        bpm = (host.bpm + ramp) * (1.0 + self._correction(host))
        if host.loop is not None and self._beat < host.loop[1]:
            left = math.ceil((host.loop[1] - self._beat) * 60.0 * self._rate / bpm - 1e-6)
            frames = min(frames, max(1, left))
        return Fill(self._beat, bpm, frames, self._run, self._continues)

    def wrote(self, fill: Fill, first: int, host: HostTime) -> None:
        """``fill`` was written to the leader's ring at index ``first``; ``host`` is what it was decided with."""
        end = fill.beat + fill.frames * fill.bpm / 60.0 / self._rate
        self._written.append(_Span(first, fill.frames, fill.beat, fill.bpm))
        self._continues, self._bpm = True, host.bpm
        if host.loop is not None and fill.beat < host.loop[1] <= end + 1e-9:
            start, stop = host.loop
            end = start + (end - stop)
            self._laps += 1
            self._continues = False
        self._beat = end

    def _watch_ramp(self, host: HostTime) -> None:
        """How fast the tempo changes: what is written now is heard when it has changed by so much."""
        before = self._before
        if before is not None and before.frames == host.frames:
            return
        self._before, self._slope = host, 0.0
        if before is not None and host.rolling and abs(host.bpm - before.bpm) <= _RAMP_BPM:
            self._slope = (host.bpm - before.bpm) * self._rate / (host.frames - before.frames)

    def _must_restart(self, host: HostTime, ahead_frames: int) -> bool:
        if self._jumps != host.jumps:
            return True
        if host.wanted < self._wanted and host.loop is not None and self._laps > 0:
            self._laps -= 1  # the host has passed the end of its loop, as we have before
            self._wanted = host.wanted
        lead = self._lead(host)
        most = (2 * ahead_frames + self._rate / 2) * host.bpm / 60.0 / self._rate
        if lead < -1e-9 or lead > most:  # too late for what is wanted; or the host no longer wants what is written
            return True
        return abs(host.bpm / self._bpm - 1.0) * lead > TEMPO_STEP_BEATS

    def _restart(self, host: HostTime) -> None:
        self._jumps = host.jumps
        self._run += 1
        self._beat, self._bpm, self._laps = host.wanted, host.bpm, 0
        self._continues = False
        self._written.clear()

    def _lead(self, host: HostTime) -> float:
        """Beats written beyond the one that is wanted."""
        length = host.loop[1] - host.loop[0] if host.loop is not None else 0.0
        return self._beat + self._laps * length - host.wanted

    def _correction(self, host: HostTime) -> float:
        """The share by which the next block is faster than the host, so that what it hears comes back on its beat."""
        if not host.rolling:
            return 0.0
        for span in self._written:
            if span.first <= host.read < span.first + span.frames:
                heard = span.beat + (host.read - span.first) * span.bpm / 60.0 / self._rate
                behind = host.beat - heard
                if abs(behind) <= host.bpm / 60.0 / self._rate or abs(behind) > 0.25:  # a frame, or not comparable
                    return 0.0
                share = behind * 60.0 / host.bpm / _CATCH_UP_SECONDS
                return min(max(share, -VARISPEED), VARISPEED)
        return 0.0
