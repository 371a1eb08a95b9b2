"""Random MIDI bytes in the middle of a set, in small; ``python -m tools.bench.fuzz_midi`` is the million."""

from __future__ import annotations

import pytest

from tools.bench.fuzz_midi import Judge, measure


def test_random_bytes_change_no_sample_and_no_state() -> None:
    found = measure(count=40_000, seed=2, seconds=60.0)
    assert found["bytes"] == 40_000 and found["garbage"] > 4_000 and found["unbound"] > 1_000
    assert found["crashes"] == 0, found["first"]
    assert found["unjust"] == 0 and found["changed"] == 0
    assert found["commands"] > 50, "some are messages, and are understood"
    assert found["performed"] > 20 and found["digest"] == found["digest_alone"]


def test_a_command_from_what_could_set_nothing_would_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Judge, "may_set", lambda self, message, label: False)
    assert measure(count=10_000, seed=2, seconds=10.0)["unjust"] > 5
