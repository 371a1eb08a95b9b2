"""OSC bundles with a time tag: heard on the frame of its time with any block size. On virtual time."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest

from riffengine.clock import VirtualClock
from riffengine.control.osc.wire import encode, time_tag, unix_seconds
from riffengine.engine.command_schedule import COMMAND_LEAD_SECONDS, MAX_AHEAD_SECONDS, CommandSchedule, on_time, pinned
from riffengine.errors import ControlError
from riffengine.performance.command import Accepted, Command, Reply
from riffengine.performance.parameters import standard_tree
from riffengine.processes.player_messages import SetControl
from riffengine.scheduler.actions import Action, ToPlayerMessage
from riffengine.scheduler.conductor import Conductor
from riffengine.transport.beat_grid import BeatGrid
from riffengine.transport.event_queue import MAX_ENTRIES_EACH
from riffengine.transport.sync.frame_clock import FrameClock
from tests.control.osc.osc_harness import OscHarness

RATE = 48000
EPOCH = 1_800_000_000.0  # the wall clock when the performance begins
START_NS = 5_000_000_000  # the monotonic clock then
DELAY = 0.02  # of the device


class ScheduleSimulation:
    """A conductor on virtual time, with a player whose frame 0 was pulled at the start."""

    def __init__(self) -> None:
        self.clock = VirtualClock(START_NS)
        self.frames = FrameClock(RATE, DELAY)
        self.tree = standard_tree(("a", "b"))
        self.conductor = Conductor(self.tree, self.tree.initial_state(), BeatGrid(RATE, 120.0), ("a", "b"), 48)
        self.conductor.start(0)
        self.schedule = CommandSchedule(self.tree, self.frames, RATE, self.clock, self.unix, self.conductor.moment)
        self.messages: list[tuple[float, SetControl]] = []

    def unix(self) -> float:
        return EPOCH + self.seconds

    @property
    def seconds(self) -> float:
        return (self.clock.now_ns() - START_NS) / 1e9

    def submit(self, command: Command, at_frame: int | None = None) -> Reply:
        reply, actions = self.conductor.submit(command, round(self.seconds * RATE))
        self.carry_out(pinned(actions, at_frame))
        now = self.conductor.moment(round(self.seconds * RATE))
        return on_time(reply, at_frame, now, self.conductor.moment)

    def carry_out(self, actions: list[Action]) -> None:
        for action in actions:
            if isinstance(action, ToPlayerMessage) and isinstance(action.message, SetControl):
                self.messages.append((self.seconds, action.message))

    def play(self, seconds: float) -> None:
        """Ticks of 20 ms; the player reports at every one."""
        until = self.seconds + seconds
        while self.seconds < until:
            self.clock.advance_to(self.clock.now_ns() + 20_000_000)
            frame = round(self.seconds * RATE)
            self.frames.mark(frame, self.clock.now_ns())
            for due in self.schedule.due(frame):
                due.on_reply(self.submit(due.command, due.at_frame))


def test_a_control_acts_on_the_frame_that_is_heard_at_its_time() -> None:
    simulation, told = ScheduleSimulation(), []
    simulation.play(1.0)
    for at, gain in ((1.5, -6.0), (1.5, -12.0), (1.2, -3.0)):
        landing = simulation.schedule.add(Command("deck/a/gain", gain), EPOCH + at, told.append)
        assert landing is not None and landing.seconds == pytest.approx(at - 1.0, abs=1e-6)
        assert landing.beat == pytest.approx((at - DELAY) * 2, abs=1e-3)
    assert told == [] and simulation.conductor.state["deck/a/gain"] == 0.0
    simulation.play(1.0)
    assert [r.value for r in told if isinstance(r, Accepted)] == [-3.0, -6.0, -12.0]
    beats = [r.landing.beat for r in told if isinstance(r, Accepted) and r.landing]
    assert beats == pytest.approx([(at - DELAY) * 2 for at in (1.2, 1.5, 1.5)], abs=1e-3)
    gains = [(sent, message) for sent, message in simulation.messages if str(message.target) == "deck/a/gain"]
    assert [message.at_frame for _, message in gains] == [round((at - DELAY) * RATE) for at in (1.2, 1.5, 1.5)]
    for sent, message in gains:  # handed over in time, and not long before
        assert message.at_frame is not None
        ahead = message.at_frame / RATE - sent
        assert COMMAND_LEAD_SECONDS - 0.021 <= ahead <= COMMAND_LEAD_SECONDS + 1e-6
    assert len(simulation.schedule) == 0


def test_a_rendered_change_is_submitted_when_its_time_has_come() -> None:
    simulation = ScheduleSimulation()
    simulation.play(1.0)
    told: list[tuple[float, Reply]] = []
    simulation.schedule.add(
        Command("deck/a/prompt", "dub"), EPOCH + 2.0, lambda r: told.append((simulation.seconds, r))
    )
    simulation.play(2.0)
    ((when, reply),) = told
    assert isinstance(reply, Accepted) and simulation.conductor.state["deck/a/prompt"] == "dub"
    assert 2.0 - DELAY <= when <= 2.0 + 0.02


def test_a_time_that_has_passed_acts_now_and_one_far_ahead_is_refused() -> None:
    simulation = ScheduleSimulation()
    assert simulation.schedule.add(Command("deck/a/gain", 0.0), EPOCH - 0.01, print) is None
    with pytest.raises(ControlError, match="clock of this machine"):
        simulation.schedule.add(Command("deck/a/gain", 0.0), EPOCH + MAX_AHEAD_SECONDS + 1, print)
    for _ in range(MAX_ENTRIES_EACH):
        simulation.schedule.add(Command("deck/a/gain", 0.0, "osc:x:1"), EPOCH + 5, print)
    with pytest.raises(ControlError, match=str(MAX_ENTRIES_EACH)):
        simulation.schedule.add(Command("deck/a/gain", 0.0, "osc:x:1"), EPOCH + 5, print)


def test_before_the_player_reports_the_clock_decides() -> None:
    simulation, told = ScheduleSimulation(), []
    simulation.schedule.add(Command("deck/a/gain", -3.0), EPOCH + 0.1, told.append)
    assert simulation.schedule.due(0) == []
    simulation.clock.advance_to(START_NS + 100_000_001)
    (due,) = simulation.schedule.due(0)
    assert due.at_frame is None and due.command.value == -3.0


def test_time_tags_and_unix_time_are_one_another_also_after_2036() -> None:
    for seconds in (0.0, EPOCH + 0.25, 2_208_988_800.0 + 0.5):
        assert unix_seconds(time_tag(seconds)) == pytest.approx(seconds, abs=1e-6)


def bundle(tag: int, *messages: bytes) -> bytes:
    return b"#bundle\0" + struct.pack(">Q", tag) + b"".join(struct.pack(">i", len(m)) + m for m in messages)


def test_a_bundle_over_osc_gets_its_beat_at_once_and_its_landing_when_it_acts() -> None:
    simulation = ScheduleSimulation()
    simulation.play(1.0)

    def schedule(command: Command, seconds: float, on_reply: Callable[[Reply], None]) -> object:
        return simulation.schedule.add(command, seconds, on_reply)

    osc = OscHarness(schedule=schedule)  # type: ignore[arg-type]
    wrong = encode("/riff/deck/a/gain", "loud")
    later = bundle(
        time_tag(EPOCH + 1.5),
        encode("/riff/deck/*/alpha", 0.5),
        wrong,
        encode("/riff/deck/a/gain", 20),
        encode("/riff/sync", 9),
    )
    answers = osc.send_bytes(later)
    assert [a[0] for a in answers] == ["/riff/scheduled"] * 2 + ["/riff/error", "/riff/scheduled", "/riff/synced"]
    assert answers[0][1:] == ("deck/a/alpha", pytest.approx(2.96, abs=1e-3), pytest.approx(0.5, abs=1e-3))
    assert osc.engine.commands == [] and osc.server.counters.scheduled == 3
    simulation.play(1.0)
    assert [a[:3] for a in osc.replies() if a[0] != "/riff/landing"] == [
        ("/riff/ok", "deck/a/alpha", 0.5),
        ("/riff/ok", "deck/b/alpha", 0.5),
        ("/riff/ok", "deck/a/gain", 6.0),
        ("/riff/note", "deck/a/gain", "clipped to 6.0; allowed is a number from -60 to 6 dB"),
    ]
    past = bundle(time_tag(EPOCH + 1.9), encode("/riff/deck/a/alpha", 0.75))
    assert osc.send_bytes(past) == [("/riff/ok", "deck/a/alpha", 0.75)]
    assert osc.server.counters.late == 1
    far = bundle(time_tag(EPOCH + 10**6), encode("/riff/deck/a/alpha", 0.1))
    assert osc.send_bytes(far)[0] == ("/riff/ok", "deck/a/alpha", 0.1)  # its sender has no clock: at once
    assert osc.engine.state["deck/a/alpha"] == 0.1
