"""How many sets a pool of renderers carries: its own dispatcher on simulated time, with Poisson gestures and deaths.

    python -m tools.scale_model [--minutes 20] [--plot docs/scale.png]

The decisions are those of ``riffengine.pool.dispatcher``, not a model of them; sets, renderers and deaths are modelled:

- A set drifts: every ``DRIFT_SECONDS`` it orders the loop after the next one (its deadline is two steps ahead), and one
  more that nobody waits for.
- A performer changes something ``GESTURES_PER_MINUTE`` times a minute (Poisson). The landing is promised as the
  scheduler does it: the first bar after now + 0.1 s + the p95 of the last 48 answers. Four loops follow that nobody
  waits for, and that are dropped when they are older than two loops.
- ``SHARED`` of the prompts come from a list that all sets share (Zipf), the others are nobody else's.
- A render takes ``seconds``, log-normal (sigma 0.2), and 2 of 100 take ten times as long. A renderer dies every
  ``DEATH_HOURS`` (exponential) and is back after ``RESTART_SECONDS``.

Pools of more than ``CELL`` renderers are cells that share nothing, since one pool is one process. Their results are
those of one cell. Prices are assumptions, and so are the costs of a GPU until one was measured.
"""

from __future__ import annotations

import argparse
import heapq
import math
import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache

from riffengine.pool.dispatcher import Dispatcher
from riffengine.pool.jobs import Begin, Dropped, EndMember, HandOver, Order, PoolAction, Refused, Stop
from riffengine.processes.render_request import MorphEnd, RenderRequest

DRIFT_SECONDS = 4.0  # a loop of eight beats at 120 bpm
GESTURES_PER_MINUTE = 6.0
FOLLOWING = 4  # loops of a new bank that nobody waits for
BAR_SECONDS = 2.0
LEAD_SECONDS = 0.1
SHARED, LIST, CACHE = 0.3, 500, 256  # share of prompts from the list, its length, loops kept in memory
DEATH_HOURS, RESTART_SECONDS = 1.0, 30.0
CELL = 10
TICK_SECONDS = 0.1


@dataclass(frozen=True)
class Machine:
    """What a renderer costs: seconds a loop, and an assumed price an hour."""

    name: str
    seconds: float
    price: float
    measured: bool


MACHINES = (
    Machine("CPU core, bundled model", 0.31, 0.04, True),
    Machine("GPU, 4 steps", 0.05, 2.50, False),
    Machine("GPU, 50 steps", 0.45, 2.50, False),
)


@dataclass
class Outcome:
    """What happened to all sets of a cell."""

    set_hours: float
    utilisation: float
    gestures: int = 0
    late: int = 0
    steps: int = 0
    famines: int = 0
    asked: int = 0
    hits: int = 0
    hedges: int = 0
    landing_seconds: list[float] = field(default_factory=list)

    @property
    def landing(self) -> float:
        """Median seconds from a gesture to the landing that was promised."""
        waits = sorted(self.landing_seconds)
        return waits[len(waits) // 2] if waits else math.nan


@cache
def request(number: int) -> RenderRequest:
    """The loop of this number."""
    end = MorphEnd("techno", number)
    return RenderRequest(end, end)


class Cell:
    """``sets`` on ``seats`` renderers of one machine, for ``minutes``."""

    def __init__(self, sets: int, seats: int, machine: Machine, minutes: float, seed: int = 1) -> None:
        self._rng = random.Random(f"{sets} {seats} {machine.name} {seed}")
        self._sets, self._seats, self._machine, self._end = sets, seats, machine, minutes * 60.0
        self._pool = Dispatcher()
        self._events: list[tuple[float, int, str, tuple[object, ...]]] = []
        self._count = 0
        self._now = 0.0
        self._next_job, self._next_loop = 1, LIST
        self._open: dict[int, tuple[str, int, float, float, str]] = {}  # set, loop, asked, deadline, purpose
        self._running: dict[tuple[str, int], bool] = {}
        self._fills: dict[str, deque[tuple[float, int]]] = {}  # by set: when asked, and the job
        self._cache: dict[int, None] = {}
        self._answers: dict[str, deque[float]] = {}
        self.outcome = Outcome(sets * minutes / 60.0, 0.0)

    def run(self) -> Outcome:
        """Simulate."""
        for number in range(self._seats):
            self._do(self._pool.member_ready(f"m{number}", 1, "kind", True, 0.0))
            self._at(self._rng.expovariate(1.0 / (DEATH_HOURS * 3600.0)), "death", f"m{number}")
        for number in range(self._sets):
            self._at(self._rng.uniform(0.0, DRIFT_SECONDS), "drift", f"s{number}")
            self._at(self._rng.expovariate(GESTURES_PER_MINUTE / 60.0), "gesture", f"s{number}")
        self._at(TICK_SECONDS, "tick")
        while self._events and self._events[0][0] < self._end:
            self._now, _, kind, facts = heapq.heappop(self._events)
            getattr(self, f"_{kind}")(*facts)
        counts, outcome = self._pool.counts, self.outcome
        for _, _, _, deadline, purpose in self._open.values():  # what is late and not there yet
            outcome.late += purpose == "gesture" and self._end > deadline
            outcome.famines += purpose == "drift" and self._end > deadline
        outcome.utilisation = counts.worked_seconds / (self._seats * self._end)
        outcome.hedges = counts.hedges
        return outcome

    # --- events ------------------------------------------------------------------------------------------------------

    def _tick(self) -> None:
        self._do(self._pool.tick(self._now))
        self._at(self._now + TICK_SECONDS, "tick")

    def _drift(self, name: str) -> None:
        self.outcome.steps += 1
        self._order(name, self._unique(), self._now + 2 * DRIFT_SECONDS, "drift")
        self._order(name, self._unique(), None, "fill")
        self._at(self._now + DRIFT_SECONDS, "drift", name)

    def _gesture(self, name: str) -> None:
        answers = sorted(self._answers.get(name, ()))
        p95 = answers[max(0, math.ceil(0.95 * len(answers)) - 1)] if len(answers) >= 6 else 0.6
        due = math.ceil((self._now + LEAD_SECONDS + p95) / BAR_SECONDS) * BAR_SECONDS
        self.outcome.gestures += 1
        self.outcome.landing_seconds.append(due - self._now)
        shared = self._rng.random() < SHARED
        first = min(LIST - 1, int(LIST ** self._rng.random()) - 1) if shared else self._unique()
        self._order(name, first, due - LEAD_SECONDS, "gesture")
        for number in range(FOLLOWING):
            self._order(name, -LIST * (number + 1) + first if shared else self._unique(), None, "fill")
        self._at(self._now + self._rng.expovariate(GESTURES_PER_MINUTE / 60.0), "gesture", name)

    def _death(self, member: str) -> None:
        for key in [key for key in self._running if key[0] == member]:
            del self._running[key]
        self._do(self._pool.member_lost(member, self._now))
        self._at(self._now + RESTART_SECONDS, "birth", member)

    def _birth(self, member: str) -> None:
        self._do(self._pool.member_ready(member, 1, "kind", True, self._now))
        self._at(self._now + self._rng.expovariate(1.0 / (DEATH_HOURS * 3600.0)), "death", member)

    def _done(self, member: str, attempt: int) -> None:
        if self._running.pop((member, attempt), None) is not None:
            self._do(self._pool.delivered(member, attempt, "x", self._now))

    def _stopped(self, member: str, attempt: int) -> None:
        if self._running.pop((member, attempt), None) is not None:
            self._do(self._pool.stopped(member, attempt, self._now))

    # --- orders ------------------------------------------------------------------------------------------------------

    def _unique(self) -> int:
        self._next_loop += 1
        return self._next_loop

    def _order(self, name: str, loop: int, deadline: float | None, purpose: str) -> None:
        self.outcome.asked += 1
        if loop in self._cache:
            self._cache[loop] = self._cache.pop(loop)
            self.outcome.hits += 1
            return
        # The scheduler drops what it no longer wants: here, what nobody waits for and is older than two loops.
        fills = self._fills.setdefault(name, deque())
        while fills and self._now - fills[0][0] > 2 * DRIFT_SECONDS:
            _, old = fills.popleft()
            if self._open.pop(old, None) is not None:
                self._do(self._pool.cancel(name, old, self._now))
        job, self._next_job = self._next_job, self._next_job + 1
        if purpose == "fill":
            fills.append((self._now, job))
        self._open[job] = (name, loop, self._now, math.inf if deadline is None else deadline, purpose)
        self._do(self._pool.order(Order(name, job, request(loop), deadline), self._now))

    def _handed(self, job: int) -> None:
        name, loop, asked, deadline, purpose = self._open.pop(job)
        if purpose == "gesture":
            self._answers.setdefault(name, deque(maxlen=48)).append(self._now - asked)
            self.outcome.late += self._now > deadline
        if purpose == "drift":
            self.outcome.famines += self._now > deadline
        self._cache[loop] = None
        while len(self._cache) > CACHE:
            del self._cache[next(iter(self._cache))]

    def _do(self, actions: Sequence[PoolAction]) -> None:
        for action in actions:
            match action:
                case Begin():
                    seconds = self._machine.seconds * math.exp(0.2 * self._rng.gauss(0.0, 1.0))
                    seconds *= 10.0 if self._rng.random() < 0.02 else 1.0
                    self._running[action.member, action.attempt] = True
                    self._at(self._now + seconds, "done", action.member, action.attempt)
                    for _ in range(int(seconds)):  # signs of life, so that a slow one is not taken for a silent one
                        self._at(self._now + 1.0 + _, "sign", action.member, action.attempt)
                case Stop():
                    self._at(self._now + self._machine.seconds / 8, "stopped", action.member, action.attempt)
                case HandOver():
                    self._handed(action.job)
                case Dropped() | EndMember():
                    continue
                case Refused():
                    self._open.pop(action.job, None)

    def _sign(self, member: str, attempt: int) -> None:
        if (member, attempt) in self._running:
            self._pool.sign(member, attempt, 1.0, 1, self._now)

    def _at(self, when: float, kind: str, *facts: object) -> None:
        self._count += 1
        heapq.heappush(self._events, (when, self._count, kind, facts))


@cache
def cell(sets: int, renderers: int, machine: Machine, minutes: float) -> Outcome:
    """The outcome of one cell; the same for all cells of a size."""
    return Cell(sets, renderers, machine, minutes).run()


def simulate(sets: int, renderers: int, machine: Machine, minutes: float) -> Outcome:
    """The outcome of one of the cells that ``renderers`` make, with its share of ``sets``."""
    cells = max(1, renderers // CELL)
    return cell(max(1, round(sets / cells)), renderers // cells, machine, minutes)


def row(sets: int, renderers: int, machine: Machine, outcome: Outcome) -> str:
    """A line of the table."""
    hours = outcome.set_hours
    return (
        f"| {sets:,} | {renderers:,} | {outcome.utilisation:.0%} | {outcome.famines / hours:.1f} | "
        f"{outcome.late / max(1, outcome.gestures):.1%} | {outcome.landing:.1f} s | "
        f"{outcome.hits / max(1, outcome.asked):.0%} | {machine.price * renderers / sets:.3f} |"
    )


def plot(path: str, minutes: float) -> None:
    """Famines and late gestures by load, one line for each machine; as many renders are simulated of each."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(9, 3.4), sharex=True)
    demand = 2 / DRIFT_SECONDS + (1 + FOLLOWING) * GESTURES_PER_MINUTE / 60.0  # loops a second of one set
    for machine in MACHINES:
        loads = (0.2, 0.4, 0.6, 0.7, 0.8, 0.9, 1.0)
        found = []
        for load in loads:
            sets = max(1, round(load * CELL / (demand * machine.seconds)))
            found.append(cell(sets, CELL, machine, minutes * machine.seconds / MACHINES[0].seconds))
        axes[0].plot(loads, [o.famines / o.set_hours for o in found], marker="o", ms=3, label=machine.name)
        axes[1].plot(loads, [100 * o.late / max(1, o.gestures) for o in found], marker="o", ms=3)
    axes[0].set_ylabel("famines per set and hour")
    axes[1].set_ylabel("gestures later than told, %")
    for axis in axes:
        axis.set_xlabel(f"asked of {CELL} renderers, as a share of what they can")
        axis.grid(alpha=0.3)
    axes[0].legend(frameon=False, fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--plot", metavar="FILE")
    arguments = parser.parse_args()
    plans = {
        MACHINES[0]: ((1, 1), (2, 1), (3, 1), (10, 4), (10, 5), (100, 40), (100, 50), (1000, 400), (10_000, 4000)),
        MACHINES[1]: ((1, 1), (10, 1), (20, 1), (100, 10), (150, 10), (1000, 100), (10_000, 1000)),
        MACHINES[2]: ((1, 1), (2, 1), (10, 5), (10, 10), (1000, 500), (10_000, 5000)),
    }
    for machine, sizes in plans.items():
        print(f"\n{machine.name}: {machine.seconds} s a loop ({'measured' if machine.measured else 'assumed'}), "
              f"{machine.price:.2f} an hour (assumed)\n")  # fmt: skip
        print("| sets | renderers | busy | famines/set-hour | gestures late | landing | cache hits | cost/set-hour |")
        print("|---|---|---|---|---|---|---|---|")
        for sets, renderers in sizes:
            print(row(sets, renderers, machine, simulate(sets, renderers, machine, arguments.minutes)))
    if arguments.plot:
        plot(arguments.plot, arguments.minutes)


if __name__ == "__main__":
    main()
