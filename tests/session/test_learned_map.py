"""What a performer taught, in a file that is only ever replaced whole; maps by name, read strictly."""

from __future__ import annotations

from pathlib import Path

import pytest

from riffengine.control.midi.binding import Binding
from riffengine.errors import ControlError, PresetError
from riffengine.renderer.registry import model_shape
from riffengine.session.controller_map import read_map
from riffengine.session.learned_map import LearnedMap
from riffengine.session.named_files import find_map
from riffengine.session.session import load_session

KNOB = Binding("deck/a/alpha", "cc", 7, channel=1, takeover="pickup", port="nano")
PAD = Binding("deck/b/prompt", "note", 36, channel=10, values=("on", 'he said "dub"', "1999"), port="lpd8 mk2 #2")
BEND = Binding("master/gain", "pitchbend", channel=9, low=-40.0, high=0.0, travel=(3, 16000), port="nano")


def test_lines_come_back_as_they_were_taught(tmp_path: Path) -> None:
    learned = LearnedMap(tmp_path / "new" / "riffengine")
    assert learned.read() == ((), [])
    for binding in (KNOB, PAD, BEND):
        learned.keep(binding)
    assert learned.read() == ((KNOB, PAD, BEND), [])
    assert [path.name for path in learned.path.parent.iterdir()] == ["midi.yaml"]  # nothing half-written is left


def test_a_control_that_is_taught_again_does_the_new_thing_and_what_a_person_wrote_stays(tmp_path: Path) -> None:
    learned = LearnedMap(tmp_path)
    learned.path.write_text("# mine\nmap:\n  # the big knob\n  - {cc: 7, channel: 1, port: nano, set: crossfader}\n")
    learned.keep(KNOB)
    assert learned.read() == ((KNOB,), [])
    assert "# mine" in learned.path.read_text() and "# the big knob" in learned.path.read_text()
    assert learned.forget("deck/a/alpha") == 1 and learned.read() == ((), [])
    learned.keep(PAD)
    assert learned.read() == ((PAD,), [])


def test_a_wrong_line_is_told_and_the_others_count(tmp_path: Path) -> None:
    learned = LearnedMap(tmp_path)
    learned.path.write_text("map:\n  - {cc: 200, set: crossfader}\n  - {cc: 1, set: crossfader}\n")
    bindings, problems = learned.read()
    assert [b.number for b in bindings] == [1] and len(problems) == 1 and ":2" in problems[0]


def test_a_file_that_is_no_yaml_is_never_written_over(tmp_path: Path) -> None:
    learned = LearnedMap(tmp_path)
    learned.path.write_text("map: [\n")
    with pytest.raises(ControlError, match="repair"):
        learned.keep(KNOB)
    assert learned.path.read_text() == "map: [\n"


@pytest.mark.parametrize("model", ["bundled", "riffusion/riffusion-model-v1"])
def test_a_map_may_name_the_stems_of_every_family(model: str, tmp_path: Path) -> None:
    learned, path = LearnedMap(tmp_path), tmp_path / "box.yaml"
    for number, stem in enumerate(model_shape(model).stems):
        fader = Binding(f"deck/a/stem/{stem}/gain", "cc", number, channel=1, low=-60.0, high=6.0, port="nano")
        learned.keep(fader)
        path.write_text(f"name: Box\nmap:\n  - {{cc: {number}, set: deck/a/stem/{stem}/gain}}\n")
        assert [b.path for b in read_map(path).bindings] == [fader.path]
        assert fader in learned.read()[0]


MAP = """
name: Box
match: [Motor Box]
takeover: pickup
hello: ["F0 00 20 29 F7"]
lights: {pad: {playing: {data: 21, channel: 7}, off: [{data: 0}, {data: 3, channel: 2}]}}
map:
  - {cc: 1, set: deck/a/alpha}
  - {cc: 2, set: deck/a/mute}
  - {note: 0, set: scene/recall, values: 1..3, light: pad}
  - {note: 8, set: deck/c/prompts/pick, values: 1..4, light: plain}
"""


def test_a_map_is_read_and_a_preset_uses_it_by_file_on_other_decks(tmp_path: Path) -> None:
    file = tmp_path / "box.yaml"
    file.write_text(MAP)
    found = read_map(file)
    assert found.fits("motor box #2") and found.hello == (bytes.fromhex("F0002029F7"),)
    assert [b.takeover for b in found.bindings] == ["pickup", "none", "none", "none"]
    assert found.bindings[2].values == ("1", "2", "3")
    preset = tmp_path / "set.yaml"
    preset.write_text(f"deck: {{c: {{}}, d: {{}}}}\nmidi: {{map: [{{use: '{file}', port: other, decks: [d]}}]}}\n")
    session = load_session(preset)
    (used,) = session.midi.maps
    assert used.fits("other one") and not used.fits("motor box")
    assert [b.path for b in used.within(session.tree()).bindings] == ["deck/d/alpha", "deck/d/mute", "scene/recall"]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("map: [{cc: 1, set: deck/a/aplha}]", "deck/a/alpha"),
        ("map: [{note: 1, set: next, light: sun}]", "sun"),
        ("hello: ['F0 99 F7']", "SysEx"),
        ("lights: {pad: {glowing: {data: 1}}}", "glowing"),
        ("lights: {pad: {on: {data: 128}}}", "0 to 127"),
        ("takeover: slow", "pickup"),
        ("script: evil()", "script"),
        ("map: [{note: 1, set: scene/recall, values: 9..2}]", "backwards"),
        ("map: [{cc: 1, set: deck/a/alpha, travel: [1]}]", "two ends"),
        ("map: [{cc: 1, set: deck/a/alpha, invert: 3}]", "true or false"),
    ],
)
def test_what_a_map_says_wrong_is_refused_with_its_line(tmp_path: Path, wrong: str, said: str) -> None:
    file = tmp_path / "box.yaml"
    file.write_text(f"match: [x]\n{wrong}\n")
    with pytest.raises(PresetError, match=said) as refused:
        read_map(file)
    assert refused.value.where == f"{file}:2"


def test_a_name_that_no_map_has_names_those_there_are(tmp_path: Path) -> None:
    (tmp_path / "box.yaml").write_text(MAP)
    assert find_map("box", [tmp_path]) == tmp_path / "box.yaml"
    with pytest.raises(PresetError, match="box"):
        find_map("../box", [tmp_path])
