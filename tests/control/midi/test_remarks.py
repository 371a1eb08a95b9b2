"""What a controller cannot show is told to the performer: a program without a scene, a value that is refused."""

from __future__ import annotations

from dataclasses import replace

from riffengine.clock import VirtualClock
from riffengine.control.midi.binding import Binding
from riffengine.control.midi.controllers import MidiSetup
from riffengine.control.midi.input import REMARK_NS
from riffengine.control.midi.server import MidiServer
from riffengine.performance.command import Command, Rejected, Reply
from tests.control.engine_stub import EngineStub

SCENES = Binding("scene/recall", "program", 0, values=("intro", "drop"))


class _Engine(EngineStub):
    """Refuses every scene, as an engine does whose scenes have been deleted."""

    def submit(self, command: Command) -> Reply:
        super().submit(command)
        return Rejected(command, f"there is no scene {command.value!r}")


def midi_server(engine: EngineStub, *bindings: Binding) -> tuple[MidiServer, VirtualClock, list[tuple[str, str]]]:
    told: list[tuple[str, str]] = []
    clock = VirtualClock()
    context = replace(engine.context(clock), report=lambda path, text: told.append((path, text)))
    return MidiServer(context, MidiSetup(bindings)), clock, told


def test_a_program_change_to_a_scene_that_is_not_there_is_told_and_changes_nothing() -> None:
    engine = EngineStub()
    midi, _, told = midi_server(engine, SCENES, Binding("undo", "program", 9))
    assert midi.handle([0xC0, 5], "nano", 0) == []
    assert engine.commands == []
    assert told == [("scene/recall", "program 5 of nano sets nothing: scene/recall has programs 0 to 1")]
    midi.handle([0xC0, 1], "nano", 0)
    midi.handle([0xC0, 9], "nano", 0)
    assert [command.value for command in engine.commands] == ["drop", True]
    assert len(told) == 1


def test_a_program_on_a_channel_without_a_row_is_not_told() -> None:
    midi, _, told = midi_server(EngineStub(), replace(SCENES, channel=2))
    midi.handle([0xC0, 5], "nano", 0)  # channel 1
    midi.handle([0xB1, 5, 5], "nano", 0)  # a controller
    assert told == []
    midi.handle([0xC1, 5], "nano", 0)
    assert len(told) == 1


def test_a_refusal_is_told_and_a_flood_of_refusals_now_and_then() -> None:
    midi, clock, told = midi_server(_Engine(), SCENES)
    for _ in range(100):
        midi.handle([0xC0, 0], "nano", 0)
    assert told == [("scene/recall", "nano: there is no scene 'intro'")]
    clock.advance_to(REMARK_NS)
    midi.handle([0xC0, 1], "nano", 0)
    assert told[1:] == [("scene/recall", "nano: there is no scene 'drop'")]
    assert midi.counters.rejected == 101
