"""Knob-to-ear: which gesture is heard by which landing, and what the histograms say."""

import random
from pathlib import Path

import pytest

from riffengine.errors import JournalError
from riffengine.performance.latency import GestureLatencies, GestureLatency, LatencyCsv, LatencyHistogram
from riffengine.performance.parameter_tree import ControlClass
from riffengine.performance.parameters import standard_tree


@pytest.fixture
def knob_to_ear() -> GestureLatencies:
    return GestureLatencies(standard_tree(("a", "b")))


def test_quantiles_are_within_a_bin_of_the_sorted_values() -> None:
    chance = random.Random(1)
    values = [10 ** chance.uniform(-0.9, 4.0) for _ in range(2000)]
    histogram = LatencyHistogram()
    for value in values:
        histogram.add(value)
    ordered = sorted(values)
    for share in (0.5, 0.95, 1.0):
        exact = ordered[int(share * 2000) - 1]
        assert exact <= histogram.quantile_ms(share) * (1 + 1e-12)
        assert histogram.quantile_ms(share) <= exact * 1.0443
    assert histogram.max_ms == ordered[-1]
    assert histogram.count == 2000
    assert histogram.sum_ms == pytest.approx(sum(values))


def test_an_empty_histogram_and_one_beyond_its_bins() -> None:
    histogram = LatencyHistogram()
    assert histogram.quantile_ms(0.95) == 0.0
    histogram.add(0.0)
    assert histogram.quantile_ms(0.5) == 0.0
    histogram.add(1e9)
    assert histogram.count == 2
    assert histogram.max_ms == 1e9


def test_gestures_are_counted_in_the_class_of_their_parameter(knob_to_ear: GestureLatencies) -> None:
    assert knob_to_ear.audible("deck/a/gain", 1_000_000, 6_000_000) == GestureLatency(
        "deck/a/gain", ControlClass.IMMEDIATE, 1_000_000, 5.0
    )
    assert knob_to_ear.audible("deck/a/alpha", 0, 7_000_000).control is ControlClass.MORPH
    assert knob_to_ear.audible("fade", 0, 1_000_000).control is ControlClass.IMMEDIATE
    facts = knob_to_ear.facts()
    assert [facts[f"ear_{c}_count"] for c in ("immediate", "morph", "quantised")] == [2, 1, 0]
    assert facts["ear_morph_max_ms"] == 7.0
    assert knob_to_ear.shown() == "5/7/– ms"


def test_a_bank_answers_all_changes_that_it_holds_and_no_newer_one(knob_to_ear: GestureLatencies) -> None:
    knob_to_ear.asked("deck/a/prompt", 10, {"a": 1})
    knob_to_ear.asked("deck/a/seed", 20, {"a": 2})
    knob_to_ear.launched("a", 7, 2)
    knob_to_ear.asked("deck/a/guidance", 30, {"a": 3})
    assert [(h.path, h.ms) for h in knob_to_ear.landed("a", 7, 1_000_020)] == [
        ("deck/a/prompt", 1.00001),
        ("deck/a/seed", 1.0),
    ]
    knob_to_ear.launched("a", 8, 3)
    assert [h.path for h in knob_to_ear.landed("a", 8, 50)] == ["deck/a/guidance"]
    assert knob_to_ear.landed("a", 8, 60) == []


def test_a_newer_value_takes_the_place_of_an_unheard_one(knob_to_ear: GestureLatencies) -> None:
    knob_to_ear.asked("deck/a/prompt", 10, {"a": 1})
    knob_to_ear.launched("a", 1, 1)
    knob_to_ear.asked("deck/a/prompt", 2_000_000, {"a": 2})
    assert knob_to_ear.landed("a", 1, 3_000_000) == []  # what sounds now is not what the hand wants any more
    knob_to_ear.launched("a", 2, 2)
    assert [h.ms for h in knob_to_ear.landed("a", 2, 4_000_000)] == [2.0]


def test_a_change_of_all_decks_counts_once_and_a_dropped_one_never(knob_to_ear: GestureLatencies) -> None:
    knob_to_ear.asked("transport/tempo", 10, {"a": 1, "b": 1})
    knob_to_ear.asked("deck/b/seed", 10, {"b": 2})
    knob_to_ear.dropped("b")
    knob_to_ear.launched("a", 1, 1)
    knob_to_ear.launched("b", 2, 2)
    assert [h.path for h in knob_to_ear.landed("a", 1, 20)] == ["transport/tempo"]
    assert knob_to_ear.landed("b", 2, 20) == []


def test_a_change_that_every_deck_dropped_is_gone_and_an_unknown_bank_answers_nothing(
    knob_to_ear: GestureLatencies,
) -> None:
    knob_to_ear.asked("transport/tempo", 10, {"a": 1, "b": 1})
    knob_to_ear.dropped("a")
    assert knob_to_ear._unheard
    knob_to_ear.dropped("b")
    assert not knob_to_ear._unheard
    assert knob_to_ear.landed("a", 5, 20) == []  # of a player that was started again


def test_without_a_stamp_nothing_is_followed(knob_to_ear: GestureLatencies) -> None:
    knob_to_ear.asked("deck/a/prompt", 0, {"a": 1})
    knob_to_ear.launched("a", 1, 1)
    assert knob_to_ear.landed("a", 1, 20) == []


def test_banks_that_never_begin_are_forgotten(knob_to_ear: GestureLatencies) -> None:
    for bank in range(1, 1000):
        knob_to_ear.launched("a", bank, bank)
    knob_to_ear.landed("a", 999, 0)
    assert not knob_to_ear._launched


def test_the_csv_has_every_gesture(tmp_path: Path) -> None:
    file = LatencyCsv(tmp_path / "knob_to_ear.csv")
    file.write(GestureLatency("deck/a/gain", ControlClass.IMMEDIATE, 5, 3.14159))
    file.close()
    lines = (tmp_path / "knob_to_ear.csv").read_text().splitlines()
    assert lines == ["class,path,stamp_ns,ms", "immediate,deck/a/gain,5,3.142"] and not file.lost
    with pytest.raises(JournalError, match="choose a folder"):
        LatencyCsv(tmp_path / "none" / "knob_to_ear.csv")
