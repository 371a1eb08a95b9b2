"""The verdicts of the latency bench."""

from riffengine.bench.latency import CLASSES, LatencyPlan
from riffengine.bench.limits import LIMITS, failed, judge
from riffengine.cli.parser import build_parser


def spread(ms: float, missed: int = 0, changes: int = 30) -> dict[str, float]:
    return {"p50_ms": ms, "p95_ms": ms, "p99_ms": ms, "max_ms": ms, "missed": missed, "changes": changes}


def verdicts(**classes: dict[str, float]) -> dict[str, str]:
    return {row["what"].split(" to ")[0]: row["verdict"] for row in judge(classes)}


def test_each_limit_has_its_own_verdict() -> None:
    found = verdicts(alpha=spread(39.0), gain=spread(9.0), mute=spread(25.1), prompt=spread(400.0))
    assert found["alpha"] == "pass"
    assert found["gain"] == "goal"
    assert found["mute"] == "fail"
    assert found["crossfader"] == "not measured"
    assert found["missed changes"] == "goal"


def test_what_was_missed_fails_and_a_class_without_a_figure_is_not_met() -> None:
    found = verdicts(stem=spread(0.0, missed=30), gain=spread(5.0))
    assert found["stem mute"] == found["missed changes"] == "fail"
    assert verdicts(gain=spread(5.0, missed=1))["missed changes"] == "fail"
    assert failed(judge({"gain": spread(5.0, missed=1)}))
    assert not failed(judge({"gain": spread(5.0)}))
    assert not failed(judge({}))


def test_the_command_measures_every_limit_by_default() -> None:
    chosen = build_parser().parse_args(["bench", "latency"]).classes.split(",")
    assert {limit.kind for limit in LIMITS} <= set(chosen) <= set(CLASSES)
    assert set(LatencyPlan().classes) == set(chosen)
