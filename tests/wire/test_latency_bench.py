"""The latency bench on the real engine: every gesture is found in the captured samples; nothing judges the time."""

import pytest

from riffengine.bench.jack_server import missing_programs
from riffengine.bench.latency import LatencyPlan, run_latency_bench
from riffengine.errors import DeviceError
from tests.needed import lacks


@pytest.mark.wire
@pytest.mark.slow
def test_every_gesture_is_found() -> None:
    if missing_programs():
        lacks(f"not installed: {', '.join(missing_programs())}")
    plan = LatencyPlan(changes=3, block_frames=1024, idle_seconds=0.5, classes=("mute", "seed"))
    result = run_latency_bench(plan)
    for figures in result["classes"].values():
        assert figures["missed"] == 0
        assert 0 < figures["p50_ms"] <= figures["p95_ms"] <= figures["max_ms"]
    assert result["engine_p95_ms"]["immediate"] > 0
    assert result["engine_p95_ms"]["quantised"] > 0


def test_an_unknown_class_is_refused() -> None:
    with pytest.raises(DeviceError, match="there are: gain, mute"):
        run_latency_bench(LatencyPlan(classes=("volume",)))
