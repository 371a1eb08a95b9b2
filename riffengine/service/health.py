"""Health: whether the service plays music as it should, and the problems if not. Pure; time is passed in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from riffengine.output.failover import IN_PLACE
from riffengine.telemetry.observation import Observation

STALE_SECONDS = 3.0  # ten observations and reports a second are expected

State = Literal["starting", "ok", "degraded", "failing", "stopping"]


@dataclass(frozen=True)
class Health:
    """``state`` in one word; ``problems`` in sentences. ``live``: the engine runs. ``ready``: music plays."""

    state: State
    live: bool
    ready: bool
    problems: tuple[str, ...] = ()


def examine(observation: Observation | None, now_ns: int, stopping: bool = False) -> Health:
    """The health at ``now_ns`` of the monotonic clock, from the last ``observation``."""
    if stopping:
        return Health("stopping", live=True, ready=False, problems=("the music is fading out",))
    if observation is None:
        return Health("starting", live=True, ready=False, problems=("the engine has not started to play",))
    failing = []
    age = (now_ns - observation.host_ns) / 1e9
    live = age <= STALE_SECONDS
    if not live:
        failing.append(f"the engine has not responded for {age:.1f} s")
    player = observation.player
    if player is not None and live and (silent := (observation.host_ns - player.host_ns) / 1e9) > STALE_SECONDS:
        failing.append(f"the player has not played a block for {silent:.1f} s")
    if failing:
        return Health("failing", live, ready=False, problems=tuple(failing))
    if player is None or not observation.sounding:
        waiting_for = "the audio output is being opened" if player is None else "the first loop is being rendered"
        return Health("starting", live, ready=False, problems=(waiting_for,))
    problems = []
    status = observation.conductor
    if not status.renderer_ready:
        problems.append("the renderer is not running; rendered loops continue to play")
    problems += [
        f"deck {d.deck} has run out of new loops and repeats old ones"
        for d in status.decks
        if d.sounding and d.runway_seconds <= 0.0
    ]
    if IN_PLACE in observation.output:
        problems.append(f"no sound reaches a device: {observation.output}")
    if observation.recording_problem:
        problems.append(observation.recording_problem)
    if observation.faults:
        problems.append(f"{observation.faults} internal faults")
    return Health("degraded" if problems else "ok", live, ready=True, problems=tuple(problems))
