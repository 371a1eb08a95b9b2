"""The listener as the engine sees it, on simulated time: one that hangs, and one that was given up."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from riffengine.engine.listener_link import ListenerLink
from riffengine.processes.listen_messages import FromListener, Listen, NotHeard
from tests.web.simulated_time import SimulatedLoop, simulate


class SilentListener:
    """Answers only what is put into ``answers``."""

    pid = 1

    def __init__(self) -> None:
        self.starts = 0
        self.alive = False
        self.sent: list[object] = []
        self.answers: list[FromListener] = []
        self._ends: tuple[int, int] | None = None

    def start(self) -> None:
        self.starts += 1
        self.alive = True
        self._ends = os.pipe()

    def fileno(self) -> int:
        assert self._ends is not None
        return self._ends[0]

    def send(self, message: object) -> None:
        self.sent.append(message)

    def flush(self) -> None: ...

    def receive(self) -> tuple[list[FromListener], bool]:
        answers, self.answers = self.answers, []
        return answers, self.alive

    def kill(self) -> None:
        self.alive = False

    def close(self) -> None:
        if self._ends is not None:
            for end in self._ends:
                os.close(end)
            self._ends = None


class Clock:
    def __init__(self, loop: SimulatedLoop) -> None:
        self._loop = loop

    def now_ns(self) -> int:
        return round(self._loop.time() * 1e9)


def question(number: int) -> Listen:
    return Listen(number, "bars.flac", 8, 8, 120.0)


async def pass_seconds(link: ListenerLink, seconds: float) -> None:
    for _ in range(round(seconds * 10)):
        await asyncio.sleep(0.1)
        link.check()


def test_one_that_answers_nothing_is_started_again_and_one_that_is_idle_is_left_alone() -> None:
    async def scenario(loop: SimulatedLoop) -> None:
        heard: list[FromListener] = []
        said: list[str] = []
        process: Any = SilentListener()
        link = ListenerLink(Clock(loop), heard.append, said.append, process)
        link.ask(question(1))
        process.answers.append(NotHeard(1, "silent"))
        link._supervisor._read()
        await pass_seconds(link, 200.0)
        assert process.starts == 1 and len(heard) == 1
        for number in range(2, 9):  # it hangs: a question each four seconds
            link.ask(question(number))
            await pass_seconds(link, 8.0)
        assert process.starts == 1
        await pass_seconds(link, 6.0)
        assert process.starts == 2 and len(said) == 1
        await pass_seconds(link, 200.0)  # what it was asked before does not count against the new one
        assert process.starts == 2
        link._supervisor.stop()
        process.close()

    simulate(scenario)


def test_a_question_is_answered_at_once_while_there_is_none_and_after_it_was_given_up() -> None:
    async def scenario(loop: SimulatedLoop) -> None:
        heard: list[FromListener] = []
        said: list[str] = []
        process: Any = SilentListener()
        link = ListenerLink(Clock(loop), heard.append, said.append, process)
        link.ask(question(1))
        for _ in range(6):
            process.alive = False
            link.check()
            link.ask(question(2))
            await pass_seconds(link, 5.5)
        assert heard == [NotHeard(2, "the listener is being started again")] * 5 + [NotHeard(2, "the listener ended")]
        assert "not followed any more" in said[-1]
        link.ask(question(3))
        assert heard[-1] == NotHeard(3, "the listener ended") and process.sent == [question(1)]
        process.close()

    simulate(scenario)
