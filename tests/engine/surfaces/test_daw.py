"""DawSurface on a real socket and real rings: who connects, what moves, what is shown, and what a project restores."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from riffengine.control.midi.binding import Binding
from riffengine.engine.surfaces.daw import DawSurface
from riffengine.errors import ControlError, DawError
from riffengine.performance.command import Command
from riffengine.performance.parameters import standard_tree
from riffengine.processes.daw_handshake import Answer, Hello
from riffengine.processes.player_messages import AttachInstance, DetachInstance, ToHost
from riffengine.session.audio import AudioSettings
from riffengine.session.midi import MidiSettings
from riffengine.session.session import Session
from tests.control.engine_stub import EngineStub
from tests.processes.daw_host import HostEnd


@dataclass
class Track:
    """One instance of the plugin, connected."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    answer: Answer
    end: HostEnd
    states: list[str] = field(default_factory=list)

    async def next_state(self) -> str:
        line = await asyncio.wait_for(self.reader.readline(), 5.0)
        return line.decode().split('"')[3]

    def leave(self) -> None:
        self.end.close()
        self.writer.close()


class Desk:
    """The surface with an engine that only keeps what is asked of it."""

    def __init__(self, path: Path, midi: MidiSettings | None = None) -> None:
        self.path = path
        self.stub = EngineStub(standard_tree(("a", "b"), ("mix",)))
        self.said: list[str] = []
        self.sent: list[ToHost] = []
        session = Session(
            name="mine", decks=("a", "b"), audio=AudioSettings(output="daw"), midi=midi or MidiSettings(learned=False)
        )
        context = replace(self.stub.context(say=self.said.append), to_host=self.sent.append)
        self.surface = DawSurface(session, context, self.sent.append)

    async def connect(self, wants: str = "master", instance: str = "", state: str = "", rate: int = 48000) -> Track:
        reader, writer = await asyncio.open_unix_connection(str(self.path))
        sources = tuple(wants.split(","))
        writer.write(Hello(instance, rate, sources, 2 * len(sources), state).line())
        try:
            answer = Answer.parse(await asyncio.wait_for(reader.readline(), 5.0))
        except DawError:
            writer.close()
            raise
        return Track(reader, writer, answer, HostEnd(answer.ring))


@contextlib.asynccontextmanager
async def open_desk(path: Path, midi: MidiSettings | None = None) -> AsyncIterator[Desk]:
    desk = Desk(path, midi)
    await desk.surface.start(path)
    try:
        yield desk
    finally:
        desk.surface.close()


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it never happened")


def run(tmp_path: Path, scenario: Callable[[Desk], object], midi: MidiSettings | None = None) -> None:
    async def all_of_it() -> None:
        async with open_desk(tmp_path / "daw.sock", midi) as desk:
            await scenario(desk)  # type: ignore[misc]  # every scenario is a coroutine function

    asyncio.run(all_of_it())


def test_an_instance_gets_a_ring_and_the_player_hears_of_it(tmp_path: Path) -> None:
    async def scenario(desk: Desk) -> None:
        track = await desk.connect("deck/b/stem/1,deck/a", rate=96000)
        assert (track.end.rate, track.end.channels) == (96000, 4)
        assert desk.sent == [AttachInstance(track.answer.ring, ("deck/b/stem/drums", "deck/a"))]
        again = await desk.connect(instance=track.answer.instance)  # a duplicated track
        assert again.answer.instance not in ("", track.answer.instance)
        track.leave()
        await until(lambda: desk.sent[-1] == DetachInstance(track.answer.ring))
        back = await desk.connect(instance=track.answer.instance)
        assert back.answer.instance == track.answer.instance
        back.leave()
        again.leave()

    run(tmp_path, scenario)


@pytest.mark.parametrize(
    ("wants", "reason"),
    [("deck/z", "there are a, b"), ("deck/a/stem/vocals", "it has drums")],
)
def test_what_the_set_does_not_have_is_refused_with_a_reason(tmp_path: Path, wants: str, reason: str) -> None:
    async def scenario(desk: Desk) -> None:
        with pytest.raises(DawError, match=reason):
            await desk.connect(wants)
        assert desk.sent == []

    run(tmp_path, scenario)


def test_garbage_on_the_socket_disturbs_nobody(tmp_path: Path) -> None:
    async def scenario(desk: Desk) -> None:
        track = await desk.connect()
        for line in (b"\n", b"{}\n", b"\xff\xfe\n", b'{"instance":"","rate":1,"wants":"master","channels":2}\n'):
            reader, writer = await asyncio.open_unix_connection(str(desk.path))
            writer.write(line)
            assert b"error" in await asyncio.wait_for(reader.readline(), 5.0)
            writer.close()
        reader, writer = await asyncio.open_unix_connection(str(desk.path))
        writer.write(b"x" * 200_000)
        assert await asyncio.wait_for(reader.read(), 5.0) is not None
        writer.close()
        assert desk.surface.instances == 1
        track.leave()

    run(tmp_path, scenario)


def test_a_move_in_the_host_moves_the_set_and_the_other_tracks_show_it(tmp_path: Path) -> None:
    async def scenario(desk: Desk) -> None:
        one, other = await desk.connect(), await desk.connect()
        shown, before = one.end.received(0), other.end.received(0)[1]
        one.end.parameter(0, 0.75)
        await until(lambda: desk.stub.state["crossfader"] == 0.75)
        assert desk.stub.commands[-1].source == "daw"
        assert other.end.received(0) == (0.75, before + 1)
        assert one.end.received(0) == shown  # no echo: it would fight with the automation
        one.leave()
        other.leave()

    run(tmp_path, scenario)


def test_a_change_in_the_engine_is_shown_in_the_host(tmp_path: Path) -> None:
    async def scenario(desk: Desk) -> None:
        desk.stub.submit(Command("crossfader", 0.25))
        track = await desk.connect()
        assert track.end.received(0)[0] == 0.25
        desk.surface.changed("crossfader", 1.0)
        assert track.end.received(0)[0] == 1.0
        desk.surface.changed("deck/a/prompt", "dub")  # has no slot
        track.leave()

    run(tmp_path, scenario)


def test_notes_of_the_track_are_read_by_the_midi_map_of_the_preset(tmp_path: Path) -> None:
    keys = Binding("deck/a/mute", "note", 60, mode="toggle")
    chord = Binding("chords", "chord", 48, to=59)

    async def scenario(desk: Desk) -> None:
        track = await desk.connect()
        track.end.midi(4.0, 100, bytes((0x90, 60, 100)))
        await until(lambda: bool(desk.stub.state["deck/a/mute"]))
        assert desk.stub.commands[-1].source == "midi:daw"
        track.leave()

    run(tmp_path, scenario, MidiSettings(learned=False, bindings=(keys, chord)))


def test_a_project_that_is_opened_again_restores_the_set_once(tmp_path: Path) -> None:
    async def scenario(desk: Desk) -> None:
        desk.stub.submit(Command("deck/a/prompt", "dub techno"))
        track = await desk.connect()
        saved = await track.next_state()
        name = track.answer.instance
        track.leave()
        desk.stub.submit(Command("deck/a/prompt", "something else"))
        again = await desk.connect(instance=name, state=saved)  # a moment without the socket: nothing is set back
        assert desk.stub.state["deck/a/prompt"] == "something else"
        again.leave()
        opened = await desk.connect(instance="other", state=saved)  # a project
        assert desk.stub.state["deck/a/prompt"] == "dub techno"
        commands = len(desk.stub.commands)
        second = await desk.connect("deck/a", instance="third", state=saved)  # its next track has the same state
        assert len(desk.stub.commands) == commands
        broken = await desk.connect(state="AAAA")
        assert "left out" in desk.said[-2]
        assert len(desk.stub.commands) == commands
        for one in (opened, second, broken):
            one.leave()

    run(tmp_path, scenario)


def test_a_second_engine_is_told_that_there_is_one_and_a_dead_ones_socket_is_replaced(tmp_path: Path) -> None:
    async def scenario(desk: Desk) -> None:
        with pytest.raises(ControlError, match="another engine"):
            await Desk(desk.path).surface.start(desk.path)

    run(tmp_path, scenario)

    async def after_a_crash() -> None:
        import socket

        path = tmp_path / "dead.sock"
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(path))
            dead.listen()
        async with open_desk(path) as desk:
            (await desk.connect()).leave()

    asyncio.run(after_a_crash())


def test_a_turn_that_fails_is_followed_by_the_next(tmp_path: Path) -> None:
    async def scenario(desk: Desk) -> None:
        told: list[str] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context["message"]))

        def broken(now_ns: int) -> None:
            raise ValueError("broken")

        desk.surface._midi.tick = broken  # type: ignore[method-assign, assignment]
        await until(lambda: "an error with the DAW's plugin" in told)
        track = await desk.connect()
        track.end.parameter(0, 0.75)
        await until(lambda: desk.stub.state["crossfader"] == 0.75)
        track.leave()

    run(tmp_path, scenario)
