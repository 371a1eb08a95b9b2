"""MIDI through a real server: controllers in another process play over JACK, are unplugged, and get LED feedback."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from riffengine.clock import SystemClock
from riffengine.control.midi.binding import Binding
from riffengine.control.midi.controller_map import ControllerMap
from riffengine.control.midi.controllers import MidiSetup
from riffengine.control.midi.event import MidiEvent
from riffengine.control.midi.led import FeedbackState
from riffengine.control.midi.server import MidiServer
from riffengine.performance.progress import PerformanceProgress
from riffengine.performance.prompt_lists import PromptLists
from tests.control.engine_stub import EngineStub
from tests.wire.jack_server import JackServer

pytestmark = pytest.mark.wire

FADERS = ("deck/a/alpha", "deck/b/alpha", "crossfader", "deck/a/filter", "deck/b/filter")
PATIENCE = 60.0  # seconds, on a busy machine


class PadBox:
    """The controller, by its process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls) -> PadBox:
        program = str(Path(__file__).with_name("pad_box.py"))
        pipe = asyncio.subprocess.PIPE
        return cls(await asyncio.create_subprocess_exec(sys.executable, program, stdin=pipe, stdout=pipe))

    def ask(self, **what: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(what).encode() + b"\n")

    async def shown(self) -> list[int] | str:
        """The next message that its LEDs are sent, or what the process reports."""
        assert self._process.stdout is not None
        found: list[int] | str = json.loads(await asyncio.wait_for(self._process.stdout.readline(), PATIENCE))
        return found

    async def until(self, *wanted: list[int] | str) -> None:
        """Until each of ``wanted`` has been shown, in any order and among others."""
        left = list(wanted)
        while left:
            message = await self.shown()
            if message in left:
                left.remove(message)

    async def end(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()


async def until(met: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not met():
            await asyncio.sleep(0.005)


def _cc(number: int, data: int) -> MidiEvent:
    return MidiEvent("cc", 1, number, data)


def midi_server(engine: EngineStub, setup: MidiSetup, told: list[str] | None = None) -> MidiServer:
    def feedback() -> FeedbackState:
        return FeedbackState(engine.state, PerformanceProgress(), PromptLists())

    said = [] if told is None else told
    opened.append(MidiServer(engine.context(SystemClock(), say=said.append), setup, feedback))
    return opened[-1]


opened: list[MidiServer] = []


@pytest.fixture(autouse=True)
def closed_before_its_server(request: pytest.FixtureRequest) -> Iterator[None]:
    """A failed test must not leave a thread that closes ports after its server has ended: libjack crashes then."""
    for server in {"lossless_jack", "patient_jack"} & set(request.fixturenames):
        request.getfixturevalue(server)
    yield
    while opened:
        opened.pop().close()


@pytest.mark.usefixtures("lossless_jack")
def test_300_moves_go_and_300_come_back() -> None:
    """Five faders move sixty times each; each one moves again when the motor beside it has shown its value."""
    engine, told = EngineStub(), list[str]()
    lines = [Binding(path, "cc", n, channel=1) for n, path in enumerate(FADERS)]
    motors = [Binding(path, "cc", n, channel=2, echo=True) for n, path in enumerate(FADERS)]
    led = Binding("deck/a/mute", "note", 36, channel=1, mode="toggle", light="plain")
    setup = MidiSetup(maps=(ControllerMap("box", match=("pad box",), bindings=(*lines, *motors, led)),))

    async def play() -> MidiServer:
        box = await PadBox.start()
        box.ask(come="pad box")
        assert await box.shown() == "here"
        midi = midi_server(engine, setup, told)
        await midi.start(apis=("ALSA", "JACK"))
        await until(lambda: "pad box" in midi.connected)
        await box.until([0x90, 36, 0])  # LEDs are sent the present state without a request
        for turn in range(60):
            values = [(turn * 2 + n + 1) % 128 for n in range(len(FADERS))]
            box.ask(send=[[0xB0, n, value] for n, value in enumerate(values)])
            await box.until(*([0xB1, n, value] for n, value in enumerate(values)))
        box.ask(send=[[0x90, 36, 100], [0x80, 36, 0]])
        await box.until([0x90, 36, 127])
        midi.close()
        await box.until([0x90, 36, 0])  # and switched off at the end
        await box.end()
        return midi

    midi = asyncio.run(play())
    assert any("JACK" in line and "pad box (map box)" in line for line in told), told
    assert midi.counters.received == 302 and midi.counters.rejected == midi.counters.garbage == 0
    assert midi.counters.dropped == midi.counters.superseded == 0
    moves = [(c.path, c.value) for c in engine.commands]
    tree = engine.tree
    assert moves[:300] == [
        (path, lines[n].value(_cc(n, (turn * 2 + n + 1) % 128), tree, engine.state))
        for turn in range(60)
        for n, path in enumerate(FADERS)
    ]
    assert moves[300:] == [("deck/a/mute", True)]
    stamps = [c.stamp_ns for c in engine.commands]
    assert stamps == sorted(stamps) and stamps[0] > 0


@pytest.mark.usefixtures("patient_jack")
def test_a_controller_is_unplugged_and_plugged_in_again_and_again() -> None:
    engine, told = EngineStub(), list[str]()
    lines = (
        Binding("deck/a/alpha", "cc", 0),
        Binding("crossfader", "cc14", 1),
        Binding("deck/a/filter", "pitchbend"),
        Binding("deck/b/mute", "note", 36, mode="toggle", light="plain"),
        Binding("deck/a/prompt", "program", 0, values=("techno", "jazz")),
    )
    setup = MidiSetup(bindings=lines, virtual=False, poll_seconds=0.01)
    rounds = 25  # a hundred during a set: python -m tools.bench.midi_hotplug

    async def play() -> MidiServer:
        box = await PadBox.start()
        midi = midi_server(engine, setup, told)
        await midi.start(apis=("JACK",))
        for round_ in range(rounds):
            box.ask(come="pad box")
            await box.until("here")
            await until(lambda round_=round_: midi.counters.connected == round_ + 1)
            muted = engine.state["deck/b/mute"]
            await box.until([0x90, 36, 127 * bool(muted)])  # the whole state, also what it was sent before
            value = round_ % 126 + 1
            box.ask(
                send=[
                    [0xB0, 0, value],
                    [0xB0, 1, value],
                    [0xB0, 33, value],
                    [0xE0, 0, value],
                    [0x90, 36, 100],
                    [0x80, 36, 0],
                    [0xC0, round_ % 2],
                ]
            )
            await box.until([0x90, 36, 127 * (not muted)])
            await until(lambda round_=round_: engine.state["deck/a/prompt"] == ("techno", "jazz")[round_ % 2])
            assert engine.state["deck/a/alpha"] == value / 127
            assert engine.state["crossfader"] == (value << 7 | value) / 16383
            assert engine.state["deck/a/filter"] == pytest.approx(2 * (value << 7) / 16383 - 1)
            box.ask(go=1)
            await box.until("gone")
            await until(lambda round_=round_: midi.counters.disconnected == round_ + 1)
            assert midi.connected == ()
        midi.close()
        await box.end()
        return midi

    midi = asyncio.run(play())
    assert (midi.counters.connected, midi.counters.disconnected) == (rounds, rounds)
    assert midi.counters.received == 7 * rounds and midi.counters.garbage == 0
    assert sum("connected: pad box" in line for line in told) == rounds
    assert sum("gone: pad box" in line for line in told) == rounds


@pytest.mark.usefixtures("patient_jack")
def test_two_controllers_of_one_name_keep_their_labels() -> None:
    engine = EngineStub()
    lines = (
        Binding("deck/a/alpha", "cc", 0, port="pad box#1"),
        Binding("deck/b/alpha", "cc", 0, port="pad box#2"),
    )
    setup = MidiSetup(bindings=lines, virtual=False, poll_seconds=0.01)

    async def play() -> None:
        first, second = await PadBox.start(), await PadBox.start()
        midi = midi_server(engine, setup)
        await midi.start(apis=("JACK",))
        first.ask(come="pad box")
        await until(lambda: midi.connected == ("pad box",))
        second.ask(come="pad box")
        await until(lambda: "pad box #2" in midi.connected)
        second.ask(send=[[0xB0, 0, 127]])
        await until(lambda: engine.state["deck/b/alpha"] == 1.0)
        assert engine.state["deck/a/alpha"] == 0.0
        first.ask(go=1)
        await until(lambda: midi.connected == ("pad box #2",))
        second.ask(send=[[0xB0, 0, 0]])
        await until(lambda: engine.state["deck/b/alpha"] == 0.0)
        first.ask(come="pad box")
        await until(lambda: "pad box" in midi.connected)
        first.ask(send=[[0xB0, 0, 127]])
        await until(lambda: engine.state["deck/a/alpha"] == 1.0)
        assert engine.state["deck/b/alpha"] == 0.0
        midi.close()
        await first.end()
        await second.end()

    asyncio.run(play())


def test_our_own_port_has_our_name_and_that_of_a_second_engine_a_number(patient_jack: JackServer) -> None:
    """JACK numbers clients of one name: each engine has several, and its port was riffengine-02:riffengine."""
    lit = Binding("deck/a/mute", "note", 36, mode="toggle", light="plain")
    first, second = midi_server(EngineStub(), MidiSetup((lit,))), midi_server(EngineStub(), MidiSetup())

    async def play() -> list[str]:
        for midi in (first, second):
            await midi.start(apis=("JACK",))
        found = [name for name in patient_jack.ports() if name.startswith("riffengine")]
        assert first.connected == second.connected == ()  # neither is a controller of the other
        first.close()
        second.close()
        return found

    assert sorted(asyncio.run(play())) == [
        "riffengine out:riffengine",
        "riffengine-01:riffengine",
        "riffengine:riffengine",
    ]


def test_a_missing_midi_system_is_a_message_and_not_an_error(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("JACK_DEFAULT_SERVER", "nobody-runs-this")
    monkeypatch.setenv("JACK_NO_START_SERVER", "1")
    told: list[str] = []
    midi = midi_server(EngineStub(), MidiSetup(), told)

    async def play() -> None:
        await midi.start(apis=("JACK",))
        midi.close()

    asyncio.run(play())
    (note,) = told
    assert "JACK" in note and midi.connected == () and midi.api == ""
    assert capfd.readouterr().err == ""


def test_a_missing_library_is_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rtmidi", None)
    told: list[str] = []
    midi = midi_server(EngineStub(), MidiSetup(), told)
    asyncio.run(midi.start())
    assert "python-rtmidi" in told[0]


OPENED = """
from riffengine.clock import SystemClock
from riffengine.control.midi.ports import MidiPorts, PortCallbacks
callbacks = PortCallbacks(*[lambda *_: True] * 6)
print(MidiPorts(callbacks, SystemClock()).start(("JACK",)))
"""


def test_a_set_without_controllers_follows_where_the_server_stands_still(jack: JackServer) -> None:
    jack.process.send_signal(signal.SIGSTOP)
    try:
        found = subprocess.run([sys.executable, "-c", OPENED], capture_output=True, text=True, timeout=120, check=True)
    finally:
        jack.process.send_signal(signal.SIGCONT)
    assert "JACK: the server does not answer" in found.stdout, found
