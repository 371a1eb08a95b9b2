"""Dispatcher: which member of a pool renders which loop, and when a second one tries. Pure; time is passed in.

A loop is determined by its request, so it may be rendered twice and anywhere: a lost attempt is repeated, a slow one is
overtaken by a second (a hedge), and the loser is stopped. What is needed first is rendered first; drafts come before
finished loops; of what nobody waits for, the client that has used least is served first.
"""

from __future__ import annotations

from collections import OrderedDict

from riffengine.pool.figures import PoolCounts, RenderSeconds
from riffengine.pool.jobs import (
    Attempt,
    Begin,
    Dropped,
    EndMember,
    HandOver,
    Member,
    Order,
    PoolAction,
    Progress,
    Refused,
    Stop,
    Work,
)
from riffengine.pool.kinds import NumericKinds
from riffengine.pool.policy import PoolPolicy
from riffengine.pool.shares import Shares
from riffengine.processes.render_request import RenderRequest

_DONE_KEPT = 256  # finished works whose second answers are compared with the first


class Dispatcher:
    """The decisions of one pool. Every call is given the time in seconds, and returns what is to be done, in order."""

    def __init__(self, policy: PoolPolicy | None = None) -> None:
        self.counts = PoolCounts()
        self.seconds = RenderSeconds()
        self._policy = policy or PoolPolicy()
        self._members: dict[str, Member] = {}
        self._works: dict[tuple[str, str], Work] = {}
        self._by_order: dict[tuple[str, int], Work] = {}
        self._attempts: dict[int, Attempt] = {}
        self._kinds = NumericKinds(self._members, self._policy.bare_seconds)
        self._shares = Shares(self._policy.use_half_life_seconds)
        self._done: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._next_attempt = 1
        self._next_work = 1

    # --- figures -----------------------------------------------------------------------------------------------------

    @property
    def seats(self) -> int:
        """Jobs that can be rendered at the same time by members that answer."""
        return sum(member.seats for member in self._members.values() if not member.silent and not member.ending)

    @property
    def busy(self) -> int:
        """Attempts under way."""
        return len(self._attempts)

    @property
    def waiting(self) -> int:
        """Loops that nobody renders yet."""
        return sum(1 for work in self._works.values() if not work.live)

    def seats_of(self, client: str) -> int:
        """Seats of the numeric kind of ``client``; of the kind it would get where it has none yet."""
        kind = self._kinds.of(client)
        return sum(m.seats for m in self._members.values() if m.kind == kind and not m.silent and not m.ending)

    def kind_of(self, client: str, local: bool = False) -> str:
        """The numeric kind in which the loops of ``client`` are made; ``local``: those that read a file."""
        return self._kinds.of(client, local)

    def bind(self, client: str) -> str:
        """The kind of ``client``, which it keeps from now on, as if it had ordered a loop."""
        return self._kinds.keep(client, False)

    # --- members -----------------------------------------------------------------------------------------------------

    def member_ready(self, name: str, seats: int, kind: str, local: bool, now: float) -> list[PoolAction]:
        """``name`` has loaded its model and renders ``seats`` jobs at a time.

        A node says so again when it goes over to other weights or to another kind; what it was given under the same
        kind goes on, and what it was given under another begins anew.
        """
        known = self._members.get(name)
        if known is not None and known.kind == kind:
            return self.member_seats(name, seats, now)
        lost = [] if known is None else self.member_lost(name, now)
        self._members[name] = Member(name, seats, kind, local)
        return [*lost, *self._assign(now)]

    def member_seats(self, name: str, seats: int, now: float) -> list[PoolAction]:
        """``name`` renders another number of jobs at a time; what it has begun goes on."""
        member = self._members.get(name)
        if member is None:
            return []
        member.seats = seats
        return self._assign(now)

    def member_lost(self, name: str, now: float) -> list[PoolAction]:
        """``name`` has ended, and everything it was rendering with it."""
        member = self._members.pop(name, None)
        for attempt in [] if member is None else list(member.attempts.values()):
            self.counts.lost += 1
            attempt.work.losses += attempt.stopped is None
            self._end_attempt(attempt, now, wasted=True)
        actions = self._rebind_clients(now)
        actions += [action for work in list(self._works.values()) for action in self._refuse_if_vain(work, now)]
        return [*actions, *self._assign(now)]

    def sign(
        self, name: str, number: int, worked_seconds: float, steps: int, now: float, queued: bool = False
    ) -> list[PoolAction]:
        """A sign of life of an attempt; ``queued``: it waits at a member that is a pool itself."""
        attempt = self._attempts.get(number)
        if attempt is None or attempt.member.name != name:
            return []
        attempt.sign, attempt.worked_seconds, attempt.steps = now, worked_seconds, max(attempt.steps, steps)
        attempt.queued = queued
        attempt.member.silent = False
        return self._progress(attempt.work, all(each.queued for each in attempt.work.attempts.values()))

    def heard(self, name: str, now: float) -> None:
        """Something has come from ``name``: signs of life may wait behind it."""
        member = self._members.get(name)
        if member is not None:
            member.silent = False
            for attempt in member.attempts.values():
                attempt.sign = now

    @staticmethod
    def _progress(work: Work, queued: bool) -> list[PoolAction]:
        worked = sum(each.worked_seconds for each in work.attempts.values())
        most = max((each.steps for each in work.attempts.values()), default=0)
        return [Progress(order.client, order.job, worked, most, queued) for order in work.orders.values()]

    # --- orders ------------------------------------------------------------------------------------------------------

    def order(self, order: Order, now: float) -> list[PoolAction]:
        """A client wants a loop; one that is being rendered for another client is shared."""
        self._place(order)
        return self._assign(now)

    def cancel(self, client: str, job: int, now: float) -> list[PoolAction]:
        """A client wants ``job`` no more; answered at once, whatever its attempts do."""
        work = self._by_order.pop((client, job), None)
        if work is None:
            return []
        del work.orders[client, job]
        stops = self._stop_if_unwanted(work, now)
        return [Dropped(client, job), *stops, *self._assign(now)]

    def client_gone(self, client: str, now: float) -> list[PoolAction]:
        """A client has ended; nothing is rendered for it any more."""
        actions: list[PoolAction] = []
        for name, job in [key for key in self._by_order if key[0] == client]:
            work = self._by_order.pop((name, job))
            del work.orders[name, job]
            actions += self._stop_if_unwanted(work, now)
        self._kinds.forget(client)
        self._shares.forget(client)
        return [*actions, *self._assign(now)]

    def holds(self, client: str, job: int) -> bool:
        """Whether ``job`` of ``client`` is neither answered nor dropped."""
        return (client, job) in self._by_order

    def request_of(self, name: str, number: int) -> RenderRequest | None:
        """What member ``name`` renders as attempt ``number``; ``None`` where it has no such attempt."""
        attempt = self._attempts.get(number)
        return attempt.work.request if attempt is not None and attempt.member.name == name else None

    # --- results -----------------------------------------------------------------------------------------------------

    def delivered(self, name: str, number: int, fingerprint: str, now: float) -> list[PoolAction]:
        """An attempt is finished; ``fingerprint`` names its samples. The first answer is handed on, others compared."""
        attempt = self._attempts.get(number)
        if attempt is None or attempt.member.name != name:
            return []
        work, kind = attempt.work, attempt.member.kind
        attempt.member.silent = False
        first = self._works.get(work.key) is work
        self._end_attempt(attempt, now, wasted=not first)
        if not first:
            known = self._done.get((kind, work.key[1]))
            self.counts.disagreements += known is not None and known != fingerprint
            return self._assign(now)
        self.counts.delivered += 1
        self.seconds.learn(work.request.steps, now - attempt.began)
        for client in {order.client for order in work.orders.values()}:
            self._shares.add(client, (now - attempt.began) / len(work.orders), now)
        self._done[work.key] = fingerprint
        while len(self._done) > _DONE_KEPT:
            self._done.popitem(last=False)
        handed: list[PoolAction] = [HandOver(order.client, order.job) for order in work.orders.values()]
        return [*handed, *self._close(work, now), *self._assign(now)]

    def failed(self, name: str, number: int, reason: str, hopeless: bool, now: float) -> list[PoolAction]:
        """An attempt could not be finished; another member tries, unless that is hopeless."""
        attempt = self._attempts.get(number)
        if attempt is None or attempt.member.name != name:
            return []
        work = attempt.work
        attempt.member.silent = False
        self._end_attempt(attempt, now, wasted=True)
        if attempt.stopped is None:
            work.failed_at.add(name)
            work.failure = reason
        refused = self._refuse(work, reason, True, now) if hopeless else self._refuse_if_vain(work, now)
        return [*refused, *self._assign(now)]

    def stopped(self, name: str, number: int, now: float) -> list[PoolAction]:
        """An attempt was dropped, as it was asked to be."""
        attempt = self._attempts.get(number)
        if attempt is None or attempt.member.name != name:
            return []
        attempt.member.silent = False
        self._end_attempt(attempt, now, wasted=True)
        return self._assign(now)

    def tick(self, now: float) -> list[PoolAction]:
        """Time has passed: notice silent members, begin second attempts. Call it ten times a second."""
        policy, actions = self._policy, list[PoolAction]()
        for member in self._members.values():
            quiet = max((now - attempt.sign for attempt in member.attempts.values()), default=0.0)
            unanswered = max((now - a.stopped for a in member.attempts.values() if a.stopped is not None), default=0.0)
            if quiet > policy.silent_seconds and not member.silent:
                member.silent = True
                self.counts.silences += 1
            if max(quiet, unanswered) > policy.end_seconds and not member.ending:
                member.ending = True
                actions.append(EndMember(member.name, f"has not answered for {max(quiet, unanswered):.0f} s"))
        return [*actions, *self._drop_late(now), *self._assign(now), *self._tell_waiting(now)]

    def _drop_late(self, now: float) -> list[PoolAction]:
        """Drop what has expired before anybody began it."""
        late = [each for work in self._works.values() if not work.attempts for each in work.orders.values()]
        return [a for each in late if each.is_late(now) for a in self.cancel(each.client, each.job, now)]

    def _tell_waiting(self, now: float) -> list[PoolAction]:
        """Say of what nobody renders that it waits: whoever ordered it would take the pool for hung."""
        told: list[PoolAction] = []
        for work in self._works.values():
            if not work.live and now - work.told_waiting >= self._policy.sign_seconds:
                work.told_waiting = now
                told += self._progress(work, queued=True)
        return told

    # --- assigning ---------------------------------------------------------------------------------------------------

    def _assign(self, now: float) -> list[PoolAction]:
        """Begin what waits, the most urgent first; then second attempts, on the seats that are left."""
        actions = self._rebind_clients(now)
        if not any(member.free for member in self._members.values()):
            return actions
        open_works = [work for work in self._works.values() if work.orders]
        waiting = [work for work in open_works if not work.live]
        for work in self._shares.in_order(waiting, now):
            member = self._choose(work)
            if member is not None:
                self.counts.retries += bool(work.attempts or work.losses or work.failed_at)
                actions.append(self._begin(work, member, now))
        for work in self._shares.in_order((w for w in open_works if self._is_slow(w, now)), now):
            member = self._choose(work)
            if member is not None:
                self.counts.hedges += 1
                actions.append(self._begin(work, member, now, hedge=True))
        return actions

    def _able(self, work: Work) -> list[Member]:
        """The members that may render ``work`` and do not yet."""
        at_it = {attempt.member.name for attempt in work.attempts.values()}
        return [
            member
            for member in self._members.values()
            if member.kind == work.key[0] and member.name not in at_it and (member.local or not work.local)
        ]

    def _choose(self, work: Work) -> Member | None:
        free = [member for member in self._able(work) if member.free and member.name not in work.failed_at]
        # One that has worked on the bank holds the ends of it; else the one with the most room.
        return max(
            free, key=lambda member: (work.bank in member.banks, member.free / max(1, member.seats)), default=None
        )

    def _is_slow(self, work: Work, now: float) -> bool:
        """Whether a second attempt shall begin beside the only one."""
        live = [attempt for attempt in work.attempts.values() if attempt.live]
        if len(live) != 1:
            return False
        p95 = max(self._policy.least_hedge_seconds, self.seconds.quantile(work.request.steps, 0.95))
        elapsed, deadline = now - live[0].began, work.deadline
        if deadline is None or deadline - now > self._policy.far * p95:
            return elapsed > self._policy.patience * p95
        return elapsed > p95

    def _begin(self, work: Work, member: Member, now: float, hedge: bool = False) -> Begin:
        attempt = Attempt(self._next_attempt, work, member, now, now, hedge)
        self._next_attempt += 1
        self._attempts[attempt.number] = work.attempts[attempt.number] = member.attempts[attempt.number] = attempt
        self.counts.begun += 1
        member.remember(work.bank)
        deadline = work.deadline
        left = None if deadline is None else max(0.0, deadline - now)
        return Begin(member.name, attempt.number, work.request, left, work.bank)

    # --- ending ------------------------------------------------------------------------------------------------------

    def _end_attempt(self, attempt: Attempt, now: float, wasted: bool) -> None:
        del self._attempts[attempt.number]
        attempt.work.attempts.pop(attempt.number, None)
        attempt.member.attempts.pop(attempt.number, None)
        worked = 0.0 if attempt.queued else now - attempt.began  # what waited at a node until its end cost nobody work
        self.counts.worked_seconds += worked
        self.counts.wasted_seconds += worked * wasted

    def _stop_all(self, work: Work, now: float) -> list[PoolAction]:
        stops: list[PoolAction] = []
        for attempt in work.attempts.values():
            if attempt.stopped is None:
                attempt.stopped = now
                stops.append(Stop(attempt.member.name, attempt.number))
        return stops

    def _stop_if_unwanted(self, work: Work, now: float) -> list[PoolAction]:
        return [] if work.orders else self._close(work, now)

    def _close(self, work: Work, now: float) -> list[PoolAction]:
        """Forget ``work``; what still renders it is stopped."""
        if self._works.get(work.key) is work:
            del self._works[work.key]
        for order in work.orders:
            self._by_order.pop(order, None)
        work.orders.clear()
        return self._stop_all(work, now)

    def _refuse_if_vain(self, work: Work, now: float) -> list[PoolAction]:
        """Give ``work`` up where it kills its members, or where all that could try have failed and none renders it."""
        if work.losses >= self._policy.losses:
            return self._refuse(work, "the renderer crashed each time it rendered this loop", False, now)
        if not work.failed_at or any(attempt.stopped is None for attempt in work.attempts.values()):
            return []
        others = any(member.name not in work.failed_at for member in self._able(work))
        vain = not others or len(work.failed_at) >= self._policy.tries
        return self._refuse(work, work.failure, False, now) if vain else []

    def _refuse(self, work: Work, reason: str, hopeless: bool, now: float) -> list[PoolAction]:
        refused = [Refused(order.client, order.job, reason, hopeless) for order in work.orders.values()]
        return [*refused, *self._close(work, now)]

    # --- placing ------------------------------------------------------------------------------------------------------

    def _place(self, order: Order, losses: int = 0) -> None:
        """Have ``order`` wait for its loop in the kind of its client; ``losses``: members that it killed in another."""
        canonical = order.request.canonical()
        key = (self._kinds.keep(order.client, order.local), repr(canonical) + order.contents)
        work = self._works.get(key)
        if work is None:
            work = self._works[key] = Work(key, order.request, self._next_work)
            self._next_work += 1
        else:
            self.counts.shared += 1
        work.losses = max(work.losses, losses)
        work.orders[order.client, order.job] = order
        self._by_order[order.client, order.job] = work

    def _rebind_clients(self, now: float) -> list[PoolAction]:
        """Give clients another kind where theirs has no member or no seat; what renders the old one is stopped."""
        stops: list[PoolAction] = []
        for client, local in self._kinds.give_up(now):
            self.counts.kind_changes += 1
            for order in [work.orders[key] for key, work in self._by_order.items() if key[0] == client]:
                if order.local == local:
                    work = self._by_order.pop((order.client, order.job))
                    del work.orders[order.client, order.job]
                    stops += self._stop_if_unwanted(work, now)
                    self._place(order, work.losses)
            self._kinds.keep(client, local)
        return stops
