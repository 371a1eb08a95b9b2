"""MidiClockOut: our beat, as it is heard, for those who follow us by MIDI clock.

It reads the Conductor's timeline and the player's clock at every tick of the engine and tells a sender where the beat
is. One thread, the engine's.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from riffengine.engine.midi_out.optional_sender import OptionalSender, Sender
from riffengine.scheduler.conductor import Conductor
from riffengine.transport.beat_grid import BeatGrid
from riffengine.transport.sync.clock_out import Course
from riffengine.transport.sync.frame_clock import FrameClock

_SAME_BEATS = 1e-4  # 50 µs at 120 bpm: a course that leads no further from the last one need not be told
_JUMP_BEATS = 0.02  # 10 ms at 120 bpm: no correction that is heard as one is that large
_EVERY_TICKS = 25  # told again after half a second whatever happens: who is held up may have missed something


class MidiClockOut:
    """Sends our clock while ``transport/clock_out`` is on. ``open_sender`` may raise ``ControlError``."""

    def __init__(
        self,
        conductor: Conductor,
        frames: FrameClock,
        open_sender: Callable[[], Sender[Course]],
        say: Callable[[str], None],
    ) -> None:
        self._conductor, self._frames = conductor, frames
        self._sending = OptionalSender(open_sender, "no MIDI clock goes out", say)
        self._told: Course | None = None
        self._grids: deque[tuple[BeatGrid, int]] = deque()  # what is heard now and what comes, each with its epoch
        self._ticks = 0

    def tick(self, frame: int, now_ns: int, hushed: bool = False) -> None:
        """Time has passed; ``hushed`` says that a leader has stopped us."""
        sender = self._sending.sender(self._conductor.state.values.get("transport/clock_out") is True)
        if sender is None:
            self._told = None  # the next one knows nothing
        elif self._frames.known:
            self._tell(sender, frame, now_ns, hushed)

    def close(self) -> None:
        """Stop the receivers."""
        self._sending.close()

    def _tell(self, sender: Sender[Course], frame: int, now_ns: int, hushed: bool) -> None:
        course = self._course(frame, now_ns, hushed)
        self._ticks += 1
        told = self._told
        if told is not None and self._ticks % _EVERY_TICKS:
            same = (told.playing, told.epoch, told.then is None) == (course.playing, course.epoch, course.then is None)
            ahead_ns = now_ns + 500_000_000
            apart = max(abs(told.beat_at(ns) - course.beat_at(ns)) for ns in (now_ns, ahead_ns))
            if same and apart < _SAME_BEATS:
                return
        self._told = course
        sender.send(course)

    def _course(self, frame: int, now_ns: int, hushed: bool) -> Course:
        """The lines on which the beat is heard: the one that holds now, and those that are announced."""
        scheduler, grids = self._conductor.scheduler, self._grids
        scheduler.timeline.settle(frame)
        latest = scheduler.timeline.latest
        if not grids:
            grids.append((scheduler.timeline.grid, 0))
        last, epoch = grids[-1]
        if latest is not last:
            at = latest.anchor_frame
            grids.append((latest, epoch + (abs(latest.beat_at(at) - last.beat_at(at)) > _JUMP_BEATS)))
        # What is heard now was mixed a while ago: until its anchor is heard, the grid before still holds.
        heard_frame = self._frames.frame_heard_at(now_ns)
        while len(grids) > 1 and grids[1][0].anchor_frame <= heard_frame:
            grids.popleft()
        playing = scheduler.anything_sounds and not hushed
        course: Course | None = None
        for place, (grid, epoch) in reversed(list(enumerate(grids))):
            at_frame = heard_frame if place == 0 else grid.anchor_frame
            heard_ns = self._frames.heard_ns(at_frame)
            course = Course(heard_ns, grid.beat_at(at_frame), grid.bpm, playing, epoch, course)
        assert course is not None
        return course
