"""Mangled OSC in the middle of a set, in small; ``python -m tools.bench.fuzz_osc`` is the million."""

from __future__ import annotations

import logging

import pytest

from tools.bench.fuzz_osc import Judge, measure


@pytest.fixture(autouse=True)
def quiet() -> object:
    logging.disable(logging.WARNING)  # python-osc's, about every type tag it does not know
    yield
    logging.disable(logging.NOTSET)


def test_mangled_datagrams_change_no_sample_and_no_state() -> None:
    found = measure(datagrams=15_000, seed=2, seconds=90.0)
    assert found["pieces"] == 15_000 and found["garbage"] > 5_000 and found["rejected"] > 2_000
    assert found["crashes"] == 0, found["first"]
    assert found["unjust"] == 0 and found["changed"] == 0
    assert found["commands"] > 1_000, "some are well formed, and are understood"
    assert found["digest"] == found["digest_alone"]


def test_a_command_from_what_could_set_nothing_would_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Judge, "may_set", lambda self, datagram: False)
    assert measure(datagrams=2_000, seed=2, seconds=20.0)["unjust"] > 100
