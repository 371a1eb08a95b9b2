"""Health: whether the service does what it is for, and what is wrong if not. Pure; time is passed in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from riffengine.telemetry.observation import Observation

STALE_SECONDS = 3.0  # ten reports a second are due

State = Literal["starting", "ok", "degraded", "failing", "stopping"]


@dataclass(frozen=True)
class Health:
    """``state`` in one word; ``problems`` in sentences. ``live``: the engine turns. ``ready``: music is heard."""

    state: State
    live: bool
    ready: bool
    problems: tuple[str, ...] = ()


def examine(observation: Observation | None, now_ns: int, stopping: bool = False) -> Health:
    """The health at ``now_ns`` of the monotonic clock, by the last ``observation``."""
    if stopping:
        return Health("stopping", live=True, ready=False, problems=("it is fading out",))
    if observation is None:
        return Health("starting", live=True, ready=False, problems=("the engine has not begun to play",))
    failing = []
    age = (now_ns - observation.host_ns) / 1e9
    live = age <= STALE_SECONDS
    if not live:
        failing.append(f"the engine has not turned for {age:.1f} s")
    player = observation.player
    if player is not None and live and (silent := (observation.host_ns - player.host_ns) / 1e9) > STALE_SECONDS:
        failing.append(f"the player has not pulled a block for {silent:.1f} s")
    if failing:
        return Health("failing", live, ready=False, problems=tuple(failing))
    if player is None or not observation.sounding:
        waits = "the output is being opened" if player is None else "the first loop is being rendered"
        return Health("starting", live, ready=False, problems=(waits,))
    worse = []
    status = observation.conductor
    if not status.renderer_ready:
        worse.append("the renderer is not there; what has been rendered goes on sounding")
    worse += [f"deck {d.deck} has run out of new loops" for d in status.decks if d.sounding and d.runway_seconds <= 0.0]
    if "no sound device" in observation.output:
        worse.append(f"nobody hears it: {observation.output}")
    if observation.recordings_failed:
        worse.append(f"{observation.recordings_failed} recordings or cue sheets failed")
    if observation.faults:
        worse.append(f"{observation.faults} internal faults")
    return Health("degraded" if worse else "ok", live, ready=True, problems=tuple(worse))
