"""The dashboard and the page show the same, whoever plays: see ``tests/web/one_truth.py``."""

from __future__ import annotations

from tests.web.one_truth import compare


def test_page_and_dashboard_show_the_same_while_midi_osc_and_a_page_are_played_at_once() -> None:
    found = compare(90.0, seed=3)
    assert found.differences == []
    assert found.comparisons > 8 and found.deaths >= 1
    assert min(found.gestures.values()) > 200
