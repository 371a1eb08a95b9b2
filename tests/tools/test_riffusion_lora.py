"""A LoRA of one's own music at toy size: clips on the beat, a loss that falls, a file that plays."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from safetensors import safe_open

from riffengine.renderer.riffusion.family import RiffusionFamily
from tests.renderer.riffusion.checkpoints import REQUEST, never_cancel, toy_checkpoints
from tests.renderer.riffusion.drum_audio import BPM, RATE, kicks
from tools.train.riffusion_lora import clips_of, main


@pytest.fixture
def music(tmp_path: Path) -> Path:
    folder = tmp_path / "music"
    folder.mkdir()
    soundfile.write(folder / "four_to_the_floor.wav", kicks(36, 0.5), RATE)
    (folder / "broken.wav").write_bytes(b"RIFF")
    return folder


def test_clips_are_whole_beats_from_a_bar_line_on(music: Path) -> None:
    clips = clips_of(music / "four_to_the_floor.wav", RATE)
    assert len(clips) == 4 and {clip.caption for clip in clips} == {"four to the floor"}
    for clip in clips:
        assert len(clip.samples) == pytest.approx(8 * 60 / BPM * RATE, rel=2e-3)
        assert np.argmax(np.abs(clip.samples) > 0.1) < 0.05 * RATE  # a kick opens it
    (music / "four_to_the_floor.txt").write_text("a heavy kick\n")
    assert clips_of(music / "four_to_the_floor.wav", RATE)[0].caption == "a heavy kick"


def test_training_lowers_the_loss_and_what_it_writes_plays(
    music: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, model = tmp_path / "kicks.safetensors", str(toy_checkpoints() / "modern")
    typed = [model, str(music), "-o", str(out), "--steps", "40", "--rank", "2", "--learning-rate", "0.02"]
    assert main([*typed, "--device", "cpu"]) == 0
    said = capsys.readouterr().out
    assert "left out: broken.wav" in said and "from 4 clips" in said
    before, after = map(float, re.findall(r"([\d.]+) before, ([\d.]+) after", said)[0])
    assert after < 0.98 * before
    with safe_open(out, framework="pt") as file:
        assert all(re.fullmatch(r"unet\..*attn[12]\.to_\w+(\.0)?\.lora_[AB]\.weight", name) for name in file.keys())  # noqa: SIM118
    own = RiffusionFamily.load(f"{model}?device=cpu&lora={out}")
    learnt = own.render(REQUEST, never_cancel).mel
    without = replace(REQUEST.start, prompt=f"{REQUEST.start.prompt} <lora:kicks:0>")
    assert not np.array_equal(own.render(replace(REQUEST, start=without), never_cancel).mel, learnt)


def test_a_folder_without_music_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(toy_checkpoints() / "modern"), str(tmp_path), "-o", str(tmp_path / "x.safetensors")]) == 2
    assert "holds no music" in capsys.readouterr().err
