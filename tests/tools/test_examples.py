"""The examples and the page of pictures: whole, small, seamless, and as the page says."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from riffengine.cli.parser import build_parser
from riffengine.cli.render import render_job
from riffengine.renderer.bundled.vocabulary import Vocabulary
from tests.offline.test_stems import Tones
from tools import examples


def test_there_are_twelve_and_their_commands_can_be_typed() -> None:
    twelve = examples.pieces()
    assert len({piece.name for piece in twelve}) == 12
    known = Vocabulary.load()
    for piece in twelve:
        words = [word.strip('"') for word in re.findall(r'"[^"]*"|\S+', piece.command)]
        assert words[0] == "riffengine"
        asked = render_job(build_parser().parse_args(words[1:])).request
        requests = [section.request for section in piece.sections]
        assert any(asked == replace(r, end=asked.end) for r in requests), piece.name  # what is heard is what is typed
        for prompt in (asked.start.prompt, asked.end.prompt):
            assert known.parse(prompt).unknown == ()


def test_they_are_written_with_their_page(tmp_path: Path) -> None:
    by_name = {piece.name: piece for piece in examples.pieces()}
    wanted = [by_name[name] for name in ("stems", "morph")]
    size = examples.write_examples(tmp_path, Tones(), wanted)
    assert size == sum(path.stat().st_size for path in (tmp_path / "examples").glob("*.ogg"))
    page = (tmp_path / "examples.md").read_text(encoding="utf-8")
    for piece in wanted:
        assert f"(examples/{piece.name}.ogg)" in page and piece.command in page
    info = soundfile.info(tmp_path / "examples" / "stems.ogg")
    assert (info.channels, info.samplerate, info.subtype) == (2, 44100, "VORBIS")
    assert info.duration == pytest.approx(4 * 8 * 60 / 122, abs=0.01)
    assert size < 4_000_000 / 6


def test_a_muted_stem_is_not_in_it() -> None:
    piece = next(piece for piece in examples.pieces() if piece.name == "stems")
    samples = examples.sound_of(piece, Tones())
    frames = len(samples) // 4

    def levels(place: int) -> list[float]:
        loop = samples[place * frames + 2000 : (place + 1) * frames - 30000, 0]
        turns = 2j * np.pi * np.arange(len(loop)) / frames
        return [round(2 * abs(np.mean(loop * np.exp(-k * turns))), 2) for k in (100, 200, 400)]

    assert [levels(place) for place in range(3)] == [[0.2, 0.0, 0.0], [0.2, 0.2, 0.0], [0.2, 0.2, 0.2]]


def test_loops_meet_without_a_step() -> None:
    turns = 2 * np.pi * np.arange(44100) / 44100
    one, other = (np.sin(220 * turns + phase).astype(np.float32)[:, None] * [[1.0, 0.5]] for phase in (0.0, 2.0))
    samples = examples.joined([one, one, other])
    assert len(samples) == 3 * 44100
    assert np.abs(np.diff(samples, axis=0)).max() < 1.5 * np.abs(np.diff(one, axis=0)).max()
    assert np.array_equal(samples[44100:88200], one)
    assert np.abs(examples.ended(samples)[-1]).max() < 0.001


def test_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examples, "MOST_BYTES", 1000)
    with pytest.raises(ValueError, match="at most 1000"):
        examples.write_examples(tmp_path, Tones(), examples.pieces()[:1])


def test_one_row_of_each_genre() -> None:
    assert examples.distinct([3, -1, 3, 7, 1, 7], 2) == [0, 3]


def test_three_loops_are_drawn_side_by_side(tmp_path: Path) -> None:
    turns = 2 * np.pi * np.arange(44100) / 44100
    path = tmp_path / "pictures" / "0001.png"
    examples.draw(path, [np.sin(hz * turns).astype(np.float32) for hz in (100, 1000, 8000)])
    with Image.open(path) as image:
        assert image.size == (960, 256)
        inside = np.asarray(image.convert("L"), int)[30:204]
    bands = [int(inside[:, 90 + 306 * n : 290 + 306 * n].sum(axis=1).argmax()) for n in range(3)]
    assert bands[0] > bands[1] + 40 > bands[2] + 80  # higher is higher up
    assert path.stat().st_size < 60_000
