"""The rack with real host processes: plugins are loaded, moved, kept running, and given up after three deaths."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from riffengine.engine.plugins.rack import PluginRack, RackPorts
from riffengine.performance.command import Accepted, Command, Rejected, Reply
from riffengine.performance.parameters import standard_tree
from riffengine.plugins.chain import MOST_STATE_BYTES, PluginChain
from riffengine.plugins.host import PluginHost
from riffengine.processes.player_messages import AttachInsert, DetachInsert, SetControl, SetInsertLatency, ToPlayer
from riffengine.processes.plugin_blocks import BLOCK_FRAMES, PluginBlocks
from riffengine.scheduler.actions import ToPlayerMessage
from riffengine.scheduler.conductor import Conductor
from riffengine.session.fx import PluginSetting
from riffengine.transport.beat_grid import BeatGrid

RATE = 44100
AT = "deck/a/fx/1"


class Set:
    """An engine's worth of parts around a rack: a conductor, and a player that only asks for blocks."""

    def __init__(self) -> None:
        tree = standard_tree()
        self.conductor = Conductor(tree, tree.initial_state(), BeatGrid(RATE, 120.0), ("a",), 16)
        self.sent: list[ToPlayer] = []
        self.told: list[str] = []
        self.blamed: list[str] = []
        self.lead = 0
        self.block = 0
        ports = RackPorts(
            send=self.sent.append,
            submit=self.submit,
            tell=lambda place, text: self.told.append(text),
            now_ns=time.monotonic_ns,
            leads=lambda frames: setattr(self, "lead", frames),
            parameters_changed=lambda: None,
            blame=lambda reference, reason: self.blamed.append(reference),
            opener="tests.plugins.python_plugins",
        )
        self.rack = PluginRack(self.conductor, 512, ports)

    def submit(self, command: Command) -> Reply:
        refused = self.rack.answer(command, 0) if command.path.endswith("/plugin") else None
        reply, actions = refused or self.conductor.submit(command, 0)
        self.sent += [action.message for action in actions if isinstance(action, ToPlayerMessage)]
        if isinstance(reply, Accepted):
            self.rack.changed(command.path, reply.value)
        return reply

    def until(self, condition: Callable[[], bool]) -> None:
        """Tick until it is so; the test's own time limit ends a wait in vain."""
        while not condition():
            self.rack.tick()
            time.sleep(0.005)

    def attached(self) -> AttachInsert:
        self.until(lambda: any(isinstance(message, AttachInsert) for message in self.sent))
        return next(message for message in reversed(self.sent) if isinstance(message, AttachInsert))

    def through(self, blocks: PluginBlocks, changes: tuple[tuple[int, float], ...] = ()) -> float | None:
        """What becomes of a block of ones, ``None`` where it is not answered soon."""
        self.block += 1
        blocks.ask(self.block, np.ones((BLOCK_FRAMES, 2), np.float32), 0.0, 120.0, changes)
        for _ in range(20):
            if (answer := blocks.answer(self.block)) is not None:
                return float(answer[0][-1, 0])
            self.rack.tick()
            time.sleep(0.005)
        return None

    def heard(self, blocks: PluginBlocks) -> float:
        """What becomes of a block of ones; asked again until one is answered, however busy the machine is."""
        while (value := self.through(blocks)) is None:
            pass
        return value

    def harm(self, blocks: PluginBlocks, kind: float, text: str) -> None:
        """Ask for a fault until ``text`` is told: a new host may not take the first block."""
        while not any(text in told for told in self.told):
            self.through(blocks, ((3, kind),))
        self.say(text)

    def say(self, text: str) -> None:
        """Wait until ``text`` is told, and forget what was told until then; what follows may be told already."""
        self.until(lambda: any(text in told for told in self.told))
        first = next(index for index, told in enumerate(self.told) if text in told)
        del self.told[: first + 1]


@pytest.fixture
def a_set() -> Iterator[Set]:
    one = Set()
    yield one
    one.rack.close_hosts()


def test_a_plugin_joins_the_tree_with_what_it_has_and_what_the_preset_wants(a_set: Set) -> None:
    a_set.rack.begin((PluginSetting("deck/a", 1, "test:late", {"gain": 0.5, "mix": 1.0, "nothing": 1}),))
    message = a_set.attached()
    assert (message.place, message.latency_frames) == ("deck/a", 256)
    assert message.controls[:3] == (f"{AT}/on", f"{AT}/mix", f"{AT}/gain")
    assert a_set.conductor.state[f"{AT}/gain"] == 0.5
    assert a_set.conductor.state[f"{AT}/delay"] == 256
    assert f"{AT}/peak" not in a_set.conductor.tree  # a meter
    assert "deck/a/fx/2/plugin" in a_set.conductor.tree
    moves = [m.value for m in a_set.sent if isinstance(m, SetControl) and str(m.target) == f"{AT}/gain"]
    assert moves == [0.5]
    assert any("nothing" in told for told in a_set.told)
    a_set.rack.tick()
    assert a_set.lead == 512 + BLOCK_FRAMES + 256
    assert a_set.conductor.scheduler.lead_frames == round(0.1 * RATE)  # the engine sets it, by the port


def test_it_is_taken_out_and_its_parameters_leave(a_set: Set) -> None:
    a_set.submit(Command(f"{AT}/plugin", "test:gain"))
    a_set.attached()
    a_set.submit(Command(f"{AT}/plugin", ""))
    assert isinstance(a_set.sent[-1], DetachInsert)
    assert f"{AT}/gain" not in a_set.conductor.tree and f"{AT}/gain" not in a_set.conductor.state.values


def test_what_names_no_plugin_is_refused_and_what_cannot_be_opened_is_told(a_set: Set) -> None:
    answered = a_set.rack.answer(Command(f"{AT}/plugin", "reverb"), 0)
    assert answered is not None and isinstance(answered[0], Rejected)
    a_set.submit(Command(f"{AT}/plugin", "test:missing"))
    a_set.say("there is no test:missing")
    a_set.until(lambda: a_set.conductor.state[f"{AT}/plugin"] == "")


def test_what_a_refused_plugin_should_have_had_is_not_given_to_the_next_one_at_its_place(a_set: Set) -> None:
    wanted = (
        PluginSetting("deck/a", 1, "test:missing", {"gain": 0.5}),
        PluginSetting("deck/a", 2, "reverb", {"gain": 0.5}, b"0.25"),
    )
    a_set.rack.begin(wanted)
    a_set.say("'reverb' names no plugin")
    a_set.until(lambda: a_set.conductor.state[f"{AT}/plugin"] == "")
    for path in (f"{AT}/plugin", "deck/a/fx/2/plugin"):
        a_set.submit(Command(path, "test:gain"))
        a_set.attached()
        a_set.sent.clear()
    assert (a_set.conductor.state[f"{AT}/gain"], a_set.conductor.state["deck/a/fx/2/gain"]) == (1.0, 1.0)


def test_who_scrolls_through_plugins_starts_few_processes_and_gets_the_last_one(
    a_set: Set, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[str] = []
    start = PluginHost.start

    def counted(host: PluginHost) -> None:
        assert host.options is not None
        started.append(host.options.chain.plugins[0].reference)
        start(host)

    monkeypatch.setattr(PluginHost, "start", counted)
    began_ns = time.monotonic_ns()
    for turn in range(50):
        a_set.submit(Command(f"{AT}/plugin", ("test:gain", "test:late")[turn % 2]))
        a_set.rack.tick()
    assert len(started) <= 1 + (time.monotonic_ns() - began_ns) / 500_000_000
    assert a_set.attached().latency_frames == 256 and started[-1] == "test:late"


def test_a_crash_is_followed_by_a_host_with_the_present_parameters(a_set: Set) -> None:
    a_set.submit(Command(f"{AT}/plugin", "test:gain"))
    message = a_set.attached()
    blocks = PluginBlocks.attach(message.segment)
    a_set.submit(Command(f"{AT}/gain", 0.25))
    assert a_set.heard(blocks) == 1.0  # the player did not pass the change on
    a_set.harm(blocks, 1.0, "ended by signal 11")  # a segmentation fault
    a_set.submit(Command(f"{AT}/gain", 0.75))  # while there is no host
    a_set.say("are back")
    assert a_set.heard(blocks) == 0.25
    moves = [m.value for m in a_set.sent if isinstance(m, SetControl) and str(m.target) == f"{AT}/gain"]
    assert (moves[0], moves[-1]) == (0.25, 0.75) and set(moves) == {0.25, 0.75}  # again for a host that came later
    assert any(isinstance(message, SetInsertLatency) for message in a_set.sent)
    assert a_set.rack.facts()["plugin_deaths"] == 1
    blocks.close()


def test_a_host_that_hangs_is_ended(a_set: Set) -> None:
    a_set.submit(Command(f"{AT}/plugin", "test:gain"))
    blocks = PluginBlocks.attach(a_set.attached().segment)
    assert a_set.heard(blocks) == 1.0
    a_set.harm(blocks, 2.0, "hangs")  # sleeps for a second
    a_set.say("are back")
    assert a_set.heard(blocks) == 1.0
    blocks.close()


def test_the_third_death_within_a_minute_bypasses_it_until_it_is_switched_on(a_set: Set) -> None:
    a_set.submit(Command(f"{AT}/plugin", "test:gain"))
    blocks = PluginBlocks.attach(a_set.attached().segment)
    for _ in range(2):
        a_set.harm(blocks, 3.0, "gives what is no sound")  # NaN
        a_set.say("are back")
    a_set.harm(blocks, 3.0, "for the third time within a minute")
    assert a_set.blamed == ["test:gain"]
    assert a_set.rack.facts()["plugins"] == 0 and a_set.rack.facts()["plugins_bypassed"]
    assert isinstance(a_set.sent[-1], DetachInsert)
    a_set.sent.clear()
    a_set.submit(Command(f"{AT}/on", True))
    a_set.attached()
    assert not a_set.rack.facts()["plugins_bypassed"]
    blocks.close()


def test_the_state_is_kept_and_a_new_player_is_told(a_set: Set) -> None:
    a_set.rack.begin((PluginSetting("master", 1, "test:gain", {}, b"0.125"),))
    blocks = PluginBlocks.attach(a_set.attached().segment)
    assert a_set.heard(blocks) == 0.125
    a_set.until(lambda: a_set.rack.states() == {"master/fx/1": b"0.125"})
    assert a_set.conductor.state["master/fx/1/gain"] == 0.125
    a_set.sent.clear()
    a_set.rack.player_restarted()
    assert [type(message) for message in a_set.sent] == [AttachInsert]
    blocks.close()


def test_a_large_state_is_kept_while_the_plugin_plays_on_and_one_that_is_too_large_is_told_and_forgotten(
    a_set: Set,
) -> None:
    a_set.submit(Command(f"{AT}/plugin", "test:large"))
    blocks = PluginBlocks.attach(a_set.attached().segment)
    while not a_set.rack.states():  # the answer crosses the pipe in many pieces, between blocks that are answered
        a_set.through(blocks)
    (kept,) = a_set.rack.states().values()
    assert len(kept) == MOST_STATE_BYTES and a_set.rack.facts()["plugin_deaths"] == 0
    for gain in (2.0, 3.0):
        a_set.submit(Command(f"{AT}/gain", gain))
        a_set.through(blocks, ((2, gain),))
        while f"{AT}" in a_set.rack.states():
            a_set.through(blocks)
    assert sum("more than 4 MiB, which is not kept" in told for told in a_set.told) == 1
    a_set.submit(Command(f"{AT}/gain", 0.5))
    a_set.through(blocks, ((2, 0.5),))
    while not a_set.rack.states():
        a_set.through(blocks)
    assert a_set.rack.facts()["plugin_deaths"] == 0
    blocks.close()


def test_a_chain_is_described_for_a_journal_alone(a_set: Set) -> None:
    a_set.rack.begin((PluginSetting("master", 1, "test:gain", {}, b"0.125"),))
    assert PluginChain.from_text(a_set.attached().chain).plugins[0].state == b"0.125"
    a_set.sent.clear()
    a_set.rack.journaled = False
    a_set.rack.player_restarted()
    assert a_set.attached().chain == ""


def test_a_host_that_the_system_will_not_start_is_started_again(a_set: Set, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after an out-of-memory kill: no process to be had at the first load, nor when a crashed host is replaced."""
    refuses = [True]
    start = PluginHost.start

    def reluctant(host: PluginHost) -> None:
        if refuses[0]:
            raise OSError(errno.EAGAIN, "Resource temporarily unavailable")
        start(host)

    monkeypatch.setattr(PluginHost, "start", reluctant)
    a_set.rack.begin((PluginSetting("deck/a", 1, "test:late", {"gain": 0.5}),))
    a_set.say("cannot be started: Resource temporarily unavailable; they are started again now")
    a_set.say("they are started again in 0.5 s")
    refuses[0] = False
    assert a_set.attached().place == "deck/a"
