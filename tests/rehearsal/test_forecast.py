"""What is foretold of planned changes is what the scheduler then does; a plan that cannot be played is refused."""

from __future__ import annotations

import pytest

from riffengine.errors import OutOfRange
from riffengine.performance.parameters import standard_tree
from riffengine.rehearsal.forecast import Forecast, PlannedChange, forecast

TREE = standard_tree(("a", "b"))
VALUES = {"transport/tempo": 120.0, "deck/a/prompt": "house", "deck/b/gain": -96.0, "transport/quantum": "bar"}


def tried(
    *plan: PlannedChange, bars: int = 16, render_seconds: float = 0.3, first_bar: int = 0, **values: object
) -> Forecast:
    return forecast(TREE, {**VALUES, **values}, plan, bars, render_seconds, 8, first_bar)  # type: ignore[arg-type]  # whatever the test gives


def test_every_change_lands_and_faders_at_once() -> None:
    found = tried(PlannedChange(4, "deck/a/prompt", "techno"), PlannedChange(8, "deck/a/gain", -6.0))
    prompt, gain = found.changes
    assert prompt.heard_after_bars is not None and 4 < prompt.heard_after_bars <= 7 and not prompt.refused
    assert prompt.heard_after_bars % 1 == 0  # on a bar line
    assert gain.heard_after_bars == pytest.approx(8, abs=0.05)
    assert found.renders > 0 and found.render_seconds == pytest.approx(0.3 * found.renders)
    assert found.famines == found.gaps == 0 and found.seconds == 32.0
    assert 0 < found.renderer_busy < 1


def test_a_slower_renderer_is_heard_later_and_is_busier() -> None:
    change = PlannedChange(0, "deck/a/prompt", "techno")
    fast, slow = (tried(change, render_seconds=seconds) for seconds in (0.1, 3.0))
    assert fast.changes[0].heard_after_bars is not None and slow.changes[0].heard_after_bars is not None
    assert fast.changes[0].heard_after_bars < slow.changes[0].heard_after_bars
    assert fast.renderer_busy < slow.renderer_busy


def test_changes_land_on_the_quantum_of_the_set() -> None:
    change = PlannedChange(0, "deck/a/prompt", "techno")
    for first_bar in range(4):
        found = tried(change, first_bar=first_bar, **{"transport/quantum": "4bars"})
        assert found.changes[0].heard_after_bars is not None
        assert (first_bar + found.changes[0].heard_after_bars) % 4 == 0


def test_bars_are_counted_in_the_planned_tempo() -> None:
    found = tried(PlannedChange(2, "transport/tempo", 90.0), PlannedChange(10, "deck/a/gain", -6.0), bars=12)
    assert found.seconds == pytest.approx(2 * 2.0 + 10 * 4 * 60 / 90, abs=0.1)
    assert found.changes[1].heard_after_bars == pytest.approx(10, abs=0.6)  # the tempo itself lands a little later


def test_the_same_plan_gives_the_same_forecast_and_changes_nothing() -> None:
    plan = (PlannedChange(1, "deck/b/prompt", "dub"), PlannedChange(3, "deck/a/alpha", 1.0))
    assert tried(*plan) == tried(*plan)


def test_what_cannot_be_played_is_refused_and_the_rest_is_foretold() -> None:
    found = tried(
        PlannedChange(0, "scene/recall", "drop"),
        PlannedChange(1, "deck/a/alpha", "much"),
        PlannedChange(1, "deck/z/prompt", "techno"),
        PlannedChange(2, "deck/a/prompt", "techno"),
    )
    assert ["cannot be rehearsed" in found.changes[0].refused, *(bool(each.refused) for each in found.changes[1:])] == [
        True, True, True, False,
    ]  # fmt: skip
    assert found.changes[3].heard_after_bars is not None
    for plan, bars in (([PlannedChange(16, "deck/a/alpha", 1.0)], 16), ([], 0), ([], 1000)):
        with pytest.raises(OutOfRange):
            tried(*plan, bars=bars)
