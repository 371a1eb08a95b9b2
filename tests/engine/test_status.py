"""The status line: what a performer reads of it before anything was rendered, and after."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from riffengine.engine.status import EngineStatus
from tests.dashboard.observations import SimulatedSet


def line(simulated: SimulatedSet) -> dict[str, str]:
    latency = SimpleNamespace(gestures=SimpleNamespace(shown=lambda: "–/–/– ms"))
    stream = SimpleNamespace(frame=lambda: simulated.frame, underruns=0)
    context: Any = SimpleNamespace(conductor=simulated.conductor, stream_clock=stream, latency=latency)
    unused: Any = None
    return dict(EngineStatus(context, unused, unused, unused).line())


def test_the_time_of_a_render_is_shown_once_one_was_measured() -> None:
    simulated = SimulatedSet(("a",))
    assert line(simulated)["render"] == "–"
    assert simulated.conductor.status(0).full_p50_seconds > 0  # what plans are made with meanwhile
    simulated.play(10.0)
    assert line(simulated)["render"].endswith(" s")
