"""The dispatcher's decisions, on simulated time."""

from __future__ import annotations

import random

import pytest

from riffengine.pool.dispatcher import Dispatcher
from riffengine.pool.jobs import Begin, Dropped, EndMember, HandOver, Order, PoolAction, Progress, Refused, Stop
from riffengine.pool.policy import PoolPolicy
from riffengine.processes.render_request import MorphEnd, RenderRequest


def request(seed: int = 1, steps: int = 8) -> RenderRequest:
    end = MorphEnd("techno", seed)
    return RenderRequest(end, end, steps=steps)


def order(job: int, client: str = "a", deadline: float | None = None, **more: object) -> Order:
    local, steps, seed = bool(more.get("local")), int(str(more.get("steps", 8))), int(str(more.get("seed", job)))
    bank, expires = str(more.get("bank", "")), bool(more.get("expires"))
    return Order(client, job, request(seed, steps), deadline, bank, local, expires)


def pool_of(*members: str, kind: str = "cpu", policy: PoolPolicy | None = None) -> Dispatcher:
    dispatcher = Dispatcher(policy)
    for name in members:
        dispatcher.member_ready(name, 1, kind, True, 0.0)
    return dispatcher


def begins(actions: list[PoolAction]) -> list[Begin]:
    return [action for action in actions if isinstance(action, Begin)]


def learnt(dispatcher: Dispatcher, seconds: float = 1.0) -> float:
    """Let three renders of ``seconds`` pass, so that the dispatcher knows how long they take; returns the time."""
    now = 0.0
    for job in (901, 902, 903):
        (begin,) = begins(dispatcher.order(order(job, "teacher"), now))
        now += seconds
        dispatcher.delivered(begin.member, begin.attempt, "x", now)
    dispatcher.client_gone("teacher", now)
    return now


def test_every_member_gets_one_job_and_the_rest_waits() -> None:
    dispatcher = pool_of("m1", "m2")
    first = [begins(dispatcher.order(order(job), 0.0)) for job in (1, 2, 3)]
    assert [len(each) for each in first] == [1, 1, 0]
    assert {first[0][0].member, first[1][0].member} == {"m1", "m2"}
    actions = dispatcher.delivered(first[0][0].member, first[0][0].attempt, "x", 1.0)
    assert HandOver("a", 1) in actions
    assert [begin.request for begin in begins(actions)] == [request(3)]


def test_what_is_needed_first_comes_first_and_drafts_before_finished_loops() -> None:
    dispatcher = pool_of("m1")
    (running,) = begins(dispatcher.order(order(1), 0.0))
    for waiting in (order(2), order(3, steps=2), order(4, deadline=9.0), order(5, deadline=5.0)):
        dispatcher.order(waiting, 0.0)
    done = []
    for now in range(1, 5):
        (running,) = begins(dispatcher.delivered("m1", running.attempt, "x", float(now)))
        done.append(running.request.start.seed)
    assert done == [5, 4, 3, 2]


def test_what_expires_is_dropped_where_nobody_has_begun_it_in_time_and_only_then() -> None:
    dispatcher = pool_of("m1")
    (running,) = begins(dispatcher.order(order(1, deadline=1.0, expires=True), 0.0))
    for waiting in (order(2, deadline=3.0, expires=True), order(3, deadline=3.0), order(4, expires=True)):
        dispatcher.order(waiting, 0.0)
    dispatcher.order(order(5, "b", deadline=3.0, seed=2), 0.0)  # the same loop for somebody who would take it late
    assert not [action for action in dispatcher.tick(3.0) if isinstance(action, Dropped)]
    assert [action for action in dispatcher.tick(3.1) if isinstance(action, Dropped)] == [Dropped("a", 2)]
    assert dispatcher.holds("b", 5)
    actions = dispatcher.delivered("m1", running.attempt, "x", 3.2)
    assert HandOver("a", 1) in actions and [begin.request for begin in begins(actions)] == [request(2)]


def test_of_loops_that_are_needed_at_one_time_the_draft_comes_first() -> None:
    dispatcher = pool_of("m1")
    (running,) = begins(dispatcher.order(order(1), 0.0))
    for waiting in (order(2, deadline=9.0), order(3, deadline=9.0, steps=2)):
        dispatcher.order(waiting, 0.0)
    (begin,) = begins(dispatcher.delivered("m1", running.attempt, "x", 1.0))
    assert begin.request.start.seed == 3


def test_a_bank_goes_on_where_it_was_begun_and_its_deadline_goes_with_it() -> None:
    dispatcher = pool_of("m1", "m2")
    (other,) = begins(dispatcher.order(order(1), 0.0))
    (first,) = begins(dispatcher.order(order(2, deadline=9.0, bank="x"), 2.0))
    assert (first.member, first.seconds_left, first.bank) == ("m2", 7.0, "x")
    for begin in (other, first):
        dispatcher.delivered(begin.member, begin.attempt, "x", 3.0)
    (again,) = begins(dispatcher.order(order(3, bank="x"), 4.0))
    assert (again.member, again.seconds_left) == ("m2", None)


def test_a_lost_member_costs_a_retry_elsewhere() -> None:
    dispatcher = pool_of("m1", "m2")
    (begin,) = begins(dispatcher.order(order(1), 0.0))
    (again,) = begins(dispatcher.member_lost(begin.member, 0.5))
    assert again.member != begin.member and again.request == begin.request
    assert HandOver("a", 1) in dispatcher.delivered(again.member, again.attempt, "x", 1.0)
    assert (dispatcher.counts.lost, dispatcher.counts.retries) == (1, 1)


def test_a_loop_that_kills_its_renderers_is_given_up() -> None:
    dispatcher = pool_of("m1", "m2", "m3", "m4")
    actions = dispatcher.order(order(1), 0.0)
    for now in (1.0, 2.0, 3.0):
        (begin,) = begins(actions)
        actions = dispatcher.member_lost(begin.member, now)
    (refused,) = [action for action in actions if isinstance(action, Refused)]
    assert (refused.client, refused.job, refused.hopeless) == ("a", 1, False)
    assert not dispatcher.holds("a", 1)


def test_a_loop_that_kills_its_renderers_is_given_up_where_two_kinds_take_turns_too() -> None:
    dispatcher, kinds = pool_of("m1", kind="cpu"), {"m1": "cpu", "m2": "gpu"}
    dispatcher.bind("a")
    dispatcher.member_ready("m2", 1, "gpu", True, 0.0)
    actions, killed = dispatcher.order(order(1), 0.0), list[str]()
    while not any(isinstance(action, Refused) for action in actions) and len(killed) < 10:
        (begin,) = begins(actions)
        killed.append(begin.member)
        actions = dispatcher.member_lost(begin.member, float(len(killed)))
        actions += dispatcher.member_ready(begin.member, 1, kinds[begin.member], True, len(killed) + 0.5)
    assert killed == ["m1", "m2", "m1"]
    assert not dispatcher.holds("a", 1)


def test_a_failure_is_tried_elsewhere_and_a_hopeless_one_is_not() -> None:
    dispatcher = pool_of("m1", "m2")
    (begin,) = begins(dispatcher.order(order(1), 0.0))
    (again,) = begins(dispatcher.failed(begin.member, begin.attempt, "out of memory", False, 1.0))
    assert again.member != begin.member
    assert dispatcher.failed(again.member, again.attempt, "out of memory", False, 2.0)[0] == Refused(
        "a", 1, "out of memory"
    )
    (begin,) = begins(dispatcher.order(order(2), 3.0))
    actions = dispatcher.failed(begin.member, begin.attempt, "no such file", True, 4.0)
    assert actions == [Refused("a", 2, "no such file", True)]


def test_a_slow_attempt_is_overtaken_and_the_loser_stopped() -> None:
    dispatcher = pool_of("m1", "m2")
    now = learnt(dispatcher)
    (slow,) = begins(dispatcher.order(order(1, deadline=now + 2.0), now))
    assert not begins(dispatcher.tick(now + 1.0))
    (hedge,) = begins(dispatcher.tick(now + 1.1))
    assert hedge.member != slow.member
    actions = dispatcher.delivered(hedge.member, hedge.attempt, "x", now + 1.9)
    assert actions[:2] == [HandOver("a", 1), Stop(slow.member, slow.attempt)]
    assert dispatcher.counts.hedges == 1
    dispatcher.stopped(slow.member, slow.attempt, now + 2.0)
    assert dispatcher.busy == 0 and dispatcher.counts.wasted_seconds == pytest.approx(2.0)


def test_a_failure_does_not_end_the_attempt_of_another_member() -> None:
    dispatcher = pool_of("m1", "m2")
    now = learnt(dispatcher)
    (first,) = begins(dispatcher.order(order(1, deadline=now + 2.0), now))
    (hedge,) = begins(dispatcher.tick(now + 1.1))
    assert not dispatcher.failed(first.member, first.attempt, "out of memory", False, now + 1.2)
    actions = dispatcher.delivered(hedge.member, hedge.attempt, "x", now + 1.9)
    assert actions[0] == HandOver("a", 1)


def test_a_loop_is_given_up_when_the_last_who_could_try_has_gone() -> None:
    dispatcher = pool_of("m1", "m2")
    (first,) = begins(dispatcher.order(order(1), 0.0))
    (second,) = begins(dispatcher.failed(first.member, first.attempt, "out of memory", False, 1.0))
    assert dispatcher.member_lost(second.member, 2.0) == [Refused("a", 1, "out of memory")]
    assert not dispatcher.holds("a", 1) and dispatcher.busy == 0


def test_nobody_hurries_for_what_nobody_waits_for() -> None:
    dispatcher = pool_of("m1", "m2")
    now = learnt(dispatcher)
    dispatcher.order(order(1), now)
    assert not begins(dispatcher.tick(now + 1.9))
    assert begins(dispatcher.tick(now + 2.1))


def test_a_silent_member_is_passed_over_then_ended() -> None:
    dispatcher = pool_of("m1", "m2")
    (silent,) = begins(dispatcher.order(order(1), 0.0))
    dispatcher.sign(silent.member, silent.attempt, 0.1, 1, 1.0)
    assert not begins(dispatcher.tick(4.9))
    (again,) = begins(dispatcher.tick(5.1))
    assert again.member != silent.member
    assert dispatcher.seats == 1
    dispatcher.delivered(again.member, again.attempt, "x", 6.0)
    (ended,) = [action for action in dispatcher.tick(21.1) if isinstance(action, EndMember)]
    assert ended.member == silent.member
    assert not [action for action in dispatcher.tick(21.2) if isinstance(action, EndMember)]


def test_a_member_that_was_stopped_and_goes_on_works_again() -> None:
    dispatcher = pool_of("m1", "m2")
    (silent,) = begins(dispatcher.order(order(1), 0.0))
    (again,) = begins(dispatcher.tick(5.0))
    dispatcher.delivered(again.member, again.attempt, "x", 6.0)
    dispatcher.delivered(silent.member, silent.attempt, "x", 10.0)
    assert dispatcher.seats == 2
    assert dispatcher.counts.disagreements == 0
    assert {begins(dispatcher.order(order(job), 11.0))[0].member for job in (2, 3)} == {"m1", "m2"}


def test_a_second_answer_that_differs_is_counted_and_the_first_stays() -> None:
    dispatcher = pool_of("m1", "m2")
    (first,) = begins(dispatcher.order(order(1), 0.0))
    (second,) = begins(dispatcher.tick(5.0))
    assert HandOver("a", 1) in dispatcher.delivered(second.member, second.attempt, "x", 6.0)
    assert not [a for a in dispatcher.delivered(first.member, first.attempt, "y", 7.0) if isinstance(a, HandOver)]
    assert dispatcher.counts.disagreements == 1


def test_one_set_keeps_one_numeric_kind_until_no_member_of_it_is_left() -> None:
    dispatcher = Dispatcher()
    dispatcher.member_ready("cpu-1", 1, "cpu", True, 0.0)
    dispatcher.member_ready("gpu-1", 2, "gpu", False, 0.0)
    assert dispatcher.seats_of("a") == 2
    members = [begins(dispatcher.order(order(job), 0.0)) for job in (1, 2, 3)]
    assert [[begin.member for begin in each] for each in members] == [["gpu-1"], ["gpu-1"], []]
    moved = begins(dispatcher.member_lost("gpu-1", 1.0))
    assert [begin.member for begin in moved] == ["cpu-1"]
    assert dispatcher.counts.kind_changes == 1
    assert dispatcher.kind_of("a") == "cpu"
    dispatcher.member_ready("gpu-1", 2, "gpu", False, 2.0)
    assert dispatcher.kind_of("a") == "cpu"


def test_one_whose_kind_has_had_no_seat_for_five_seconds_goes_over_to_another_that_has_one() -> None:
    dispatcher = Dispatcher()
    dispatcher.member_ready("node", 2, "gpu", False, 0.0)
    dispatcher.member_ready("cpu-1", 1, "cpu", True, 0.0)
    (begin,) = begins(dispatcher.order(order(1), 0.0))
    assert begin.member == "node"
    for off, on in ((1.0, 5.9), (6.0, 10.9)):  # shorter absences, one after another
        assert dispatcher.member_seats("node", 0, off) == [] and dispatcher.seats_of("a") == 0
        assert not begins([*dispatcher.tick(on - 0.1), *dispatcher.member_seats("node", 2, on)])
    dispatcher.member_seats("node", 0, 20.0)
    dispatcher.sign("node", begin.attempt, 0.0, 0, 24.0, queued=True)
    assert not dispatcher.tick(24.9)
    actions = dispatcher.tick(25.0)
    assert Stop("node", begin.attempt) in actions
    assert [begun.member for begun in begins(actions)] == ["cpu-1"]
    assert (dispatcher.kind_of("a"), dispatcher.seats_of("a"), dispatcher.counts.kind_changes) == ("cpu", 1, 1)
    assert not dispatcher.stopped("node", begin.attempt, 25.1)


def test_where_no_kind_has_a_seat_none_is_given_up() -> None:
    dispatcher = Dispatcher()
    dispatcher.member_ready("node", 1, "gpu", False, 0.0)
    dispatcher.member_ready("other", 1, "cpu", False, 0.0)
    dispatcher.order(order(1), 0.0)
    kind = dispatcher.kind_of("a")
    for name in ("node", "other"):
        dispatcher.member_seats(name, 0, 1.0)
    dispatcher.tick(60.0)
    assert dispatcher.kind_of("a") == kind
    member = "other" if kind == "gpu" else "node"
    dispatcher.member_seats(member, 1, 61.0)
    assert dispatcher.kind_of("a") != kind


def test_what_reads_a_file_of_this_machine_stays_here() -> None:
    dispatcher = Dispatcher()
    dispatcher.member_ready("node", 1, "cpu", False, 0.0)
    dispatcher.member_ready("here", 1, "cpu", True, 0.0)
    assert begins(dispatcher.order(order(1, local=True), 0.0))[0].member == "here"
    assert begins(dispatcher.order(order(2, local=True), 0.0)) == []


def progress(actions: list[PoolAction]) -> list[Progress]:
    return [action for action in actions if isinstance(action, Progress)]


def test_what_waits_for_a_seat_says_so_every_second() -> None:
    dispatcher = pool_of("m1")
    (begin,) = begins(dispatcher.order(order(1), 0.0))
    dispatcher.order(order(2), 0.0)
    told = []
    for tenth in range(1, 31):
        told += progress(dispatcher.tick(tenth / 10))
        dispatcher.sign("m1", begin.attempt, tenth / 10, 1, tenth / 10)
    assert told == [Progress("a", 2, 0.0, 0, queued=True)] * 3
    dispatcher.delivered("m1", begin.attempt, "x", 3.1)
    assert progress(dispatcher.tick(5.0)) == []


def test_what_waits_at_a_member_that_is_a_pool_itself_is_told_as_waiting() -> None:
    dispatcher = pool_of("node", "m2")
    (begin,) = begins(dispatcher.order(order(1), 0.0))
    assert dispatcher.sign(begin.member, begin.attempt, 0.0, 0, 1.0, queued=True) == [
        Progress("a", 1, 0.0, 0, queued=True)
    ]
    assert dispatcher.sign(begin.member, begin.attempt, 0.5, 2, 2.0) == [Progress("a", 1, 0.5, 2)]


def test_the_seconds_that_a_job_waited_at_a_node_until_it_was_given_back_are_not_worked() -> None:
    dispatcher = pool_of("node")
    (begin,) = begins(dispatcher.order(order(1), 0.0))
    dispatcher.sign("node", begin.attempt, 0.0, 0, 1.0, queued=True)
    (again,) = begins(dispatcher.stopped("node", begin.attempt, 3.0))
    assert (dispatcher.counts.worked_seconds, dispatcher.counts.wasted_seconds) == (0.0, 0.0)
    dispatcher.sign("node", again.attempt, 0.5, 1, 4.0)
    dispatcher.stopped("node", again.attempt, 5.0)
    assert (dispatcher.counts.worked_seconds, dispatcher.counts.wasted_seconds) == (2.0, 2.0)


def test_a_member_from_which_parts_of_a_loop_come_is_not_silent() -> None:
    dispatcher = pool_of("node", "m2")
    (begin,) = begins(dispatcher.order(order(1), 0.0))
    for now in range(1, 60):
        dispatcher.heard(begin.member, float(now))
        assert dispatcher.tick(float(now)) == []
    assert HandOver("a", 1) in dispatcher.delivered(begin.member, begin.attempt, "x", 60.0)
    assert dispatcher.counts.silences == 0


def test_equal_loops_of_two_sets_are_rendered_once() -> None:
    dispatcher = pool_of("m1", "m2")
    (begin,) = begins(dispatcher.order(order(1, "a", seed=5), 0.0))
    assert begins(dispatcher.order(order(7, "b", seed=5), 0.1)) == []
    assert dispatcher.cancel("a", 1, 0.2) == [Dropped("a", 1)]
    assert dispatcher.delivered(begin.member, begin.attempt, "x", 1.0) == [HandOver("b", 7)]


def test_a_cancelled_job_is_answered_at_once_and_its_seat_comes_free_when_it_has_stopped() -> None:
    dispatcher = pool_of("m1")
    (begin,) = begins(dispatcher.order(order(1), 0.0))
    dispatcher.order(order(2), 0.0)
    assert dispatcher.cancel("a", 1, 0.5) == [Dropped("a", 1), Stop("m1", begin.attempt)]
    (next_one,) = begins(dispatcher.stopped("m1", begin.attempt, 0.6))
    assert next_one.request == request(2)


def test_of_two_sets_neither_starves() -> None:
    dispatcher = pool_of("m1")
    rng, now, job, served = random.Random(3), 0.0, 0, {"greedy": 0, "modest": 0}
    waiting: dict[tuple[str, int], float] = {}
    (running,) = begins(dispatcher.order(order(0, "greedy"), now))
    while now < 600.0:
        for client, most in (("greedy", 8), ("modest", 1)):
            while sum(1 for name, _ in waiting if name == client) < most:
                job += 1
                waiting[client, job] = now
                dispatcher.order(order(job, client, deadline=now + rng.uniform(0.0, 4.0)), now)
        now += 1.0
        actions = dispatcher.delivered("m1", running.attempt, "x", now)
        for action in actions:
            if isinstance(action, HandOver):
                served[action.client] += 1
                waiting.pop((action.client, action.job), None)
        (running,) = begins(actions)
    assert served["modest"] >= 0.35 * sum(served.values())


def test_under_deaths_and_silences_every_order_is_answered_once() -> None:
    """Sixty simulated minutes: a member dies every ten seconds on average, another falls silent for ten seconds."""
    rng = random.Random(17)
    names = [f"m{number}" for number in range(4)]
    dispatcher = pool_of(*names)
    away: dict[str, float] = {}
    stopped: dict[str, float] = {}
    running: dict[tuple[str, int], float] = {}
    answered: dict[int, int] = {}
    asked: dict[int, float] = {}
    latest = 0.0
    now, job = 0.0, 0

    def carry_out(actions: list[PoolAction]) -> None:
        nonlocal latest
        for action in actions:
            if isinstance(action, Begin):
                assert action.member not in away
                slow = 10.0 if rng.random() < 0.02 else 1.0
                running[action.member, action.attempt] = now + slow * rng.uniform(0.2, 0.4)
            elif isinstance(action, Stop):
                running[action.member, action.attempt] = min(now + 0.05, running[action.member, action.attempt])
            elif isinstance(action, HandOver | Refused | Dropped):
                answered[action.job] = answered.get(action.job, 0) + 1
                latest = max(latest, now - asked[action.job])
            elif isinstance(action, EndMember):
                lose(action.member)

    def lose(name: str) -> None:
        for key in [key for key in running if key[0] == name]:
            del running[key]
        stopped.pop(name, None)
        away[name] = now + 2.0
        carry_out(dispatcher.member_lost(name, now))

    while now < 3600.0:
        now = round(now + 0.1, 1)
        for name in [name for name, until in away.items() if until <= now]:
            del away[name]
            carry_out(dispatcher.member_ready(name, 1, "cpu", True, now))
        for name in [name for name, until in stopped.items() if until <= now]:
            del stopped[name]
        here = [name for name in names if name not in away]
        if rng.random() < 0.01 and here:
            lose(rng.choice(here))
        if rng.random() < 0.005 and len(here) > len(stopped) + 1:
            stopped[rng.choice([name for name in names if name not in away])] = now + 10.0
        if rng.random() < 0.5:
            job += 1
            asked[job] = now
            carry_out(dispatcher.order(order(job, deadline=now + 2.0), now))
        for name, attempt in [key for key, ends in running.items() if key[0] not in stopped]:
            if (name, attempt) not in running:
                continue
            if running[name, attempt] <= now:
                del running[name, attempt]
                carry_out(dispatcher.delivered(name, attempt, "x", now))
            elif round(now * 10) % 10 == 0:
                dispatcher.sign(name, attempt, now, 1, now)
        carry_out(dispatcher.tick(now))
    for _ in range(600):
        now = round(now + 0.1, 1)
        for name in list(away):
            del away[name]
            carry_out(dispatcher.member_ready(name, 1, "cpu", True, now))
        for name, attempt in [key for key, ends in running.items() if ends <= now]:
            running.pop((name, attempt), None)
            carry_out(dispatcher.delivered(name, attempt, "x", now))
        carry_out(dispatcher.tick(now))
    assert set(answered) == set(asked)
    assert set(answered.values()) == {1}
    assert latest < 12.0  # at worst three of four members were stopped and the fourth had died
    assert dispatcher.counts.hedges > 0 and dispatcher.counts.retries > 0
