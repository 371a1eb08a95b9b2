"""MidiClockOut: sends our beat, as it is heard, as MIDI clock to programs and machines that follow us.

At every tick of the engine it reads the Conductor's timeline and the player's clock and gives the sender a
``BeatLine``: the beat as a line over host time. One thread, the engine's.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from riffengine.engine.midi_out.optional_sender import OptionalSender, Sender
from riffengine.scheduler.conductor import Conductor
from riffengine.transport.beat_grid import BeatGrid
from riffengine.transport.sync.clock_out import BeatLine
from riffengine.transport.sync.frame_clock import FrameClock

_SAME_BEATS = 1e-4  # 50 µs at 120 bpm: a line that differs less from the last one is not sent
_JUMP_BEATS = 0.02  # 10 ms at 120 bpm: a larger difference is a jump and not a correction
_EVERY_TICKS = 25  # a line is sent again after half a second: a sender that was blocked may have missed one


class MidiClockOut:
    """Sends our clock while ``transport/clock_out`` is on. ``open_sender`` may raise ``ControlError``."""

    def __init__(
        self,
        conductor: Conductor,
        frames: FrameClock,
        open_sender: Callable[[], Sender[BeatLine]],
        say: Callable[[str], None],
    ) -> None:
        self._conductor, self._frames = conductor, frames
        self._sender = OptionalSender(open_sender, "no MIDI clock is sent", say)
        self._sent: BeatLine | None = None
        # The grid that is heard now and those to come, each with its epoch.
        self._grids: deque[tuple[BeatGrid, int]] = deque()
        self._ticks = 0

    def tick(self, frame: int, now_ns: int, paused: bool = False) -> None:
        """Time has passed; ``paused``: the leader has stopped."""
        sender = self._sender.sender(self._conductor.state.values.get("transport/clock_out") is True, now_ns)
        if sender is None:
            self._sent = None  # a new sender has received nothing
        elif self._frames.known:
            self._send_line(sender, frame, now_ns, paused)

    def close(self) -> None:
        """Stop the receivers."""
        self._sender.close()

    def end(self) -> None:
        """After ``close``: end the process by force if it has not ended by itself."""
        self._sender.end()

    def _send_line(self, sender: Sender[BeatLine], frame: int, now_ns: int, paused: bool) -> None:
        line = self._line(frame, now_ns, paused)
        self._ticks += 1
        last = self._sent
        if last is not None and self._ticks % _EVERY_TICKS:
            same = (last.playing, last.epoch, last.then is None) == (line.playing, line.epoch, line.then is None)
            ahead_ns = now_ns + 500_000_000
            apart = max(abs(last.beat_at(ns) - line.beat_at(ns)) for ns in (now_ns, ahead_ns))
            if same and apart < _SAME_BEATS:
                return
        self._sent = line
        sender.send(line)

    def _line(self, frame: int, now_ns: int, paused: bool) -> BeatLine:
        """The lines along which the beat is heard: the one that holds now, and those that are announced."""
        scheduler, grids = self._conductor.scheduler, self._grids
        scheduler.timeline.settle(frame)
        latest = scheduler.timeline.latest
        if not grids:
            grids.append((scheduler.timeline.grid, 0))
        last, epoch = grids[-1]
        if latest is not last:
            at = latest.anchor_frame
            grids.append((latest, epoch + (abs(latest.beat_at(at) - last.beat_at(at)) > _JUMP_BEATS)))
        # What is heard now was mixed earlier: a grid holds from the moment at which its anchor is heard.
        heard_frame = self._frames.frame_heard_at(now_ns)
        while len(grids) > 1 and grids[1][0].anchor_frame <= heard_frame:
            grids.popleft()
        playing = scheduler.anything_sounds and not paused
        line: BeatLine | None = None
        for place, (grid, epoch) in reversed(list(enumerate(grids))):
            at_frame = heard_frame if place == 0 else grid.anchor_frame
            heard_ns = self._frames.heard_ns(at_frame)
            line = BeatLine(heard_ns, grid.beat_at(at_frame), grid.bpm, playing, epoch, line)
        assert line is not None
        return line
