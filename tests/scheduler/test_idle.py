"""A set in which nothing happens costs almost no time, and decides the same."""

import pytest

from tests.scheduler.simulation import SchedulerSimulation


def played(idle: bool, **values: object) -> list[object]:
    sim = SchedulerSimulation(**values)
    if not idle:
        sim.conductor._idle.lasts = lambda frame: False  # everything is decided again at every tick
    sim.run_to(20100)
    sim.fail = lambda request: request.end.seed == 6
    for at, path, value in (
        (20100, "deck/a/prompt", "techno"),
        (31000, "deck/a/alpha", 0.9),
        (33333, "transport/tempo", 111.0),
        (41000, "next", True),
        (50001, "deck/a/drift", 0.0),
        (52001, "deck/a/drift", 0.3),
    ):
        sim.run_to(at)
        sim.send(path, value)
    sim.run_to(120000)
    return [*sim.player, *sim.renders]


@pytest.mark.parametrize("decks", [("a",), ("a", "b")])
def test_to_decide_only_when_something_can_happen_changes_nothing(decks: tuple[str, ...]) -> None:
    values = {f"deck__{deck}__drift": 0.25 for deck in decks} | {"deck__a__to": "dub", "decks": decks}
    assert played(True, **values) == played(False, **values)


def test_a_drift_is_idle_between_the_points_of_its_bank() -> None:
    sim = SchedulerSimulation(deck__a__drift=0.05).run_to(60000)
    decided, advance = [], sim.conductor._advance
    sim.conductor._advance = lambda frame: (decided.append(frame), advance(frame))[1]
    sim.run_to(92000)  # eight loops, 256 sixteenth notes
    assert len(sim.controls("deck/a/alpha")) > 256
    assert len(decided) < 60
