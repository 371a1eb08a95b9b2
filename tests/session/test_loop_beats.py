"""Loops of 4, 8 and 16 beats: a preset or the command line says so, and everything that counts in loops follows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from riffengine.cli.parser import build_parser
from riffengine.cli.play_options import session_with
from riffengine.cli.render import render_job
from riffengine.engine.context import slot_floats
from riffengine.errors import OutOfRange, PresetError
from riffengine.offline.render import render_file
from riffengine.performance.command import Accepted
from riffengine.processes.player_messages import LaunchBank
from riffengine.processes.render_request import Retake
from riffengine.rehearsal import RehearsalPlan, rehearse_session, went_wrong
from riffengine.scheduler.actions import Policy
from riffengine.session.session import Session, load_session
from tests.offline.test_stems import Tones
from tests.scheduler.simulation import SchedulerSimulation


def preset(tmp_path: Path, text: str) -> Session:
    path = tmp_path / "set.yaml"
    path.write_text(text)
    return load_session(path)


@pytest.mark.parametrize("beats", [4, 16])
def test_a_preset_says_how_long_loops_are(tmp_path: Path, beats: int) -> None:
    session = preset(tmp_path, f'loop_beats: {beats}\ndeck: {{a: {{freeze/beats: "1-{beats}"}}}}\n')
    assert session.loop_beats == beats
    assert slot_floats(session) * 8 == slot_floats(Session()) * beats
    with pytest.raises(OutOfRange, match=rf"is not a beat of the loop; write 1 to {beats}"):
        session.tree()["deck/a/freeze/beats"].check(str(beats + 1))


def test_another_length_is_refused(tmp_path: Path) -> None:
    for wrong in ("5", "true", '"8"'):
        with pytest.raises(PresetError, match=r"set.yaml:1: loop_beats: .* allowed is 4, 8, 16"):
            preset(tmp_path, f"loop_beats: {wrong}\n")


def test_the_command_line_counts_before_the_preset() -> None:
    parser = build_parser()
    assert session_with(parser.parse_args(["play", "--loop-beats", "4"]), Session(loop_beats=16)).loop_beats == 4
    assert session_with(parser.parse_args(["play"]), Session(loop_beats=16)).loop_beats == 16


@pytest.mark.parametrize("beats", [4, 16])
def test_again_generates_every_beat_of_the_loop(beats: int) -> None:
    sim = SchedulerSimulation(stems=("drums", "bass"), policy=Policy(loop_beats=beats), transport__quantum="loop")
    sim.run_to(20250)
    assert isinstance(sim.send("deck/a/stem/drums/again", True), Accepted)
    sim.run_to(40000)
    assert sim.renders[0][1].beats == beats
    assert sim.renders[-1][1].retakes == (Retake(("drums",), (1 << beats) - 1, 1),)
    assert sim.sent(LaunchBank)[-1].at_frame % (beats * 500) == 0  # whole loops, counted from the first beat


@pytest.mark.parametrize("beats", [4, 16])
def test_a_set_of_such_loops_has_no_gap(beats: int) -> None:
    session = Session(loop_beats=beats, decks=("a", "b"), parameters={"deck/a/drift": 0.1, "deck/b/prompt": "dub"})
    figures = rehearse_session(session, RehearsalPlan(hours=0.1, seed=3, random_performer=True))
    assert not went_wrong(figures) and figures["landings"] > 5


@pytest.mark.parametrize("beats", [4, 16])
def test_files_are_exact(tmp_path: Path, beats: int) -> None:
    words = ["--loop-beats", str(beats), "--takes", f"drums:1-{beats}:1", "-o", str(tmp_path / "loop.wav")]
    job = render_job(build_parser().parse_args(["render", "--prompt", "house", *words]))
    family = Tones()
    report = render_file(job, family)
    assert family.asked[0].beats == beats
    assert family.asked[0].retakes == (Retake(("drums",), (1 << beats) - 1, 1),)
    assert report.frames == soundfile.info(job.output).frames == beats * 22050
    words = [*words, "--to", "dub", "--bars", "8"]
    job = render_job(build_parser().parse_args(["render", "--prompt", "house", *words]))
    assert render_file(job, family).frames == 32 * 22050
    samples, _ = soundfile.read(job.output)
    assert np.abs(samples).max() > 0.1


def test_takes_beyond_the_loop_are_refused(tmp_path: Path) -> None:
    words = [
        "render",
        "--prompt",
        "house",
        "--loop-beats",
        "4",
        "--takes",
        "drums:1-8:1",
        "-o",
        str(tmp_path / "x.wav"),
    ]
    with pytest.raises(OutOfRange, match="write 1 to 4"):
        render_job(build_parser().parse_args(words))
