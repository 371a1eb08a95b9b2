"""Denormals are flushed in the thread that asks for it, and only there."""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable
from threading import Thread

import numpy as np
import pytest

from riffengine.plugins.denormals import denormals_are_flushed, flush_denormals
from riffengine.plugins.plugin import Plugin
from riffengine.processes.audio import Block
from tests.plugins.conftest import OpenPlugin, noise, play, silence
from tests.plugins.test_formats import SWH

pytestmark = pytest.mark.skipif(
    (sys.platform, platform.machine()) not in (("linux", "x86_64"), ("linux", "aarch64")),
    reason="the place of the control register is only checked on Linux",
)


def in_a_thread(call: Callable[[], object]) -> object:
    """The result of ``call`` in a thread of its own, so that this one keeps its arithmetic."""
    results: list[object] = []
    thread = Thread(target=lambda: results.append(call()))
    thread.start()
    thread.join()
    return results[0]


def test_a_thread_flushes_denormals_from_then_on() -> None:
    def before_and_after() -> tuple[bool, bool, bool]:
        return denormals_are_flushed(), flush_denormals(), denormals_are_flushed()

    assert in_a_thread(before_and_after) == (False, True, True)
    assert not denormals_are_flushed()
    assert in_a_thread(denormals_are_flushed) is False


def test_a_filter_decays_to_zero_instead_of_denormals(opened: OpenPlugin) -> None:
    smallest = np.finfo(np.float32).smallest_normal

    def denormals(plugin: Plugin) -> int:
        play(plugin, noise(0.2))
        tail: Block = np.abs(play(plugin, silence(3.0)))
        return int(((tail > 0) & (tail < smallest)).sum())

    def flushed(plugin: Plugin) -> int:
        assert flush_denormals()
        return denormals(plugin)

    slow, fast = opened(SWH), opened(SWH)
    assert in_a_thread(lambda: denormals(slow)) > 1000  # type: ignore[operator]  # an int
    assert in_a_thread(lambda: flushed(fast)) == 0
