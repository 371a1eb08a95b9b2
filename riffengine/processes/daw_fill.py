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

RAMP_VARISPEED = 0.05
"""The same while the tempo itself moves, where nobody hears 80 cents for a moment but everybody the beat."""

_RAMP_BPM_A_SECOND = 1.0
_CATCH_UP_SECONDS = 0.1
_RAMP_BPM = 3.0  # a greater change from one block of the host to the next is a step
_RAMP_BLOCKS = 8  # over which a ramp is measured: a host may tell its beats in ticks


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
        self._watched: deque[tuple[int, float]] = deque(maxlen=_RAMP_BLOCKS)  # frames and tempo of the host's blocks
        self._run_first: int | None = None  # the index of this run's first frame, and the end of its last one
        self._run_end = 0

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
        self._run_first = first if self._run_first is None else self._run_first
        self._run_end = first + fill.frames
        self._continues, self._bpm = True, host.bpm
        if host.loop is not None and fill.beat < host.loop[1] <= end + 1e-9:
            start, stop = host.loop
            end = start + (end - stop)
            self._laps += 1
            self._continues = False
        self._beat = end

    def _watch_ramp(self, host: HostTime) -> None:
        """How fast the tempo changes: what is written now is heard when it has changed by so much."""
        watched = self._watched
        if watched and watched[-1][0] == host.frames:
            return
        if watched and (not host.rolling or abs(host.bpm - watched[-1][1]) > _RAMP_BPM or host.frames < watched[-1][0]):
            watched.clear()
        watched.append((host.frames, host.bpm))
        frames = host.frames - watched[0][0]
        self._slope = (host.bpm - watched[0][1]) * self._rate / frames if frames > 0 else 0.0

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
        self._run_first = None

    def _lead(self, host: HostTime) -> float:
        """Beats written beyond the one that is wanted."""
        length = host.loop[1] - host.loop[0] if host.loop is not None else 0.0
        return self._beat + self._laps * length - host.wanted

    def _correction(self, host: HostTime) -> float:
        """The share by which the next block is faster than the host, so that it is heard on the host's beat.

        Compared is the beat that the host will have when the next frame is heard with the one that is written next, so
        that what is already corrected, but not heard yet, is not corrected again.
        """
        if not host.rolling or self._run_first is None or host.read < self._run_first:
            return 0.0
        frames = self._run_end - host.read
        ahead = (host.bpm + self._slope * frames / 2 / self._rate) * frames / 60.0 / self._rate
        length = host.loop[1] - host.loop[0] if host.loop is not None else 0.0
        behind = host.beat + ahead - (self._beat + self._laps * length)
        if abs(behind) <= host.bpm / 60.0 / self._rate or abs(behind) > 0.25:  # a frame, or not comparable
            return 0.0
        share = behind * 60.0 / host.bpm / _CATCH_UP_SECONDS
        most = RAMP_VARISPEED if abs(self._slope) > _RAMP_BPM_A_SECOND else VARISPEED
        return min(max(share, -most), most)
