"""The MIDI clock we send, as a receiver gets it: its bytes through our own follower, on simulated time."""

from __future__ import annotations

import math

import numpy as np
import pytest

from riffengine.control.midi.sender import CancelMessages, Outbox, TimedMessage
from riffengine.engine.midi_out.clock import MidiClockOut
from riffengine.transport.sync.clock_out import BeatLine, ClockOut
from riffengine.transport.sync.midi_clock import CLOCK, CONTINUE, SONG_POSITION, START, STOP, MidiClock
from tests.engine.sync.fake_leaders import FakeLinkSession
from tests.engine.sync.simulation import RATE, SECOND, SyncSimulation

TICK = bytes((CLOCK,))


def play(clock: ClockOut, line: BeatLine, until_ns: int, step_ns: int = 1_000_000) -> list[tuple[int, bytes]]:
    """The messages sent, each with the time at which a sender that wakes every millisecond sends it."""
    now = line.host_ns
    sent = [(now, m) for m in clock.take(line, now)]
    while now < until_ns:
        now += step_ns
        sent += [(now, m) for m in clock.due(now)]
    return sent


class ClockReceiver:
    """An engine on simulated time that sends its clock to a receiver that follows it."""

    def __init__(self, stage: SyncSimulation, late_ns: int = 0) -> None:
        self.stage, self.said = stage, []  # type: ignore[var-annotated]
        self.outbox, self.follower = Outbox(), MidiClock()
        self.sent: list[tuple[int, bytes]] = []
        self.closed, self.courses, self.ended = 0, 0, False
        self.clock_out = MidiClockOut(stage.conductor, stage.sync.frames, lambda: self, self.said.append)
        self.errors: list[tuple[float, float]] = []
        self._late = np.abs(np.random.default_rng(5).standard_normal(4096)) * late_ns
        self._done_ns = stage.clock.now_ns()

    def send(self, line: BeatLine) -> None:
        self.courses += 1
        self._put(self.outbox.handle(line, self.stage.clock.now_ns()), self.stage.clock.now_ns())

    def notes(self) -> list[str]:
        return []

    def close(self) -> None:
        self.closed += 1
        self._put(self.outbox.clock.stop(), self.stage.clock.now_ns())
        self.outbox = Outbox()

    def gone(self) -> bool:
        return True

    def kill(self) -> None:
        raise AssertionError("it ends at once")

    def end(self) -> None:
        pass

    def _put(self, messages: list[bytes], now_ns: int) -> None:
        for message in messages:
            self.sent.append((now_ns, message))
            self.follower.take(message, now_ns)

    def run(self, seconds: float) -> None:
        def watch(frame: int) -> None:
            now = self.stage.clock.now_ns()
            while (due_ns := self.outbox.next_ns()) <= now:
                at = max(math.ceil(due_ns + self._late[len(self.sent) % 4096]), self._done_ns)
                self._done_ns = at
                self._put(self.outbox.due(at), at)
            self.clock_out.tick(frame, now, self.stage.sync.paused)
            position = self.follower.position(now)
            if position is not None and position.playing:
                heard = self.heard_beat(now)
                self.errors.append((frame / RATE, ((position.beat - heard + 4.0) % 8.0 - 4.0) * 60e3 / position.bpm))

        self.stage.run(seconds, watch)

    def heard_beat(self, now_ns: int) -> float:
        """The exact beat: by the grid that was used when the frame heard now was mixed."""
        low, high = 0, self.stage.frame
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self.stage.heard_ns(middle) <= now_ns else (low, middle)
        told = [g for g in self.stage.grids if g.at_frame <= low]
        return (told[-1].grid if told else self.stage.ruling).beat_at(low)

    def worst_ms(self, after_seconds: float) -> float:
        return max(abs(ms) for seconds, ms in self.errors if seconds > after_seconds)


@pytest.mark.parametrize("bpm", [60.0, 123.4, 180.0])
def test_a_receiver_gets_our_beat_when_it_is_heard(bpm: float) -> None:
    receiver = ClockReceiver(SyncSimulation(transport__tempo=bpm, transport__clock_out=True), late_ns=300_000)
    receiver.run(40.0)
    words = [message for _, message in receiver.sent if message != TICK]
    assert words == [bytes((START,))]
    print(f"{bpm} bpm: worst {receiver.worst_ms(20.0):.3f} ms")
    assert receiver.worst_ms(20.0) < 1.0
    position = receiver.follower.position(receiver.stage.clock.now_ns())
    assert position is not None
    assert position.bpm == pytest.approx(bpm, rel=1e-3)


def test_a_new_tempo_reaches_the_receiver_on_the_frame_on_which_it_is_heard() -> None:
    receiver = ClockReceiver(SyncSimulation(transport__clock_out=True))
    receiver.run(20.0)
    receiver.stage.send("transport/tempo", 93.0)
    receiver.run(20.0)
    assert [m for _, m in receiver.sent if m != TICK] == [bytes((START,))]  # no lost beat, no stop
    assert receiver.worst_ms(38.0) < 1.0
    position = receiver.follower.position(receiver.stage.clock.now_ns())
    assert position is not None
    assert position.bpm == pytest.approx(93.0, rel=1e-3)
    ticks = sum(1 for _, m in receiver.sent if m == TICK)
    assert ticks == pytest.approx(24 * receiver.heard_beat(receiver.stage.clock.now_ns()), abs=2)


def test_link_is_passed_on_as_a_clock_and_its_jumps_as_song_positions() -> None:
    stage = SyncSimulation({"link": lambda bpm: FakeLinkSession(stage.clock, 127.0, 2.7)}, transport__clock_out=True)
    receiver = ClockReceiver(stage)
    receiver.run(15.0)
    receiver.stage.send("transport/sync", "link")
    receiver.run(30.0)
    words = [message[0] for _, message in receiver.sent if message != TICK]
    assert words == [START, STOP, SONG_POSITION, CONTINUE]  # the Link session is at another bar
    assert receiver.outbox.clock.jumps == 1
    assert receiver.worst_ms(35.0) < 1.5
    position = next(m for _, m in receiver.sent if m[0] == SONG_POSITION)
    assert (position[1] | position[2] << 7) % 16 == 0  # receivers continue at a bar


def test_turning_it_off_stops_the_receivers_and_turning_it_on_starts_them() -> None:
    receiver = ClockReceiver(SyncSimulation())
    receiver.run(2.0)
    assert not receiver.sent
    receiver.stage.send("transport/clock_out", True)
    receiver.run(10.0)
    receiver.stage.send("transport/clock_out", False)
    receiver.run(1.0)
    assert receiver.sent[-1][1] == bytes((STOP,))
    assert receiver.closed == 1
    receiver.stage.send("transport/clock_out", 1)
    receiver.run(10.0)
    assert [m[0] for _, m in receiver.sent if m != TICK] == [START, STOP, START]


def test_a_steady_beat_is_sent_to_the_sender_rarely() -> None:
    receiver = ClockReceiver(SyncSimulation(transport__clock_out=True, jitter=0.0))
    receiver.run(20.0)
    before = receiver.courses
    receiver.run(20.0)
    assert receiver.courses - before <= 60  # of a thousand ticks of the engine


# --- the sender's core ----------------------------------------------------------------------------------------------


def test_start_comes_before_the_tick_of_a_loop_boundary_and_stop_at_once() -> None:
    clock, line = ClockOut(8), BeatLine(0, 6.5, 120.0)
    sent = play(clock, line, 2 * SECOND)
    at = [index for index, (_, m) in enumerate(sent) if m == bytes((START,))]
    assert len(at) == 1
    ns, _ = sent[at[0] + 1]
    assert line.beat_at(ns) == pytest.approx(8.0, abs=0.003)
    stopped = play(clock, BeatLine(2 * SECOND, line.beat_at(2 * SECOND), 120.0, playing=False), 3 * SECOND)
    assert stopped[0] == (2 * SECOND, bytes((STOP,)))
    assert sum(m == TICK for _, m in stopped) in (47, 48, 49)  # ticks are sent nevertheless
    assert len(stopped) <= 50


def test_a_song_position_counts_sixteenths_since_the_start_and_wraps_after_1024_bars() -> None:
    clock = ClockOut(8)
    play(clock, BeatLine(0, 7.9, 120.0), SECOND)  # the song begins on beat 8
    sent = play(clock, BeatLine(SECOND, 8.0 + 4096 + 15.9, 120.0, epoch=1), 2 * SECOND)
    words = [m for _, m in sent if m != TICK]
    assert words == [bytes((STOP,)), bytes((SONG_POSITION, 64, 0)), bytes((CONTINUE,))]


def test_a_delayed_sender_catches_up_or_repositions() -> None:
    clock = ClockOut(8)
    play(clock, BeatLine(0, 7.9, 120.0), SECOND)
    assert clock.due(SECOND + 300_000_000).count(TICK) in (14, 15)
    words = [m[0] for m in clock.due(SECOND + 3_000_000_000) if m != TICK]
    assert words == [STOP]
    words = [m[0] for n in range(300) for m in clock.due(4 * SECOND + n * 10_000_000) if m != TICK]
    assert words == [SONG_POSITION, CONTINUE]


def test_timed_messages_are_sent_at_their_time_unless_withdrawn() -> None:
    outbox = Outbox()
    for at, message in ((30, b"\x90\x40\x40"), (10, b"\x91\x40\x40"), (10, b"\x92\x40\x40")):
        assert outbox.handle(TimedMessage(at, message), 0) == []
    assert outbox.next_ns() == 10
    assert outbox.due(9) == []
    assert outbox.due(10) == [b"\x91\x40\x40", b"\x92\x40\x40"]
    assert outbox.handle(CancelMessages((b"\xb0\x7b\x00",)), 11) == [b"\xb0\x7b\x00"]
    assert outbox.due(1000) == []
    assert outbox.next_ns() == float("inf")
