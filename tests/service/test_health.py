"""The states of health and the problems they report."""

from __future__ import annotations

from dataclasses import replace

import pytest

from riffengine.service.health import examine
from riffengine.telemetry.observation import Observation
from tests.service.observations import SECOND, observation


def test_playing_music_with_runway_is_ok() -> None:
    health = examine(observation(50 * SECOND), 51 * SECOND)
    assert (health.state, health.live, health.ready, health.problems) == ("ok", True, True, ())


def test_before_the_first_sound_it_starts_and_at_the_end_it_stops() -> None:
    assert examine(None, 0).state == "starting"
    assert examine(observation(sounding=False), 0).state == "starting"
    assert "output" in examine(observation(player=None, sounding=False), 0).problems[0]
    ended = examine(observation(), 99 * SECOND, stopping=True)
    assert (ended.state, ended.live, ended.ready) == ("stopping", True, False)


def test_an_engine_that_hangs_is_not_live_and_a_player_that_hangs_is_failing() -> None:
    dead = examine(observation(10 * SECOND), 14 * SECOND)
    assert (dead.state, dead.live, dead.ready) == ("failing", False, False)
    seen = observation(10 * SECOND)
    assert seen.player is not None
    mute = examine(replace(seen, player=replace(seen.player, host_ns=6 * SECOND)), 10 * SECOND)
    assert (mute.state, mute.live, mute.ready) == ("failing", True, False)
    assert "4.0 s" in mute.problems[0]


def with_problem(seen: Observation, what: str) -> Observation:
    status = seen.conductor
    return {
        "renderer": replace(seen, conductor=replace(status, renderer_ready=False)),
        "run out": replace(
            seen, conductor=replace(status, decks=tuple(replace(d, runway_seconds=0.0) for d in status.decks))
        ),
        "no sound reaches": replace(seen, output="paced, in place of a sound device (none)"),
        "recording": replace(seen, recordings_failed=2, recording_problem="recording to a.wav ended: the disk is full"),
        "faults": replace(seen, faults=1),
    }[what]


@pytest.mark.parametrize("what", ["renderer", "run out", "no sound reaches", "recording", "faults"])
def test_music_that_plays_on_despite_a_problem_is_degraded_and_ready(what: str) -> None:
    health = examine(with_problem(observation(), what), 0)
    assert (health.state, health.ready) == ("degraded", True)
    assert any(what in problem for problem in health.problems)
