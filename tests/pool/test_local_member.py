"""A renderer process of this machine as a member: what it does when the system has no room for it."""

from __future__ import annotations

import asyncio
import errno
import os
from unittest.mock import Mock

import pytest

from riffengine.clock import VirtualClock
from riffengine.pool.local_member import LocalMember
from riffengine.processes.child_process import ChildProcess
from riffengine.processes.render_messages import Ready
from riffengine.renderer.process import RendererOptions
from tools.bench.scripted_member import scripted_main


def test_a_start_that_the_system_refuses_is_told_and_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    starts = 0

    def start(_: object) -> None:
        nonlocal starts
        starts += 1
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    async def scenario() -> None:
        events = Mock()
        member = LocalMember("m1", RendererOptions("", 0, 100, "scripted"), scripted_main, events)
        monkeypatch.setattr(ChildProcess, "start", start)
        member.start()
        assert events.lost.call_args.args == (member, "could not be started (Too many open files)")
        for _ in range(3):  # the first new start follows at once, the next one later
            await asyncio.sleep(0)
        assert (starts, events.lost.call_count) == (2, 2)
        await member.close()

    asyncio.run(scenario())


def test_one_that_dies_as_soon_as_it_is_ready_is_not_started_without_a_pause_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A row of deaths ends with a life of five seconds after it was ready, however long it took to load."""
    clock, pauses = VirtualClock(), list[float]()

    async def scenario() -> None:
        member = LocalMember("m1", RendererOptions("", 0, 100, "scripted"), scripted_main, Mock(), clock)
        monkeypatch.setattr(
            asyncio.get_running_loop(), "call_later", lambda pause, call: (pauses.append(pause), Mock())[1]
        )
        for loads_seconds, lives_seconds in ((30, 0), (30, 1), (30, None), (30, 1), (1, 6), (30, None)):
            clock.advance_to(clock.now_ns() + loads_seconds * 1_000_000_000)
            if lives_seconds is not None:
                member._hear(Ready("scripted", ("mix",), 1, (), 0.1, "w"))
                clock.advance_to(clock.now_ns() + lives_seconds * 1_000_000_000)
            member._start_later("ended")
        monkeypatch.undo()
        await member.close()

    asyncio.run(scenario())
    assert pauses == [0.0, 0.5, 2.0, 5.0, 0.0, 0.5]
