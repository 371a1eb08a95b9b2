"""Ableton Link's test plan, item by item, with our TempoSync on the real clock and a real second peer.

Not here: STARTSTOPSTATE-1 is in ``test_link_peer.py``; STARTSTOPSTATE-2 asks that our own Start and Stop reach the
others, and we have none (panic is for the ears in the room, the beat runs on). AUDIOENGINE-1 is measured
by ``tools/bench/link_phase.py``: it takes minutes of captured sound. What the plan asks of windows has no window here.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from riffengine.clock import SystemClock
from riffengine.control.link import LinkLeader
from riffengine.performance.command import Command
from tests.engine.sync.simulation import RATE, SyncSimulation
from tests.engine.sync.test_tempo_sync import jumps_ms, wrapped
from tests.wire.link_peer import Peer, needs_link

pytestmark = [pytest.mark.wire, needs_link]
CLOCK = SystemClock()


class LiveSimulation(SyncSimulation):
    """A simulation whose device runs on the real clock: its reports are exact, however late this process is."""

    def __init__(self, **values: Any) -> None:
        super().__init__({"link": lambda bpm: LinkLeader(bpm, CLOCK)}, drift=0.0, **values)
        self.begun_ns = CLOCK.now_ns()

    def make_clock(self) -> Any:
        return CLOCK

    def pass_time(self) -> int:
        due = self.begun_ns + self.frame * self._frame_ns
        time.sleep(max(0.0, (due - CLOCK.now_ns()) / 1e9))
        return round(due)

    def tempo(self) -> float:
        return self.conductor.state.number("transport/tempo")

    def until(self, true: Any, seconds: float = 40.0) -> bool:
        """Play until ``true`` returns true; false when ``seconds`` of music were not enough."""
        end = self.frame + seconds * RATE
        while not true() and self.frame < end:
            self.run(0.1)
        return bool(true())

    def apart_ms(self, peer: Peer, fold: float = 1.0) -> float:
        """How far what is heard is from the peer's beat, less the uncertainty of the quickest of twelve answers."""
        found = []
        for _ in range(12):
            self.run(0.02)
            answer = peer.ask()
            frame = (answer.before_ns + answer.after_ns) / 2 - self.heard_ns(0)
            frame *= RATE / 1e9
            grid = next((g.grid for g in reversed(self.grids) if g.at_frame <= frame), self.grids[0].grid)
            away = wrapped(grid.beat_at(frame) - answer.beat * fold, min(4.0 * fold, 8.0)) * 60e3 / grid.bpm
            open_ms = (answer.after_ns - answer.before_ns) / 2e6
            found.append((open_ms, max(0.0, abs(away) - open_ms)))
        return min(found)[1]


@pytest.fixture
def simulations() -> Iterator[list[LiveSimulation]]:
    made: list[LiveSimulation] = []
    yield made
    for simulation in made:
        simulation.sync.close()


@pytest.fixture
def peer() -> Iterator[Peer]:
    other = Peer(130.0)
    time.sleep(1.0)  # the peer's session must be older than ours
    yield other
    other.end()


def joined(simulations: list[LiveSimulation], **values: Any) -> LiveSimulation:
    simulations.append(LiveSimulation(transport__sync="link", **values))
    return simulations[-1]


def test_tempo_1_2_3_joining_keeps_the_sessions_tempo_changes_go_both_ways_a_new_document_changes_nothing(
    peer: Peer, simulations: list[LiveSimulation]
) -> None:
    simulation = joined(simulations, transport__tempo=100.0)
    assert simulation.until(lambda: simulation.tempo() == 130.0)
    assert peer.ask().bpm == pytest.approx(130.0, abs=0.01)  # TEMPO-2
    # TEMPO-3: the tempo of a preset or a scene stays with us, and the session's tempo applies.
    simulation.do(simulation.conductor.submit(Command("transport/tempo", 90.0, "scene"), simulation.frame)[1])
    simulation.run(1.0)
    assert simulation.until(lambda: simulation.tempo() == 130.0)
    assert peer.ask().bpm == pytest.approx(130.0, abs=0.01)
    simulation.send("transport/tempo", 110.0)  # TEMPO-1: from us to the peer …
    assert simulation.until(lambda: abs(peer.ask().bpm - 110.0) < 0.01)
    peer.ask("tempo 126")  # … and from the peer to us
    assert simulation.until(lambda: simulation.tempo() == 126.0)
    assert simulation.until(lambda: simulation.apart_ms(peer) < 1.0)


@pytest.mark.parametrize(("bpm", "ours"), [(20.0, 80.0), (999.0, 124.9)])
def test_tempo_4_the_slowest_and_the_fastest_are_followed_by_a_multiple(
    peer: Peer, simulations: list[LiveSimulation], bpm: float, ours: float
) -> None:
    simulation = joined(simulations)
    assert simulation.until(lambda: simulation.tempo() == 130.0)
    peer.ask(f"tempo {bpm}")
    assert simulation.until(lambda: abs(simulation.tempo() - ours) < 0.11)
    assert simulation.until(lambda: simulation.apart_ms(peer, round(ours) / round(bpm) if bpm < 60 else 1 / 8) < 1.0)


def test_tempo_5_beattime_1_alone_neither_to_enable_link_nor_to_leave_it_changes_tempo_or_beat(
    simulations: list[LiveSimulation],
) -> None:
    simulations.append(simulation := LiveSimulation(transport__tempo=117.0))
    simulation.run(1.3)
    simulation.send("transport/sync", "link")
    simulation.run(2.0)
    assert simulation.tempo() == 117.0
    simulation.send("transport/tempo", 118.0)
    simulation.run(1.5)
    simulation.send("transport/sync", "internal")
    simulation.run(1.0)
    assert simulation.tempo() == 118.0
    assert jumps_ms(simulation) < 1.0


def test_beattime_2_a_peer_that_joins_our_session_is_not_heard(simulations: list[LiveSimulation]) -> None:
    simulation = joined(simulations, transport__tempo=125.0)
    simulation.run(2.0)
    before = len(simulation.grids)
    other = Peer(99.0)
    try:
        assert simulation.until(lambda: other.ask().peers == 1)
        simulation.run(1.5)
        assert other.ask().bpm == pytest.approx(125.0, abs=0.01)
    finally:
        other.end()
    assert simulation.tempo() == 125.0
    simulation.grids = simulation.grids[max(0, before - 1) :]
    assert jumps_ms(simulation) < 1.0
