"""Sliders that move on every tick for minutes: what is rendered is heard, nothing starves, nothing stalls."""

import pytest

from riffengine.processes.player_messages import LaunchBank
from tests.scheduler.simulation import SchedulerSimulation

TICK = 20
MINUTES = 2
BEGIN = 60000


def slide(sim: SchedulerSimulation, gestures: list[tuple[str, list[object]]]) -> None:
    for move in range(MINUTES * 60_000 // TICK):
        for path, values in gestures:
            sim.send(path, values[move % len(values)])
        sim.run_to(BEGIN + TICK * (move + 1))


@pytest.mark.parametrize(
    ("kind", "decks", "quantum", "render_seconds"),
    [
        ("guidance", ("a",), "bar", 0.4),
        ("guidance", ("a", "b"), "bar", 3.0),
        ("prompt", ("a",), "off", 0.4),
        ("prompt", ("a", "b"), "bar", 0.4),
        ("prompt", ("a", "b"), "off", 0.4),
    ],
)
def test_what_begins_to_render_is_heard(kind: str, decks: tuple[str, ...], quantum: str, render_seconds: float) -> None:
    values: dict[str, object] = {"deck__b__seed": 9, "deck__b__to_seed": 10} if "b" in decks else {}
    sim = SchedulerSimulation(decks=decks, transport__quantum=quantum, render_seconds=render_seconds, **values).run_to(
        BEGIN
    )
    before, launched = sim.status(), sim.frame
    turns: list[object] = [f"prompt {n}" for n in range(997)] if kind == "prompt" else [1 + n / 125 for n in range(997)]
    slide(sim, [(f"deck/{deck}/{kind}", turns) for deck in decks])
    after = sim.status()
    started, heard = after.jobs_started - before.jobs_started, after.jobs_heard - before.jobs_heard
    assert heard >= 0.95 * (started - len(decks)), (started, heard)  # the last of each may be on its way
    for deck in decks:
        frames = [m.at_frame for m in sim.sent(LaunchBank) if m.deck == deck and m.at_frame > launched]
        gaps = [b - a for a, b in zip([launched, *frames], [*frames, sim.frame], strict=True)]
        period = max({"bar": 2.0, "off": 0.1}[quantum], render_seconds * len(decks))
        assert max(gaps) <= 3000 * period, (deck, max(gaps))  # no starvation, no stall
    sim.run_to(sim.frame + 60000)
    assert all(deck.settled for deck in sim.conductor.scheduler.decks.values())  # the last values sound
