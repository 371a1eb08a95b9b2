"""Options of play and serve replace settings of the preset, group by group, and leave the others alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from riffengine.cli.parser import build_parser
from riffengine.cli.play_options import check_recording, play_options, session_with
from riffengine.errors import AudioFileError
from riffengine.performance.command import Command
from riffengine.recovery import Recovery
from riffengine.session.audio import AudioSettings
from riffengine.session.midi import MidiSettings
from riffengine.session.osc import OscSettings
from riffengine.session.session import Session, load_session
from riffengine.session.sync import SyncSettings

PRESET = Session(
    name="mine",
    audio=AudioSettings("device", "USB", 48000, 256, cue=True, record=Path("a.wav"), fade_out_seconds=9.0),
    osc=OscSettings(host="0.0.0.0", port=9100, allow=("10.0.0.7",), query=False),
    midi=MidiSettings(ports=("nano",), virtual=False, notes_out_port="synth"),
    sync=SyncSettings(True, "Digitakt", "drums"),
)


def typed(words: str, session: Session = PRESET) -> Session:
    return session_with(build_parser().parse_args(words.split()), session)


@pytest.mark.parametrize("words", ["play", "serve preset"])
def test_what_is_not_typed_stays(words: str) -> None:
    assert typed(words) == PRESET


@pytest.mark.parametrize("verb", ["play", "serve preset"])
def test_options_of_both_verbs(verb: str) -> None:
    found = typed(
        f"{verb} --output paced --device 3 --record b.flac --osc-port 9200 --osc-bind ::1 --osc-allow 10.0.0.0/8"
    )
    assert found.audio == replace(PRESET.audio, output="paced", device="3", record=Path("b.flac"))
    assert found.osc == replace(PRESET.osc, port=9200, host="::1", allow=("10.0.0.0/8",))
    assert (found.midi, found.sync, found.name) == (PRESET.midi, PRESET.sync, "mine")
    assert typed(f"{verb} --input").audio == replace(PRESET.audio, sound_input=True)
    assert typed(f"{verb} --input mic").audio == replace(PRESET.audio, sound_input=True, input_device="mic")
    assert not typed(f"{verb} --no-osc").osc.enabled
    assert not typed(f"{verb} --no-midi").midi.enabled


def test_options_of_play() -> None:
    found = typed("play --block 64 --loop-beats 16 --clock-out clock --notes-out notes --map generic-8")
    assert (found.audio.block_frames, found.loop_beats) == (64, 16)
    assert (found.sync.clock_out_port, found.midi.notes_out_port) == ("clock", "notes")
    assert [m.name for m in found.midi.maps] == ["generic-8"]
    assert typed("play --clock-out --notes-out") == PRESET  # on the ports that the preset names


def test_what_holds_for_one_performance_is_no_setting(tmp_path: Path) -> None:
    recovery = Recovery(tmp_path, 0.0, resume=False)
    parser = build_parser()
    arguments = parser.parse_args(["play", "--seconds", "3", "--journal", "j", "--latency-csv", "c"])
    options = play_options(arguments, recovery, (Command("panic", True),))
    assert (options.seconds, options.journal, options.latency_csv) == (3.0, Path("j"), Path("c"))
    assert options.recovery is recovery and len(options.commands) == 1
    served = play_options(parser.parse_args(["serve", "preset", "--journal", "j"]), recovery)
    assert (served.seconds, served.journal, served.latency_csv, served.commands) == (None, Path("j"), None, ())


def test_a_model_of_the_command_line_brings_its_stems(tmp_path: Path) -> None:
    preset = tmp_path / "set.yaml"
    preset.write_text("deck: {a: {stem: {low: {gain: -3}}}}\n")
    session = load_session(preset, "some/checkpoint")
    assert session.model == "some/checkpoint" and "deck/a/stem/low/gain" in session.tree()


def test_a_number_is_a_device_and_so_is_a_name() -> None:
    devices = [AudioSettings(device=text).portaudio_device for text in ("", "3", "USB")]
    assert devices == [None, 3, "USB"]


def test_a_recording_is_checked_before_anything_starts() -> None:
    with pytest.raises(AudioFileError, match=r"night\.ogg"):
        check_recording(Path("p.yaml"), Session(audio=AudioSettings(record=Path("night.ogg"))))
