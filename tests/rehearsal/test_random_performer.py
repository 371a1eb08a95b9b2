"""The random performer, and rehearsals by seed."""

import json
from fractions import Fraction
from pathlib import Path

import pytest

from riffengine.cli import main
from riffengine.rehearsal import RandomPerformer, RehearsalPlan, rehearse_seeds, rehearse_session, went_wrong
from riffengine.rehearsal.rehearse_preset import renderer_script, whole_rate
from riffengine.session.session import load_session

PRESETS = Path(__file__).parents[2] / "presets"


def lines(seed: int, preset: str = "dj-two-prompts.yaml"):
    session = load_session(PRESETS / preset)
    tree = session.tree()
    return tree, list(RandomPerformer(session.state(tree), session.decks, seed).lines(3600))


def test_one_seed_gives_the_same_gestures_and_another_seed_others():
    assert lines(1)[1] == lines(1)[1] != lines(2)[1]


def test_every_gesture_is_allowed_and_in_order():
    tree, script = lines(3)
    assert [line.seconds for line in script] == sorted(line.seconds for line in script)
    for line in script:
        for command in line.commands:
            tree.check(command.path, command.value)
    paths = {command.path.rsplit("/", 1)[-1] for line in script for command in line.commands}
    assert paths >= {"prompt", "seed", "alpha", "guidance", "gain", "quantum", "next"}


@pytest.mark.parametrize("bpm", [60.0, 72.0, 117.5, 120.0, 128.0, 130.0, 174.0])
def test_loops_are_whole_frames_at_every_tempo_of_the_performer(bpm):
    rate = whole_rate(bpm)
    assert 300 <= rate <= 2000
    for factor in (
        Fraction(8, 9),
        Fraction(9, 10),
        Fraction(15, 16),
        Fraction(16, 15),
        Fraction(10, 9),
        Fraction(9, 8),
    ):
        assert (Fraction(480 * rate) / (Fraction(bpm) * factor)).denominator == 1


def test_a_tempo_without_a_suitable_rate_gets_the_default():
    assert whole_rate(93.37) == 1000


def test_seeds_vary_the_renderer_and_the_plain_plan_does_not():
    scripts = [renderer_script(RehearsalPlan(seed=seed, random_performer=True)) for seed in range(20)]
    assert max(s.full_seconds for s in scripts) >= 6.0  # slower than the music
    assert len({s.failure_share for s in scripts}) == len({s.crash_every_seconds for s in scripts}) == 3
    assert renderer_script(RehearsalPlan(seed=4)).full_seconds == 0.5


def test_sets_by_seed_have_no_gap_and_land_on_their_frame():
    session = load_session(PRESETS / "dj-two-prompts.yaml")
    progress: list[str] = []
    result = rehearse_seeds(session, RehearsalPlan(hours=0.03), 5, 2, progress.append)
    assert (result["gaps"], result["landing_error_frames_max"], result["wrong_seeds"]) == (0, 0, [])
    assert result["seeds"] == len(progress) == 5
    assert result["gestures"] > 50


def test_a_set_of_the_random_performer_is_the_same_for_every_block_size():
    session = load_session(PRESETS / "nanokontrol.yaml")
    plans = [RehearsalPlan(hours=0.03, block_frames=block, seed=11, random_performer=True) for block in (64, 1024)]
    first, second = (rehearse_session(session, plan) for plan in plans)
    assert first["digest"] == second["digest"]
    assert not went_wrong(first)
    assert went_wrong({**first, "gaps": 1})


def test_a_set_that_never_sounds_went_wrong(capsys):
    preset = str(PRESETS / "dj-two-prompts.yaml")
    assert main(["rehearse", preset, "--hours", "0.01", "--render-seconds", "4000,5000", "--json"]) == 1
    figures = json.loads(capsys.readouterr().out)
    assert figures["peak"] == 0.0 and figures["gaps"] == 0 and figures["runway_min_s"] is None
    preset = str(PRESETS / "techno-walk.yaml")
    assert main(["rehearse", preset, "--hours", "0.01", "--seeds", "2", "--processes", "1", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["peak"] > 0.0 and figures["runway_min_s"] >= 0.0 and len(figures["digest"]) == 32
