"""Signals that end a set: the loop hears them, and the process ends where the loop cannot."""

from __future__ import annotations

import asyncio
import signal
import threading

import pytest

from riffengine.engine.stop_signals import handlers_kept, stop_signals

PATIENCE_SECONDS = 60.0
NEVER = 1e6


def never() -> None:
    raise AssertionError("the loop answers")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_loop_hears_every_signal_and_the_handlers_of_before_are_back_after_the_set(number: int) -> None:
    before = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    heard: list[str] = []

    async def play() -> None:
        both = asyncio.Event()

        def hear(what: str) -> None:
            heard.append(what)
            if len(heard) == 2:
                both.set()

        with stop_signals(lambda: hear("stop"), lambda: hear("hung up"), never, NEVER, NEVER):
            signal.raise_signal(number)
            signal.raise_signal(number)
            await asyncio.wait_for(both.wait(), PATIENCE_SECONDS)

    asyncio.run(play())
    assert heard == ["hung up" if number == signal.SIGHUP else "stop"] * 2
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == before


@pytest.mark.parametrize(("signals", "first_seconds", "again_seconds"), [(1, 0.0, NEVER), (2, NEVER, 0.0)])
def test_a_loop_that_stands_still_is_ended_by_a_signal_and_sooner_by_another(
    signals: int, first_seconds: float, again_seconds: float
) -> None:
    ended = threading.Event()

    async def play() -> None:
        with stop_signals(lambda: None, lambda: None, ended.set, first_seconds, again_seconds):
            for _ in range(signals):
                assert not ended.is_set()
                signal.raise_signal(signal.SIGINT)
            assert ended.wait(PATIENCE_SECONDS)  # a driver that does not return

    asyncio.run(play())


def test_in_another_programs_thread_no_signal_is_taken() -> None:
    taken: list[bool] = []

    async def play() -> None:
        with stop_signals(never, never, never):
            taken.append(signal.getsignal(signal.SIGTERM) is not before)

    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=lambda: asyncio.run(play()))
    thread.start()
    thread.join(PATIENCE_SECONDS)
    assert taken == [False]


def test_a_signal_is_heard_once_though_another_handler_of_the_loop_came_later() -> None:
    heard: list[str] = []

    async def play() -> None:
        loop = asyncio.get_running_loop()
        with stop_signals(lambda: heard.append("stop"), never, never, NEVER, NEVER):
            loop.add_signal_handler(signal.SIGUSR1, heard.append, "another")
            signal.raise_signal(signal.SIGINT)
            async with asyncio.timeout(PATIENCE_SECONDS):
                while not heard:
                    await asyncio.sleep(0.001)
            signal.raise_signal(signal.SIGUSR1)
            async with asyncio.timeout(PATIENCE_SECONDS):
                while len(heard) < 2:
                    await asyncio.sleep(0.001)
            loop.remove_signal_handler(signal.SIGUSR1)

    asyncio.run(play())
    assert heard == ["stop", "another"]


def test_signals_do_nothing_while_a_process_ends_and_are_as_before_afterwards() -> None:
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(each) for each in numbers]
    with handlers_kept() as ignore:
        assert [signal.getsignal(each) for each in numbers] == before
        ignore()
        for number in numbers:
            signal.raise_signal(number)
    assert [signal.getsignal(each) for each in numbers] == before
