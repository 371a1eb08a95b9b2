"""The programs in ``examples/`` run as printed, and are short."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import mido
import pytest
import soundfile

from tests.wire.osc_session import playing_set

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
PRESET = """\
name: example
output: {to: paced, fade_out: 0}
midi: {enabled: false}
deck: {a: {prompt: "house, driving"}}
"""


def run(name: str, folder: Path, *words: str) -> str:
    environment = os.environ | {"PYTHONPATH": str(EXAMPLES.parent)}
    command = [sys.executable, str(EXAMPLES / name), *words]
    ended = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=280, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_an_example_is_short_and_says_how_it_is_run(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= 40
    assert f"python examples/{path.name}" in text.splitlines()[0]


def test_loops_of_a_morph_and_their_notes(tmp_path: Path) -> None:
    run("render_a_loop.py", tmp_path, str(tmp_path))
    assert len(list(tmp_path.glob("house-to-techno-*.wav"))) == 3
    assert mido.MidiFile(tmp_path / "house.mid").length > 0


def test_a_set_from_python(tmp_path: Path) -> None:
    said = run("play_a_set.py", tmp_path, "set.flac")
    assert "deck/a/prompt is heard" in said
    assert soundfile.info(tmp_path / "set.flac").duration > 2.0


def test_a_family_of_ones_own(tmp_path: Path) -> None:
    run("custom_family.py", tmp_path, "chord.wav")
    assert soundfile.info(tmp_path / "chord.wav").frames == 4 * 26460


def test_an_osc_client(tmp_path: Path) -> None:
    with playing_set(PRESET, tmp_path) as (_, surface):
        said = run("osc_client.py", tmp_path, str(surface.port))
    assert "/riff/landing deck/a/prompt" in said and "/riff/ok deck/a/filter" in said


def test_the_notes_of_a_loop_for_a_sequencer(tmp_path: Path) -> None:
    run("notes_to_midi.py", tmp_path, "loop.mid")
    notes = [message for message in mido.MidiFile(tmp_path / "loop.mid") if message.type == "note_on"]
    assert len(notes) > 20


def test_a_journal_played_again(tmp_path: Path) -> None:
    run("replay_a_journal.py", tmp_path, str(tmp_path))
    heard, again = (soundfile.read(tmp_path / name, dtype="float32")[0] for name in ("set.wav", "again.wav"))
    frames = min(len(heard), len(again))
    assert frames > 2 * 44100 and (heard[:frames] == again[:frames]).all()
    assert soundfile.info(tmp_path / "finer.flac").frames == len(again)
