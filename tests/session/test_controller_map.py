"""The maps that ship: each is right in itself, knows its controller by name, and does and shows what it says."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from riffengine.cli.parser import build_parser
from riffengine.cli.play_options import chosen_maps, session_with
from riffengine.clock import VirtualClock
from riffengine.control.midi.controller import Controller
from riffengine.control.midi.controller_map import ControllerMap
from riffengine.control.midi.controllers import MidiSetup
from riffengine.control.midi.led import FeedbackState
from riffengine.control.midi.port_names import base_name
from riffengine.control.midi.server import MidiServer
from riffengine.control.surface import SurfaceContext
from riffengine.errors import PresetError
from riffengine.performance.command import Accepted, Command, Reply
from riffengine.performance.parameters import standard_tree
from riffengine.performance.progress import DeckProgress, PerformanceProgress, Phase
from riffengine.performance.prompt_lists import PromptLists
from riffengine.session.controller_map import known_maps, named_map, read_map
from riffengine.session.named_files import MAPS, map_names
from riffengine.session.session import load_session

TREE = standard_tree(("a", "b"), ("drums", "bass", "harmony"))
# As ALSA, CoreMIDI and Windows name the ports.
PORTS = {
    "apc-mini-mk2": ("APC mini mk2:APC mini mk2 Control 24:0", "APC mini mk2 Control"),
    "ddj-400": ("DDJ-400:DDJ-400 MIDI 1 28:0", "DDJ-400"),
    "faderfox-ec4": ("Faderfox EC4:Faderfox EC4 MIDI 1 20:0", "Faderfox EC4"),
    "launch-control-xl": ("Launch Control XL:Launch Control XL Launch Contro 24:0", "Launch Control XL"),
    "launchpad-mini-mk3": ("Launchpad Mini MK3:Launchpad Mini MK3 LPMiniMK3 MI 20:1", "MIDIIN2 (LPMiniMK3 MIDI)"),
    "launchpad-pro-mk3": ("Launchpad Pro MK3:Launchpad Pro MK3 LPProMK3 MIDI 20:0", "LPProMK3 MIDI"),
    "launchpad-x": ("Launchpad X:Launchpad X LPX MIDI In 20:1", "Launchpad X LPX MIDI Out"),
    "lpd8-mk2": ("LPD8 mk2:LPD8 mk2 MIDI 1 24:0", "LPD8 mk2"),
    "midi-fighter-twister": ("Midi Fighter Twister:Midi Fighter Twister MIDI 1 20:0", "Midi Fighter Twister"),
    "midimix": ("MIDI Mix:MIDI Mix MIDI 1 20:0", "MIDI Mix"),
    "nanokontrol2": ("nanoKONTROL2:nanoKONTROL2 nanoKONTROL2 _ CTR 20:0", "nanoKONTROL2 SLIDER/KNOB"),
}


@cache
def shipped(name: str) -> ControllerMap:
    return read_map(MAPS / f"{name}.yaml")


@cache
def known() -> tuple[ControllerMap, ...]:
    return known_maps()


def test_every_controller_that_was_promised_has_a_map() -> None:
    assert set(map_names()) == {*PORTS, "generic-8"}
    assert {found.name for found in known()} == set(PORTS), "the general one counts only when it is named"


@pytest.mark.parametrize("name", [*PORTS, "generic-8"])
def test_no_control_of_a_map_does_two_things_and_every_line_is_labelled(name: str) -> None:
    taken: dict[tuple[object, ...], str] = {}
    for binding in shipped(name).bindings:
        assert binding.label, binding
        for number in range(binding.number, binding.number + binding.span):
            key = (binding.kind, binding.channel, number)
            assert key not in taken, f"{key} is {taken[key]} and {binding.path}"
            taken[key] = binding.path
    assert "panic" in taken.values() and any("prompts" in path for path in taken.values())
    assert shipped(name).layout and shipped(name).title


def test_a_drawing_keeps_its_lines() -> None:
    lines = shipped("apc-mini-mk2").layout.splitlines()
    assert len(lines) == 10 and lines[0].endswith("[scene 1]") and lines[-1].startswith("|gain")


@pytest.mark.parametrize("name", PORTS)
def test_a_controller_is_known_by_its_port_on_every_system(name: str) -> None:
    for port in PORTS[name]:
        fitting = [found.name for found in known() if found.fits(base_name(port))]
        assert fitting == [name], port


def test_devices_says_which_map_knows_a_port() -> None:
    assert [named_map(PORTS["midimix"][0]), named_map("Somebody's Keyboard:MIDI 1 20:0")] == ["midimix", ""]


def answered(name: str, *messages: tuple[int, ...]) -> list[tuple[str, object]]:
    state, heard = TREE.initial_state(), list[Command]()

    def submit(command: Command) -> Reply:
        heard.append(command)
        return Accepted(command, command.value)

    midi = MidiServer(SurfaceContext(TREE, VirtualClock(), submit, lambda: state), MidiSetup(maps=known()))
    for message in messages:
        midi.handle(message, base_name(PORTS[name][0]), 0)
    return [(command.path, command.value) for command in heard]


def test_gestures_on_four_controllers() -> None:
    assert answered("apc-mini-mk2", (0x90, 58, 127), (0x80, 58, 0), (0x90, 107, 127), (0x90, 114, 127)) == [
        ("deck/a/prompts/pick", 3),
        ("panic", True),
        ("scene/recall", "3"),
    ]
    assert answered("ddj-400", (0xB0, 33, 66), (0x97, 4, 127), (0x90, 11, 127)) == [
        ("transport/nudge", 2.0),
        ("deck/a/prompts/pick", 5),
        ("deck/a/mute", True),
    ]
    assert answered("launchpad-pro-mk3", (0xB0, 79, 127), (0xB0, 79, 0), (0x90, 31, 127), (0x90, 38, 127)) == [
        ("scene/recall", "2"),
        ("crossfader", 0),
        ("crossfader", 1),
    ]
    assert answered("midi-fighter-twister", (0xB0, 12, 127), (0xB1, 14, 127), (0xB1, 14, 0)) == [
        ("crossfader", 1.0),
        ("undo", True),
    ]


def test_what_a_pad_shows_on_the_wire() -> None:
    state = TREE.initial_state().with_value("deck/a/prompt", "dub")
    lists = PromptLists((("", ("house", "dub")),))

    def shown(name: str, phase: Phase) -> list[bytes]:
        controller = Controller.of(base_name(PORTS[name][0]), TREE, (), (), [shipped(name).within(TREE)])
        progress = PerformanceProgress({"a": DeckProgress(phase), "b": DeckProgress(phase)})
        return [m for now in range(20) for m in controller.feedback.update(FeedbackState(state, progress, lists), now)]

    assert bytes((0x96, 57, 21)) in shown("apc-mini-mk2", Phase.PLAYING)
    assert bytes((0x99, 57, 13)) in shown("apc-mini-mk2", Phase.RENDERING), "pulses yellow"
    assert bytes((0x90, 56, 3)) in shown("apc-mini-mk2", Phase.PLAYING), "dim: there is a prompt"
    assert bytes((0x96, 58, 0)) in shown("apc-mini-mk2", Phase.PLAYING), "dark: there is none"
    queued = shown("launchpad-x", Phase.QUEUED)
    at = queued.index(bytes((0x90, 82, 0)))
    assert queued[at + 1] == bytes((0x91, 82, 13)), "flashes over what stands"
    twister = shown("midi-fighter-twister", Phase.PLAYING)
    assert bytes((0xB0, 4, round(127 * (1 - (6 / 66) ** 0.5)))) in twister, "the ring of gain a"


def test_maps_are_named_on_the_command_line(tmp_path: Path) -> None:
    preset = tmp_path / "set.yaml"
    preset.write_text("midi: {map: nanokontrol2}\n")
    typed = build_parser().parse_args(["play", "--map", "generic-8", "--map", "lpd8-mk2=My Pads"])
    session = session_with(typed, load_session(preset))
    assert [(m.name, m.match) for m in session.midi.maps] == [
        ("generic-8", ("*",)),
        ("lpd8-mk2", ("my pads",)),
        ("nanokontrol2", ("nanokontrol2",)),
    ]
    with pytest.raises(PresetError, match="apc-mini-mk2"):
        chosen_maps(["nothing"])
