"""One supervisor for every child process: it survives failed starts, backs off, and gives up when told to."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Awaitable, Callable

from riffengine.clock import VirtualClock
from riffengine.engine import player_link
from riffengine.engine.supervisor import Supervisor
from riffengine.processes.backoff import Backoff, RestartPolicy


class FakeChild:
    """A child behind a real pipe; ``failing`` starts raise what the system raises without descriptors."""

    def __init__(self, failing: int = 0) -> None:
        self.failing, self.starts, self.alive = failing, 0, False
        self._read = self._write = -1
        self.flushes = 0

    def start(self) -> None:
        self.starts += 1
        if self.failing:
            self.failing -= 1
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        self._read, self._write = os.pipe()
        self.alive = True

    def fileno(self) -> int:
        return self._read

    def say(self, text: str) -> None:
        os.write(self._write, text.encode())

    def die(self) -> None:
        self.alive = False
        os.close(self._write)

    def receive(self) -> tuple[list[str], bool]:
        said = os.read(self._read, 100).decode()
        return ([said] if said else []), bool(said)

    def flush(self) -> None:
        self.flushes += 1

    def close(self) -> None:
        if self._read >= 0:
            os.close(self._read)
            self._read = -1


class Watch:
    """Keeps what a supervisor calls."""

    def __init__(self, child: FakeChild, policy: RestartPolicy) -> None:
        self.received: list[str] = []
        self.restarts = 0
        self.lost: list[tuple[str, float]] = []
        self.given_up: list[str] = []
        self.clock = VirtualClock()
        self.supervisor: Supervisor[str] = Supervisor(
            child, policy, self.clock, self.received.append, self._restarted,
            lambda reason, pause: self.lost.append((reason, pause)), self.given_up.append,
        )  # fmt: skip

    def _restarted(self) -> None:
        self.restarts += 1


def run(script: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(script(), 20.0))


async def until(what: Callable[[], bool]) -> None:
    while not what():
        await asyncio.sleep(0.001)


def test_messages_come_and_a_death_is_followed_by_a_new_start() -> None:
    async def script() -> None:
        child = FakeChild()
        watch = Watch(child, RestartPolicy(pauses_seconds=(0.0, 0.01)))
        watch.supervisor.start()
        child.say("ready")
        await until(lambda: watch.received == ["ready"])
        assert watch.restarts == 0
        child.die()
        await until(lambda: child.starts == 2)
        assert watch.lost == [("ended", 0.0)] and watch.restarts == 1 and watch.supervisor.running
        watch.supervisor.stop()
        child.die()
        await asyncio.sleep(0.05)
        assert child.starts == 2 and watch.supervisor.deaths == 1
        child.close()

    run(script)


def test_starts_that_the_system_refuses_are_tried_again_with_growing_pauses() -> None:
    async def script() -> None:
        child = FakeChild(failing=3)
        watch = Watch(child, RestartPolicy(pauses_seconds=(0.0, 0.01, 0.02)))
        watch.supervisor.start()
        await until(lambda: watch.supervisor.running)
        assert child.starts == 4
        assert [pause for _, pause in watch.lost] == [0.0, 0.01, 0.02]
        assert all("Too many open files" in reason for reason, _ in watch.lost)
        watch.supervisor.stop()
        child.die()
        child.close()

    run(script)


def test_a_long_life_begins_the_pauses_again() -> None:
    async def script() -> None:
        child = FakeChild()
        watch = Watch(child, RestartPolicy(pauses_seconds=(0.0, 0.01), healthy_seconds=20.0))
        watch.supervisor.start()
        for life_seconds in (1.0, 1.0, 30.0):
            starts = child.starts
            watch.clock.advance_to(watch.clock.now_ns() + round(life_seconds * 1e9))
            child.die()
            await until(lambda starts=starts: child.starts == starts + 1)  # type: ignore[misc]
        assert [pause for _, pause in watch.lost] == [0.0, 0.01, 0.0]
        watch.supervisor.stop()
        child.die()
        child.close()

    run(script)


def test_too_many_deaths_end_it() -> None:
    async def script() -> None:
        child = FakeChild()
        watch = Watch(child, RestartPolicy(pauses_seconds=(0.0,), most_deaths=5, within_seconds=30.0))
        watch.supervisor.start()
        for life in range(1, 7):
            await until(lambda: child.starts == life and watch.supervisor.running)  # noqa: B023
            child.die()
        await until(lambda: bool(watch.given_up))
        await asyncio.sleep(0.02)
        assert child.starts == 6 and len(watch.lost) == 5 and len(watch.given_up) == 1

    run(script)


def test_starts_that_fail_are_not_too_many_deaths() -> None:
    async def script() -> None:
        child = FakeChild()
        watch = Watch(child, RestartPolicy(pauses_seconds=(0.0,), most_deaths=2, within_seconds=30.0))
        watch.supervisor.start()
        child.failing = 50
        child.die()
        await until(lambda: watch.restarts == 1)
        assert child.starts == 52 and len(watch.lost) == 51 and not watch.given_up
        watch.supervisor.stop()

    run(script)


def test_stopping_before_any_start_is_no_error() -> None:
    async def script() -> None:
        watch = Watch(FakeChild(), RestartPolicy())
        watch.supervisor.stop()
        watch.supervisor.start()
        assert not watch.supervisor.running

    run(script)


def test_nothing_starts_after_the_end() -> None:
    async def script() -> None:
        child = FakeChild()
        watch = Watch(child, RestartPolicy(pauses_seconds=(0.05,)))
        watch.supervisor.start()
        child.die()
        await until(lambda: bool(watch.lost))
        watch.supervisor.stop()
        await asyncio.sleep(0.1)
        assert child.starts == 1

    run(script)


def test_a_player_that_dies_again_and_again_waits_at_most_half_a_second_of_its_two() -> None:
    backoff, clock = Backoff(player_link.POLICY), VirtualClock()
    pauses = []
    for _ in range(player_link.POLICY.most_deaths or 0):
        backoff.started(clock.now_ns())
        clock.advance_to(clock.now_ns() + 3_000_000_000)
        pauses.append(backoff.pause(clock.now_ns()))
    assert pauses[0] == 0.0 and len(pauses) >= 5
    assert max(pauses) <= 0.5


def test_a_check_goes_on_sending_what_the_child_was_slow_to_read() -> None:
    async def script() -> None:
        child = FakeChild()
        watch = Watch(child, RestartPolicy())
        watch.supervisor.check()
        assert not child.flushes, "there is no child yet"
        watch.supervisor.start()
        watch.supervisor.check()
        assert child.flushes == 1
        watch.supervisor.stop()
        child.die()
        child.close()

    run(script)


def test_an_error_in_telling_a_death_does_not_keep_the_process_from_coming_back() -> None:
    async def script() -> None:
        told: list[BaseException] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context["exception"]))
        child = FakeChild()
        watch = Watch(child, RestartPolicy(pauses_seconds=(0.0,)))

        def broken(reason: str, pause: float) -> None:
            raise ValueError("broken")

        watch.supervisor._lost = broken
        watch.supervisor.start()
        child.die()
        await until(lambda: child.starts == 2)
        assert [str(error) for error in told] == ["broken"] and watch.supervisor.running
        watch.supervisor.stop()
        child.die()
        child.close()

    run(script)
