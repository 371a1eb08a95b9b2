"""Files that a command, a preset or an option names: a pipe in their place is refused at once, and never waited for."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from riffengine.errors import ControlError, PresetError
from riffengine.plugins.atomic_file import read_json
from riffengine.recovery.recovery import Recovery
from riffengine.session.learned_map import LearnedMap
from riffengine.session.named_files import copy_to, preset_text
from riffengine.session.session import load_session
from riffengine.web.access import prepare_tokens

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="there are no named pipes"),
    pytest.mark.timeout(60),  # code that waits for a writer would wait for ever
]


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    os.mkfifo(tmp_path / "pipe", 0o600)
    return tmp_path / "pipe"


def test_the_state_of_a_plugin(pipe: Path, tmp_path: Path) -> None:
    (tmp_path / "set.yaml").write_text(
        "deck: {a: {prompt: house}}\nmaster: {fx: [{plugin: 'lv2:urn:a', state: pipe}]}\n", encoding="utf-8"
    )
    with pytest.raises(PresetError, match="pipe cannot be read: is no regular file"):
        load_session(tmp_path / "set.yaml")


def test_the_tokens_of_the_page(pipe: Path) -> None:
    with pytest.raises(ControlError, match="is no regular file"):
        prepare_tokens("0.0.0.0", str(pipe))


def test_a_preset_that_is_shown_or_copied(pipe: Path, tmp_path: Path) -> None:
    with pytest.raises(PresetError, match="is no regular file"):
        preset_text(pipe)
    with pytest.raises(PresetError, match="is no regular file"):
        copy_to(pipe, tmp_path / "copy.yaml")
    assert not (tmp_path / "copy.yaml").exists()


def test_the_preset_of_a_saved_state(pipe: Path, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="is no regular file"):
        Recovery(tmp_path / "state", 0.0, resume=False).forget_if_changed(pipe)


def test_the_map_of_learned_controls(pipe: Path, tmp_path: Path) -> None:
    pipe.rename(tmp_path / "midi.yaml")
    with pytest.raises(ControlError, match="is no regular file"):
        LearnedMap(tmp_path).forget("next")


def test_the_lists_of_plugins(pipe: Path) -> None:
    assert read_json(pipe) == {}
