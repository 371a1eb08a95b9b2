"""Scenes in presets: in their order, through the tree, and refused with file, line and key."""

from __future__ import annotations

from pathlib import Path

import pytest

from riffengine.control.midi.event import MidiEvent
from riffengine.errors import PresetError
from riffengine.session.session import load_session


def write(tmp_path: Path, text: str) -> Path:
    (tmp_path / "set.yaml").write_text(text)
    return tmp_path / "set.yaml"


def test_scenes_are_read_in_order_and_a_program_change_picks_from_them(tmp_path: Path) -> None:
    session = load_session(write(tmp_path, """
midi: {map: [{program: 0, set: scene/recall, values: scenes}, {note: 5, set: undo}]}
deck: {a: {prompt: house}}
scenes:
  intro: {deck/a/prompt: ambient, deck/a/alpha: 0, tempo: 90}
  808: {deck/a/prompt: "808", key: a minor}
"""))  # fmt: skip
    assert [(scene.name, dict(scene.values)) for scene in session.scenes] == [
        ("intro", {"deck/a/prompt": "ambient", "deck/a/alpha": 0.0, "transport/tempo": 90.0}),
        ("808", {"deck/a/prompt": "808", "key": "A minor"}),
    ]
    tree = session.tree()
    event = MidiEvent("program", 1, 1)
    assert session.midi.bindings[0].matches(event)
    assert session.midi.bindings[0].value(event, tree, session.state(tree)) == "808"


@pytest.mark.parametrize(
    ("line", "key", "word"),
    [
        ("intro: {deck/a/promt: x}", "scenes.intro.deck/a/promt", "did you mean deck/a/prompt"),
        ("intro: {deck/b/prompt: x}", "scenes.intro.deck/b/prompt", "no parameter"),
        ("intro: {deck/a/alpha: 2}", "scenes.intro.deck/a/alpha", "from 0 to 1"),
        ("intro: {gain: -3}", "scenes.intro.gain", "cannot be part of a scene"),
        ("intro: {undo: true}", "scenes.intro.undo", "cannot be part of a scene"),
        ("intro: {scene/store: x}", "scenes.intro.scene/store", "cannot be part of a scene"),
        ("intro: {}", "scenes.intro", "needs parameters"),
        ("intro: loud", "scenes.intro", "needs parameters"),
        ("[a, b]: {tempo: 90}", "scenes", "name"),
        ("intro: {tempo: 90, transport/tempo: 91}", "scenes.intro.transport/tempo", "twice"),
    ],
)
def test_a_scene_that_is_wrong_is_refused_with_its_line(tmp_path: Path, line: str, key: str, word: str) -> None:
    with pytest.raises(PresetError) as refusal:
        load_session(write(tmp_path, f"deck: {{a: {{prompt: x}}}}\nscenes:\n  {line}\n"))
    assert refusal.value.where.endswith("set.yaml:3")
    assert refusal.value.key == key and word in refusal.value.problem
    assert refusal.value.others == ()


def test_scenes_that_are_no_mapping_or_stand_twice_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PresetError, match="names and values"):
        load_session(write(tmp_path, "scenes: [a]"))
    with pytest.raises(PresetError, match="twice"):
        load_session(write(tmp_path, "scenes:\n  a: {tempo: 90}\n  a: {tempo: 91}\n"))
    with pytest.raises(PresetError, match="no scenes"):
        load_session(write(tmp_path, "midi: {map: [{program: 0, set: scene/recall, values: scenes}]}"))
