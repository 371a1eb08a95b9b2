"""Items of Ableton Link's test plan, against a second process with another binding of the library (aalink)."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from riffengine.clock import SystemClock
from riffengine.control.link import LinkLeader
from tests.wire.link_peer import Peer, needs_link

pytestmark = [pytest.mark.wire, needs_link]


@pytest.fixture
def peer() -> Iterator[Peer]:
    other = Peer(131.0)
    yield other
    other.end()


CLOCK = SystemClock()


def tempo(leader: LinkLeader) -> float:
    return leader.position(CLOCK.now_ns()).bpm  # type: ignore[union-attr]


def until(true, seconds: float = 60.0) -> bool:  # type: ignore[no-untyped-def]
    deadline = CLOCK.now_ns() + round(seconds * 1e9)
    while CLOCK.now_ns() < deadline:
        if true():
            return True
        time.sleep(0.05)
    return False


def test_joining_adopts_the_tempo_of_the_session_and_does_not_change_it(peer: Peer) -> None:
    time.sleep(1.0)  # the peer's session must be older than ours
    ours = LinkLeader(97.0, CLOCK)
    try:
        assert until(lambda: ours.peers == 1)
        assert until(lambda: abs(tempo(ours) - 131.0) < 0.01)
        assert peer.ask().bpm == pytest.approx(131.0, abs=0.01)
    finally:
        ours.close()


def test_a_tempo_set_by_either_side_reaches_the_other_and_the_beat_is_shared(peer: Peer) -> None:
    ours = LinkLeader(97.0, CLOCK)
    try:
        assert until(lambda: ours.peers == 1)
        peer.ask("tempo 120")
        assert until(lambda: abs(tempo(ours) - 120.0) < 0.01)
        ours.propose(100.0)
        assert until(lambda: abs(peer.ask().bpm - 100.0) < 0.01)
        apart = []
        for _ in range(20):
            before = CLOCK.now_ns()
            beat = peer.ask().beat
            middle = (before + CLOCK.now_ns()) // 2
            here = ours.position(middle)
            assert here is not None
            away = (beat - here.beat + 2.0) % 4.0 - 2.0
            apart.append((CLOCK.now_ns() - before, abs(away) * 0.6))
        took, seconds = min(apart)  # the quickest answer is the most exact
        assert seconds < took / 2e9 + 0.001
    finally:
        ours.close()


def test_the_beat_does_not_jump_when_a_peer_joins_our_session() -> None:
    ours = LinkLeader(125.0, CLOCK)
    try:
        time.sleep(1.0)
        start = CLOCK.now_ns()
        before = ours.position(start)
        other = Peer(99.0)
        try:
            assert until(lambda: ours.peers == 1)
            time.sleep(1.0)
            later = CLOCK.now_ns()
            after = ours.position(later)
            assert before is not None
            assert after is not None
            assert after.bpm == pytest.approx(125.0, abs=0.01)
            assert after.beat - before.beat == pytest.approx((later - start) * 125 / 60e9, abs=0.002)
        finally:
            other.end()
    finally:
        ours.close()


@pytest.mark.parametrize("opted_in", [False, True])
def test_start_and_stop_are_shared_only_by_those_who_opt_in(peer: Peer, opted_in: bool) -> None:
    ours = LinkLeader(131.0, CLOCK, start_stop=opted_in)
    try:
        assert until(lambda: ours.peers == 1)
        peer.ask("play 1")
        assert until(lambda: ours.position(CLOCK.now_ns()).playing)  # type: ignore[union-attr]
        peer.ask("play 0")
        stopped = until(lambda: not ours.position(CLOCK.now_ns()).playing, 60.0 if opted_in else 1.0)  # type: ignore[union-attr]
        assert stopped is opted_in
    finally:
        ours.close()
