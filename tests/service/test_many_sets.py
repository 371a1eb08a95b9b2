"""Several sets at once: names and ports that do not collide, and their figures on one page."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from riffengine.cli import main
from riffengine.errors import ServiceError
from riffengine.processes.render_messages import PoolReport
from riffengine.service.many_sets import plan_sets
from riffengine.service.metrics import pool_metrics
from riffengine.service.set_figures import merged, tree_bytes

ONE, TWO = Path("rooms/one.yaml"), Path("rooms/two.yaml")


def test_every_set_gets_a_name_and_ports_of_its_own() -> None:
    ports = {ONE: {"--osc-port": 9000, "--web": 9466}, TWO: {"--osc-port": 9000}}
    plans = plan_sets([ONE, TWO, ONE], ports, 9464)
    assert [plan.name for plan in plans] == ["one", "two", "one-2"]
    assert [plan.http_port for plan in plans] == [9465, 9466, 9467]
    assert plans[0].options == ("--osc-port", "9000", "--web", "9468")
    assert plans[1].options == ("--osc-port", "9001")
    assert plans[2].options == ("--osc-port", "9002", "--web", "9469")
    with pytest.raises(ServiceError, match="--osc-port"):
        plan_sets([ONE, TWO], {ONE: {"--osc-port": 65535}, TWO: {"--osc-port": 65535}}, 9464)


def test_figures_of_all_sets_are_on_one_page_each_with_its_set() -> None:
    text = "# HELP riff_beat Beats\n# TYPE riff_beat gauge\nriff_beat{} %s\n# TYPE riff_n counter\nriff_n_total 2.0\n"
    families = merged({"one": text % "1.5", "two": text % "7.0"})
    found = {(s.name, s.labels["set"]): s.value for family in families for s in family.samples}
    assert found == {
        ("riff_beat", "one"): 1.5, ("riff_beat", "two"): 7.0, ("riff_n_total", "one"): 2.0, ("riff_n_total", "two"): 2.0
    }  # fmt: skip
    with pytest.raises(ValueError, match=r".+"):
        merged({"one": "no metric {"})


def test_every_figure_of_a_pool_is_a_metric() -> None:
    report = PoolReport(*range(1, 14))
    assert sorted(sample.value for metric in pool_metrics(report) for sample in metric.samples) == list(range(1, 14))


def test_memory_is_that_of_a_process_and_its_children() -> None:
    own = tree_bytes(os.getpid())
    assert own == 0 or own > 10_000_000
    assert tree_bytes(2**30) == 0


def test_several_presets_are_checked_and_must_play_one_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, model in (("one", "bundled"), ("two", "bundled"), ("other", "someone/else")):
        (tmp_path / f"{name}.yaml").write_text(f"model: {model}\ndeck: {{a: {{prompt: techno}}}}\n")
    paths = [str(tmp_path / f"{name}.yaml") for name in ("one", "two", "other")]
    assert main(["serve", "--check", *paths[:2]]) == 0
    assert "two.yaml" in capsys.readouterr().out
    assert main(["serve", "--check", *paths]) == 2
    assert "one pool renders one model" in capsys.readouterr().err
