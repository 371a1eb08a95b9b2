"""DawFeeder: fills the rings of a DAW's plugins with the music of the place where the host is.

There were two designs. In one the engine decides the grid after a jump: the host's time goes through two pipes and an
event loop, 20 ms and more, before a sound of the new place is mixed. In the other, used here, the player itself places
the music, in the thread that mixes it, and the engine follows a report: the first block of the new place is written a
few milliseconds after the host's jump, whatever the engine does meanwhile.

One instance leads, the first that rolls; the others get the same blocks for the same beats. Every block says for which
beat it is, and the plugin plays no other, so neither a late block nor an early one is heard at a wrong place.
"""

from __future__ import annotations

import math

import numpy as np

from riffengine.output.heard import HeardSound, Written
from riffengine.output.host_mix import HostMix, Instance
from riffengine.playback.interpolator import TAPS
from riffengine.processes.audio import Fill
from riffengine.processes.daw_fill import Fill as Piece
from riffengine.processes.daw_fill import FillPlan
from riffengine.processes.daw_ring import HostTime
from riffengine.processes.player_messages import HostTimeline
from riffengine.transport.beat_grid import BeatGrid
from riffengine.transport.sync.source import fold

LONGEST_LEAD_FRAMES = 8192
"""The lead is doubled up to this (0.17 s at 48 kHz) when a plugin had to do without a block."""

_WARM_UP_FRAMES = 1024  # for a filter of 60 Hz that has not heard what comes before
_BEHIND_FRAMES, _AHEAD_FRAMES = TAPS // 2 - 1, TAPS // 2  # around a position that is read between frames
_SAME = 0.01  # of a frame
_TICK_FRAMES = 64
_PASS_FRAMES = 512
_STALLED_NS = 300_000_000  # a host that says nothing for so long does not roll, whatever it said last
_MOST_PIECES = 64  # in one turn
_OFFLINE_LEAD_FRAMES = 16384  # nothing is played while it is mixed: fewer times that the two wait for each other
_ENGINE_PATIENCE_NS = 500_000_000


class DawFeeder:
    """Fills the rings of ``mix`` through ``fill``, in pieces of ``piece_frames`` at most. The output's thread only.

    ``lead_frames``: how far the rings are filled beyond what the host asks for next.
    """

    def __init__(self, mix: HostMix, fill: Fill, width: int, piece_frames: int, lead_frames: int) -> None:
        self.lead_frames = lead_frames
        self._mix, self._fill = mix, fill
        self._out = np.zeros((max(piece_frames, _TICK_FRAMES), width), dtype=np.float32)
        self._piece_frames = piece_frames
        self._known: tuple[Instance, ...] = ()
        self._leader: Instance | None = None
        self._plan: FillPlan | None = None
        self._next_frame = -1  # the mixer's, after the last piece
        self._seen = (-1, False)  # the changes of the mixer in what the rings hold, and whether anything moved then
        self._begun = False
        self._followed = mix.follows
        self._waits_since_ns = 0
        self._wall: tuple[int, int] | None = None  # a frame of the mixer, and the ns at which it was due
        self._fold = 1.0
        self._jumps = 0
        self._underruns = 0
        self._heard = HeardSound(mix)

    def turn(self, now_ns: int) -> bool:
        """Do what is due at ``now_ns``; returns whether a host rolls."""
        mix = self._mix
        if not self._begun:  # a player that replaces another counts frames from its first block on
            self._begun = True
            self._pull(_TICK_FRAMES, False)
        mix.close_retired()
        instances = mix.instances
        if self._known is not instances:
            self._known, self._plan = instances, None
            self._follow_new_instances()
        if self._followed is not mix.follows:
            self._followed, self._plan = mix.follows, None
            if not mix.follows:
                mix.release()
        leader, host = self._lead(now_ns)
        if leader is None or host is None:
            mix.timeline = None
            self._pass_time(now_ns)
            return False
        rolling = host.rolling and (host.offline or now_ns - host.ns < _STALLED_NS)
        if rolling:
            self._heard.rolls(leader.ring)
        else:
            self._heard.stands(leader.ring, None if host.rolling else host.frames)
        if self._refresh_is_due(rolling, now_ns):
            self._plan = None
        wrote = self._feed(leader, host, now_ns)
        if rolling:
            self._wall = (mix.frame, now_ns)
        elif not wrote:
            self._pass_time(now_ns)
        self._tell(host, rolling, now_ns)
        return rolling

    # --- who leads ---------------------------------------------------------------------------------------------------

    def _follow_new_instances(self) -> None:
        if not self._known:
            self._mix.release()
        for instance in self._known:
            instance.from_frame, instance.taken, instance.offset = self._mix.frame, 0, 0.0

    def _lead(self, now_ns: int) -> tuple[Instance | None, HostTime | None]:
        """The instance that leads: while it rolls the same one, else the first that rolls, else the first there is."""
        hosts = [(instance, instance.ring.host(now_ns)) for instance in self._known]
        present = [(instance, host) for instance, host in hosts if host is not None]
        rolling = [(i, h) for i, h in present if h.rolling and (h.offline or now_ns - h.ns < _STALLED_NS)]
        candidates = rolling or present
        if not candidates:
            self._leader = None
            self._heard.leads(None)
            return None, None
        leader, host = next(((i, h) for i, h in candidates if i is self._leader), candidates[0])
        if leader is not self._leader:
            self._leader, self._plan = leader, None
            self._heard.leads(leader.ring)
            self._underruns = leader.ring.underruns
        return leader, host

    # --- sound -------------------------------------------------------------------------------------------------------

    def _feed(self, leader: Instance, host: HostTime, now_ns: int) -> bool:
        """Write pieces until the ring is filled as far as it should be; returns whether there was any."""
        mix, ring = self._mix, leader.ring
        if ring.underruns > self._underruns:
            self.lead_frames = min(2 * self.lead_frames, LONGEST_LEAD_FRAMES)
        starved, self._underruns = ring.underruns > self._underruns, ring.underruns
        if self._plan is None:
            self._plan = FillPlan(ring.rate, max(instance.ring.run for instance in self._known))
            self._next_frame = -1
            self._seen = (mix.changes, mix.moving)
        wrote = False
        for _ in range(_MOST_PIECES):
            ahead = (_OFFLINE_LEAD_FRAMES if host.offline and host.rolling else self.lead_frames) + host.block_frames
            piece = self._plan.next(host, self._piece_frames, ahead)
            if piece is None or (host.offline and self._must_wait(now_ns)):
                break
            first = ring.written
            self._write(leader, piece, starved)
            self._plan.wrote(piece, first, host)
            starved, wrote = False, True
            host = ring.host(now_ns) or host
        for instance in self._known:
            instance.ring.tell(mix.engine_bpm, self.lead_frames)
        return wrote

    def _must_wait(self, now_ns: int) -> bool:
        """Whether the engine has still to decide what happens here; one that does not answer is not waited for."""
        mix = self._mix
        if mix.frame < mix.proceed_to or not mix.follows:
            self._waits_since_ns, mix.waits_at = 0, None
            return False
        self._waits_since_ns, mix.waits_at = self._waits_since_ns or now_ns, mix.frame
        return now_ns - self._waits_since_ns < _ENGINE_PATIENCE_NS

    def _write(self, leader: Instance, piece: Piece, starved: bool) -> None:
        """Mix one piece and write it to every ring."""
        mix = self._mix
        rate = mix.sample_rate
        self._fold = fold(piece.bpm, self._fold)
        if not piece.continues or mix.frame != self._next_frame:
            self._place(piece)
        elif mix.follows:
            self._bend(leader, piece)
        step = rate / leader.ring.rate
        begin = leader.offset + leader.taken * step
        end = begin + piece.frames * step
        look = _AHEAD_FRAMES + 1 if any(instance.ring.rate != rate for instance in self._known) else 0
        self._pull_to(leader.from_frame + math.ceil(end) + look, starved)
        self._heard.wrote(Written(leader.ring.written, piece.frames, leader.from_frame + begin, piece.run))
        for instance in self._known:
            own_step = rate / instance.ring.rate
            frames = piece.frames
            if instance is not leader and instance.ring.rate != leader.ring.rate:
                frames = int((end - instance.offset) / own_step) - instance.taken
                if not 0 < frames <= instance.ring.capacity // 4:
                    continue
            position = instance.offset + instance.taken * own_step
            block = mix.read(instance.sources, instance.from_frame, position, own_step, frames)
            beat = piece.beat + (position - begin) * piece.bpm / 60.0 / rate
            instance.ring.write(block, beat, piece.bpm, piece.run)
            instance.taken += frames
        self._next_frame = mix.frame

    def _place(self, piece: Piece) -> None:
        """Take the music to the beat of ``piece``; the position of every ring is counted from there."""
        mix = self._mix
        rate = mix.sample_rate
        resampled = any(instance.ring.rate != rate for instance in self._known)
        # Loops are read frame by frame where the tempo allows it: the music is placed on a frame of its own, counted
        # from beat 0, and what is left over is a shift of the frames that are read.
        place = piece.beat * 60.0 * rate / piece.bpm
        whole = math.floor(place) if resampled else round(place)
        bpm = piece.bpm * self._fold
        before = _BEHIND_FRAMES + 1 if resampled else 0
        if mix.frame != self._next_frame and mix.effects_run:
            before = max(before, _WARM_UP_FRAMES)
        if mix.follows:
            self._jumps += 1
            begin = mix.horizon
            mix.place(BeatGrid(rate, bpm, begin, (whole - before) * bpm / 60.0 / rate))
        else:
            begin = mix.frame
        for instance in self._known:
            instance.from_frame, instance.taken = begin + before, 0
            instance.offset = place - whole if instance.ring.rate != rate else 0.0
        if before:
            self._pull(min(before, self._piece_frames), False)
            self._pull_to(begin + before, False)

    def _bend(self, leader: Instance, piece: Piece) -> None:
        """Read as fast as the host goes now, so that at the end of ``piece`` the music is where the host will be."""
        mix = self._mix
        rate, horizon, grid = mix.sample_rate, mix.horizon, mix.grid
        bpm = piece.bpm * self._fold
        per_frame = bpm / 60.0 / rate
        position = leader.from_frame + leader.offset + leader.taken * rate / leader.ring.rate
        wanted = piece.beat * self._fold + (horizon - position) * per_frame
        now = grid.beat_at(horizon)
        off_frames = (wanted - now) / per_frame
        if abs(off_frames) < _SAME:
            if grid.bpm != bpm:
                mix.bend(BeatGrid(rate, bpm, horizon, now))
        elif abs(off_frames) > piece.frames / 4:  # the fold has changed: the same place under another number
            mix.bend(BeatGrid(rate, bpm, horizon, wanted))
        else:
            frames = piece.frames * rate / leader.ring.rate
            mix.bend(BeatGrid(rate, bpm * (1.0 + off_frames / frames), horizon, now))

    def _pull_to(self, frame: int, starved: bool) -> None:
        while (missing := frame - self._mix.frame) > 0:
            self._pull(min(missing, self._piece_frames), starved)
            starved = False

    def _pull(self, frames: int, starved: bool) -> None:
        self._mix.pull(self._fill, self._out[:frames], starved)

    # --- a host that stands ------------------------------------------------------------------------------------------

    def _refresh_is_due(self, rolling: bool, now_ns: int) -> bool:
        """Whether what the rings hold for a host that stands is not what would be heard now."""
        mix = self._mix
        changed = mix.changes != self._seen[0] or self._seen[1]
        return not rolling and changed and mix.frame <= self._due_frame(now_ns)

    def _pass_time(self, now_ns: int) -> None:
        """Nothing is asked for: the mixer's time goes on by the clock, so that what is decided still happens."""
        mix = self._mix
        due = self._due_frame(now_ns)
        if due - mix.frame < _PASS_FRAMES:
            return
        begin = due - _TICK_FRAMES
        if begin > mix.horizon:
            mix.pass_to(begin)
        self._pull(_TICK_FRAMES, False)

    def _due_frame(self, now_ns: int) -> int:
        if self._wall is None:
            self._wall = (self._mix.frame, now_ns)
        frame, at_ns = self._wall
        return frame + max(0, now_ns - at_ns) * self._mix.sample_rate // 1_000_000_000

    # --- reports -----------------------------------------------------------------------------------------------------

    def _tell(self, host: HostTime, rolling: bool, now_ns: int) -> None:
        """Keep for the engine where the host is."""
        mix = self._mix
        if not mix.follows:
            mix.timeline = None
            return
        grid = mix.grid
        if not rolling:
            grid = BeatGrid(mix.sample_rate, host.bpm * self._fold, mix.frame, host.beat * self._fold)
        mix.timeline = HostTimeline(grid, self._jumps, rolling, host.known, host.bpm, rolling and host.offline)
