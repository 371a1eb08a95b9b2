"""A renderer process of this machine as a member: what it does when the system has no room for it."""

from __future__ import annotations

import asyncio
import errno
import os
from unittest.mock import Mock

import pytest

from riffengine.pool.local_member import LocalMember
from riffengine.processes.child_process import ChildProcess
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
