"""How many renderers a pool wants of a cluster: sets that drift on simulated time, actors that take time to start."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import pairwise

from riffengine.pool.scaling import Runways, Scaling, ScalingPolicy

TICK = 0.1


@dataclass
class Cluster:
    """Sets that each need a loop every ``period`` seconds, and actors that render one in ``cost`` seconds.

    A set has as much runway as its loops are ahead, at most ``reach``; it waits for a loop whenever it has less.
    """

    policy: ScalingPolicy
    cost: float
    period: float = 4.0
    reach: float = 12.0
    start_seconds: float = 10.0
    now: float = 0.0
    runways: list[float] = field(default_factory=list)
    famine_seconds: float = 0.0
    wanted: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.scaling = Scaling(self.policy)
        self._ready_at = [0.0] * self.policy.least  # of each actor
        self._told = self.policy.least
        self._work = 0.0

    def play(self, seconds: float, sets: int) -> int:
        """Play ``sets`` for a while; the most actors that were wanted."""
        self.runways = [*self.runways, *[self.reach] * sets][:sets]
        most = 0
        for _ in range(round(seconds / TICK)):
            self.now += TICK
            ready = sum(at <= self.now for at in self._ready_at)
            while self._told < ready:
                self._told += 1
                self.scaling.started(self.start_seconds)
            self.runways = [runway - TICK for runway in self.runways]
            self.famine_seconds += TICK * sum(runway < 0 for runway in self.runways)
            self.runways = [max(0.0, runway) for runway in self.runways]
            waiting = [index for index, runway in enumerate(self.runways) if runway + self.period <= self.reach]
            least = min((self.runways[index] for index in waiting), default=math.inf)
            self._work += min(ready, len(waiting)) * TICK / self.cost
            for index in sorted(waiting, key=lambda index: self.runways[index])[: int(self._work)]:
                self.runways[index] += self.period
                self._work -= 1
            self._work = min(self._work, float(ready)) if waiting else 0.0
            wanted = self.scaling.step(self.now, least, ready, min(ready, len(waiting)))
            self._ready_at += [self.now + self.start_seconds] * (wanted - len(self._ready_at))
            del self._ready_at[wanted:]
            self._told = min(self._told, len(self._ready_at))
            self.wanted.append(wanted)
            most = max(most, wanted)
        return most


def test_sets_that_one_actor_carries_get_no_other_whatever_the_queue_is() -> None:
    cluster = Cluster(ScalingPolicy(1, 8), cost=1.0)
    assert cluster.play(1800.0, sets=3) == 1
    assert cluster.famine_seconds == 0.0


def test_a_runway_that_falls_has_actors_started_before_it_ends() -> None:
    cluster = Cluster(ScalingPolicy(1, 8), cost=1.0, reach=30.0)
    cluster.play(60.0, sets=2)
    assert cluster.play(300.0, sets=9) >= 3, "nine loops in four seconds are the work of three actors"
    assert cluster.famine_seconds == 0.0
    assert cluster.play(600.0, sets=9) <= 6


def test_after_minutes_of_plenty_one_actor_goes_at_a_time_down_to_the_least_and_none_comes_back() -> None:
    policy = ScalingPolicy(1, 8)
    cluster = Cluster(policy, cost=1.0, reach=30.0)
    cluster.play(60.0, sets=2)
    most = cluster.play(120.0, sets=9)
    began = len(cluster.wanted)
    cluster.play(policy.plenty_seconds * (most + 2), sets=1)
    calm = cluster.wanted[began:]
    assert calm[-1] == policy.least
    assert all(before - after in (0, 1) for before, after in pairwise(calm)), "one at a time"
    changes = [tick for tick in range(1, len(calm)) if calm[tick] != calm[tick - 1]]
    assert all(later - tick >= policy.plenty_seconds / TICK for tick, later in pairwise(changes))
    assert cluster.famine_seconds == 0.0


def test_an_actor_whose_work_the_others_cannot_do_stays() -> None:
    cluster = Cluster(ScalingPolicy(1, 8), cost=1.0, reach=30.0)
    cluster.play(60.0, sets=2)
    cluster.play(1800.0, sets=9)
    changes = sum(before != after for before, after in pairwise(cluster.wanted))
    assert 3 <= cluster.wanted[-1] <= 6
    assert changes <= 4, "it does not swing"


def test_never_more_than_the_most_and_nothing_while_actors_start() -> None:
    scaling = Scaling(ScalingPolicy(2, 5))
    assert scaling.step(0.0, 0.0, ready=2, busy=2) == 3
    assert [scaling.step(0.1 * tick, 0.0, ready=2, busy=2) for tick in range(1, 50)] == [3] * 49
    assert scaling.step(5.0, 0.0, ready=3, busy=3) == 4
    assert scaling.step(5.1, 0.0, ready=4, busy=3) == 5
    assert scaling.step(9.9, 0.0, ready=5, busy=5) == 5


def test_the_time_that_actors_take_is_learned() -> None:
    def falling(start_seconds: float) -> int:
        scaling = Scaling(ScalingPolicy(1, 8, start_seconds=start_seconds))
        for second in range(11):
            wanted = scaling.step(float(second), 40.0 - second, ready=1, busy=1)
        return wanted

    assert falling(10.0) == 1
    assert falling(60.0) == 2


def test_only_sets_that_wait_have_a_runway_and_it_falls_with_time() -> None:
    runways = Runways()
    assert math.isinf(runways.least(["room"], 0.0))
    runways.tell("room", 8.0, 10.0)
    runways.tell("hall", None, 10.0)
    assert runways.least(["room", "hall"], 13.0) == 5.0
    assert math.isinf(runways.least(["hall"], 13.0))
    assert runways.least(["room"], 30.0) == 0.0
    runways.forget("room")
    assert math.isinf(runways.least(["room"], 13.0))


def test_actors_that_are_not_ready_are_not_taken_for_idle() -> None:
    scaling, now = Scaling(ScalingPolicy(1, 4)), 0.0
    for ready in (1, 2):
        now += TICK
        scaling.step(now, 0.0, ready, ready)
    assert scaling.wanted == 3
    for _ in range(6000):  # ten minutes in which all have died and are being started, and no set tells a runway
        now += TICK
        assert scaling.step(now, math.inf, 0, 0) == 3
    for _ in range(2000):
        now += TICK
        scaling.step(now, math.inf, 3, 0)
    assert scaling.wanted == 2
