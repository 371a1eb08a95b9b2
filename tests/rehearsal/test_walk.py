"""Drifts with memory on virtual time: the plan, no gap, exact landings, the same bits for every block size."""

from dataclasses import replace

import pytest

from riffengine.cli import main
from riffengine.rehearsal import RehearsalPlan, rehearse_session, went_wrong
from riffengine.session.named_files import PRESETS
from riffengine.session.session import load_session

SESSION = load_session(PRESETS / "house-walk.yaml")


def session_with(**values: object):
    parameters = {**SESSION.parameters, **{f"deck/a/{name}": value for name, value in values.items()}}
    return replace(SESSION, parameters=parameters)


def test_a_rehearsal_shows_the_plan_of_four_loops() -> None:
    figures = rehearse_session(session_with(memory="groove"), RehearsalPlan(hours=0.02))
    assert not went_wrong(figures)
    theme = "the theme"
    assert figures["walk"][:4] == [
        f"deck a: section 1, loop 2 of 16: answer, {theme}",
        f"deck a: section 1, loop 3 of 16: call, {theme}",
        f"deck a: section 1, loop 4 of 16: answer with a fill, {theme}",
        f"deck a: section 1, loop 5 of 16: call, {theme}",
    ]
    assert figures["walk"][15] == "deck a: section 2, loop 1 of 16: call, new bass and harmony, keeps drums"


@pytest.mark.parametrize("memory", ["groove", "harmony", "turns"])
def test_a_walk_has_no_gap_though_the_renderer_fails_and_dies(memory: str) -> None:
    plan = RehearsalPlan(hours=0.3, failure_share=0.05, crash_every_seconds=120.0)
    figures = rehearse_session(session_with(memory=memory), plan)
    assert not went_wrong(figures)
    assert figures["crashes"] >= 3 and figures["repeated_renders"] == 0
    assert figures["landings"] > 0.9 * 0.3 * 3600 * 124 / 60 / 8


def test_a_walk_under_random_hands_is_the_same_for_every_block_size() -> None:
    plans = [RehearsalPlan(hours=0.05, block_frames=block, seed=5, random_performer=True) for block in (64, 1024)]
    first, second = (rehearse_session(SESSION, plan) for plan in plans)
    assert first["digest"] == second["digest"]
    assert first["gestures"] > 0 and first["walk"] and not went_wrong(first)


def test_other_tension_is_other_music_and_the_same_set_the_same() -> None:
    digests = [
        rehearse_session(session_with(tension=tension), RehearsalPlan(hours=0.02))["digest"]
        for tension in (0.5, 0.5, 0.25)
    ]
    assert digests[0] == digests[1] != digests[2]


def test_the_plan_is_printed_line_by_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rehearse", "house-walk", "--hours", "0.01"]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("walk ")]
    assert len(lines) >= 4 and lines[0].endswith("deck a: section 1, loop 2 of 16: answer, the theme")
