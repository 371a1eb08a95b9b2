"""Observations of a real Conductor, for tests of observers."""

from __future__ import annotations

from dataclasses import replace

from riffengine.performance.parameters import standard_tree
from riffengine.processes.player_messages import Status
from riffengine.scheduler.conductor import Conductor
from riffengine.telemetry.observation import LatencyFigures, Observation, Pending
from riffengine.transport.beat_grid import BeatGrid

TREE = standard_tree(("a", "b"))
SECOND = 1_000_000_000


def observation(host_ns: int = 0, **changes: object) -> Observation:
    """Two decks that play for ten seconds already, without any problem."""
    conductor = Conductor(TREE, TREE.initial_state(), BeatGrid(44100, 120.0), ("a", "b"), 48)
    status = conductor.status(441_000)
    decks = tuple(replace(d, sounding=True, coverage=0.5, runway_seconds=12.0) for d in status.decks)
    seen = Observation(
        host_ns=host_ns,
        name="Tonight",
        conductor=replace(
            status, decks=decks, renderer_ready=True, jobs_heard=7, full_p50_seconds=0.4, full_measured=True
        ),
        player=Status(441_000, host_ns, 2, 0, 0.5, 0.03),
        sounding=True,
        output="paced",
        values=dict(TREE.initial_state().values),
        latency={"immediate": LatencyFigures(3, 5.0, 9.0, 9.5, 20.0, ((0.1, 0), (6.4, 2), (12.8, 3)))},
        pending=(Pending("deck/a/prompt", 24.0, 2.0),),
        scenes=("intro", "drop"),
        scene="intro",
        activity={"OSC": 4, "MIDI": 9},
    )
    return replace(seen, **changes)  # type: ignore[arg-type]
