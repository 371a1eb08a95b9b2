"""Rendering to a file: the same arguments give the same samples, and what cannot be written costs no time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
import soundfile

import riffengine
from riffengine.errors import AudioFileError
from riffengine.offline.render import RenderJob, RenderReport, check_output, render_file
from riffengine.processes.render_request import MorphEnd, RenderRequest
from riffengine.transport.beat_grid import BeatGrid

WEIGHTS = Path(riffengine.__file__).parent / "weights" / "bundled.safetensors"
with_weights = pytest.mark.skipif(not WEIGHTS.exists(), reason="the package has no weights yet")


def render(out: Path, *arguments: str, threads: str = "1") -> dict[str, object]:
    """What ``render --json`` says, in a process of its own with ``threads`` in its environment."""
    command = [sys.executable, "-m", "riffengine", "render", "--prompt", "piano", "--steps", "1", "--json"]
    end = subprocess.run(
        [*command, "-o", str(out), *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ | {"OMP_NUM_THREADS": threads},
    )
    assert end.returncode == 0, end.stderr
    report: dict[str, object] = json.loads(end.stdout)
    return report


@with_weights
def test_the_same_arguments_give_the_same_file_whatever_the_environment(tmp_path: Path) -> None:
    report = render(tmp_path / "a.wav", "--seed", "7")
    render(tmp_path / "b.wav", "--seed", "7", "--model", str(WEIGHTS), threads="2")
    assert (tmp_path / "a.wav").read_bytes() == (tmp_path / "b.wav").read_bytes()
    assert set(report) == {field.name for field in fields(RenderReport)}
    info = soundfile.info(tmp_path / "a.wav")
    assert (info.channels, info.frames) == (2, report["frames"])


@with_weights
def test_a_journey_has_exactly_its_frames_at_an_odd_tempo(tmp_path: Path) -> None:
    report = render(tmp_path / "a.flac", "--to", "house", "--bars", "3", "--bpm", "97.3")
    info = soundfile.info(tmp_path / "a.flac")
    assert info.frames == report["frames"] == BeatGrid(44100, 97.3).frame_at(12)
    assert info.channels == 2


class NoFamily:
    """A family that must not be asked."""

    def render(self, *_: object) -> None:
        raise AssertionError("rendered in vain")


@pytest.mark.parametrize("name", ["nowhere/a.wav", "a.m4a", "folder.wav"])
def test_what_cannot_be_written_is_refused_before_anything_is_rendered(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder.wav").mkdir()
    point = MorphEnd("piano", 0)
    with pytest.raises(AudioFileError):
        render_file(RenderJob(tmp_path / name, RenderRequest(point, point)), NoFamily())  # type: ignore[arg-type]
    with pytest.raises(AudioFileError):
        check_output(tmp_path / name)
