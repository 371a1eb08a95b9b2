"""A call in a child process: how each end is told, and that nothing of it is left."""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import subprocess
import sys

import pytest

from riffengine.errors import PluginError
from riffengine.plugins.child import Send, call_in_child

SECONDS = 60.0


def say(send: Send, variable: str) -> None:
    send(os.environ.get(variable, "not set"))


def refuse(send: Send) -> None:
    print("the library's own words", file=sys.stderr, flush=True)
    raise PluginError("this one is not for us")


def crash(send: Send) -> None:
    send("before")
    ctypes.string_at(0)


def leave(send: Send) -> None:
    os._exit(7)


def fail(send: Send) -> None:
    raise ValueError("unexpected")


def take_its_time(send: Send) -> None:
    for number in range(5):
        select.select([], [], [], 1.5)
        send(number)


def hang_with_a_child_of_its_own(send: Send) -> None:
    send(subprocess.Popen(["sleep", "600"]).pid)
    while True:
        os.read(os.pipe()[0], 1)


def test_what_a_child_sends_comes_in_its_order_with_the_environment_of_now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RIFFENGINE_TEST", "first")
    assert call_in_child(say, ("RIFFENGINE_TEST",), SECONDS).messages == ("first",)
    monkeypatch.delenv("RIFFENGINE_TEST")
    end = call_in_child(say, ("RIFFENGINE_TEST",), SECONDS)
    assert (end.ended, end.messages, end.detail) == ("done", ("not set",), "")


def test_a_refusal_carries_its_reason_and_the_last_words() -> None:
    end = call_in_child(refuse, (), SECONDS)
    assert (end.ended, end.detail, end.last_words) == ("refused", "this one is not for us", "the library's own words")


def test_a_crash_is_told_by_its_signal() -> None:
    end = call_in_child(crash, (), SECONDS)
    assert (end.ended, end.messages, end.detail) == ("crashed", ("before",), "signal 11")


def test_an_exit_and_an_exception_are_crashes_too() -> None:
    assert call_in_child(leave, (), SECONDS).detail == "exit status 7"
    end = call_in_child(fail, (), SECONDS)
    assert (end.ended, end.last_words) == ("crashed", "ValueError: unexpected")


def test_a_child_that_is_slow_but_alive_is_waited_for() -> None:
    end = call_in_child(take_its_time, (), 6.0)
    assert (end.ended, end.messages) == ("done", tuple(range(5)))


def test_a_hanging_child_is_killed_with_what_it_started() -> None:
    end = call_in_child(hang_with_a_child_of_its_own, (), 10.0)
    assert (end.ended, end.detail) == ("hung", "no sign of life for 10 s")
    (pid,) = end.messages
    assert isinstance(pid, int)
    with contextlib.suppress(ProcessLookupError):  # it is gone already
        descriptor = os.pidfd_open(pid)
        assert select.select([descriptor], [], [], SECONDS)[0]
        os.close(descriptor)
