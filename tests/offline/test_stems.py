"""The performer's controls in an offline render: what they say reaches the request, the files and the notes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from riffengine.cli.parser import build_parser
from riffengine.cli.render import render_job
from riffengine.errors import AudioFileError, OutOfRange, ParameterError
from riffengine.offline.render import RenderJob, render_file
from riffengine.processes.render_messages import RenderCost
from riffengine.processes.render_request import MorphEnd, RenderRequest, Retake
from riffengine.renderer.bundled import score as sheet
from riffengine.renderer.bundled.score_notes import loop_notes
from riffengine.renderer.family import Rendition

POINT = MorphEnd("house", 3)
SCORE = sheet.score_from_notes([sheet.Note("bass", 33, 0, 4)], [sheet.Hit("kick", 8, 1.0)])


class Tones:
    """A family of three stems, each a sine of its own."""

    name, stems, channels, vocabulary, weights_digest = "tones", ("drums", "bass", "harmony"), 1, (), "0"

    def __init__(self, peak: float = 0.2) -> None:
        self.asked: list[RenderRequest] = []
        self.peak = peak

    def render(self, request: RenderRequest, check: object) -> Rendition:
        self.asked.append(request)
        frames = round(request.beats * 60 * request.sample_rate / request.bpm)
        turns = 2 * np.pi * np.arange(frames) / frames
        audio = np.stack([np.sin(k * turns) for k in (100, 200, 400)]).astype(np.float32)[:, :, None] * self.peak
        mel = np.zeros((1, 1), np.float32)
        return Rendition(request, audio, mel, SCORE, -19.0, 3 * self.peak, RenderCost(), notes=loop_notes(SCORE))


def spectrum(path: Path) -> list[float]:
    """The levels of the three sines in a loop of four seconds."""
    samples, rate = soundfile.read(path)
    lines = np.abs(np.fft.rfft(samples[: 4 * rate, 0])) / (2 * rate)
    return [round(float(lines[k]), 3) for k in (100, 200, 400)]


def job(*words: str) -> RenderJob:
    return render_job(build_parser().parse_args(["render", "--prompt", "house", "-o", "x.wav", *words]))


def test_every_control_reaches_the_request() -> None:
    made = job(
        "--density", "-0.5", "--brightness", "1", "--energy", "0.25", "--transpose", "-3", "--chords", "Am | C/E",
        "--takes", "drums:1-8:1 bass+harmony:5-8:2",
    )  # fmt: skip
    request = made.request
    assert (request.density, request.brightness, request.energy, request.transpose) == (-0.5, 1.0, 0.25, -3)
    assert request.chords == ((42, 54, 57, 61), (37, 45, 49, 52))  # three semitones lower, as the key is
    assert request.retakes == (Retake(("drums",), 0xFF, 1), Retake(("bass", "harmony"), 0xF0, 2))


def test_mute_solo_and_level_are_gains_of_stems() -> None:
    assert job().levels == {"drums": 1.0, "bass": 1.0, "harmony": 1.0}
    assert job("--mute", "bass", "--level", "drums=-60").levels == {"drums": 0.0, "bass": 0.0, "harmony": 1.0}
    assert job("--solo", "bass", "--level", "bass=-20").levels == {"drums": 0.0, "bass": 0.1, "harmony": 0.0}
    assert job("--solo", "bass", "--solo", "drums", "--mute", "drums").levels["drums"] == 0.0


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--density", "1.5"], "density"), (["--transpose", "13"], "transpose"), (["--chords", "H7"], "H7"),
        (["--takes", "drums"], "take"), (["--takes", "kick:1:1"], "drums, bass, harmony"), (["--mute", "kick"], "kick"),
        (["--solo", "mix"], "mix"), (["--level", "drums"], "drums=-6"), (["--level", "drums=7"], "6 dB"),
        (["--solo", "bass", "--mute", "bass"], "no stem is left"),
    ],
)  # fmt: skip
def test_what_no_performance_could_have_is_refused(words: list[str], named: str) -> None:
    with pytest.raises(ParameterError, match=named):
        job(*words)


def test_stems_come_as_files_that_add_up_to_the_mix(tmp_path: Path) -> None:
    levels = {"drums": 0.5, "bass": 1.0, "harmony": 0.0}
    made = replace(job("--midi", "x.mid"), output=tmp_path / "mix.wav", levels=levels, stems=tmp_path / "parts")
    report = render_file(replace(made, midi=tmp_path / "notes.mid"), Tones())
    assert spectrum(tmp_path / "mix.wav") == [0.1, 0.2, 0.0]
    assert spectrum(tmp_path / "parts" / "drums.wav") == [0.1, 0.0, 0.0]
    assert spectrum(tmp_path / "parts" / "bass.wav") == [0.0, 0.2, 0.0]
    assert report.stems == (str(tmp_path / "parts" / "drums.wav"), str(tmp_path / "parts" / "bass.wav"))
    assert (report.midi, report.notes) == (str(tmp_path / "notes.mid"), 2)


def test_a_journey_has_its_stems_and_notes_too(tmp_path: Path) -> None:
    made = RenderJob(
        tmp_path / "mix.wav", RenderRequest(POINT, replace(POINT, seed=4)), bars=4, levels={"bass": 0.0},
        stems=tmp_path, midi=tmp_path / "notes.mid",
    )  # fmt: skip
    report = render_file(made, Tones())
    assert spectrum(tmp_path / "mix.wav")[1] < 0.001 < spectrum(tmp_path / "mix.wav")[0]
    assert spectrum(tmp_path / "drums.wav")[2] < 0.001 < spectrum(tmp_path / "drums.wav")[0]
    assert report.notes == 2  # a kick in each of two loops; the bass is muted
    assert not (tmp_path / "bass.wav").exists()


def test_stems_that_are_raised_are_not_clipped(tmp_path: Path) -> None:
    made = RenderJob(tmp_path / "mix.wav", RenderRequest(POINT, POINT), levels={"drums": 2.0})
    assert render_file(made, Tones(0.8)).peak == pytest.approx(0.891, abs=1e-3)


def test_stems_have_the_factor_of_their_mix(tmp_path: Path) -> None:
    """The mix is too loud and each stem alone is not: all are lowered alike, and add up."""
    made = RenderJob(tmp_path / "mix.wav", RenderRequest(POINT, POINT), levels={"drums": 2.0}, stems=tmp_path)
    render_file(made, Tones(0.8))
    mix, *stems = (soundfile.read(tmp_path / f"{name}.wav")[0] for name in ("mix", "drums", "bass", "harmony"))
    assert np.allclose(sum(stems), mix, atol=1e-5)


def test_what_cannot_be_written_costs_no_render(tmp_path: Path) -> None:
    family = Tones()
    whole = RenderJob(tmp_path / "mix.wav", RenderRequest(POINT, POINT))
    (tmp_path / "file").write_text("")
    for damaged, error in (
        (replace(whole, midi=tmp_path / "notes.txt"), AudioFileError),
        (replace(whole, stems=tmp_path / "file" / "folder"), AudioFileError),
        (replace(whole, output=tmp_path / f"{family.stems[0]}.wav", stems=tmp_path), AudioFileError),  # the mix too
        (replace(whole, levels={"kick": 1.0}), OutOfRange),
        (replace(whole, request=replace(whole.request, retakes=(Retake(("kick",), 1, 1),))), OutOfRange),
    ):
        with pytest.raises(error):
            render_file(damaged, family)
    assert not family.asked
