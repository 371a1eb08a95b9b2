"""A device that goes away takes the sound with it, never the music's time."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pytest

from riffengine.clock import SystemClock
from riffengine.errors import DeviceError
from riffengine.output import failover as outlet_module
from riffengine.output.failover import Fill, OutputFailover


class FakeOutput:
    """Pulls when the test says so."""

    latency_seconds = 0.01

    def __init__(self, name: str, fill: Fill, starts: bool = True) -> None:
        self.name, self.running = name, False
        self._fill, self._starts = fill, starts

    def start(self) -> None:
        if not self._starts:
            raise DeviceError("busy")
        self.running = True

    def stop(self) -> None:
        self.running = False

    def pull(self) -> float:
        out = np.full((4, 2), np.nan, np.float32)
        self._fill(out, False)
        return float(out[0, 0])


class Stage:
    """An outlet with its devices, as the test makes them."""

    def __init__(self, wanted: str) -> None:
        self.devices: list[FakeOutput] = []
        self.paced: list[FakeOutput] = []
        self.said: list[str] = []
        self.blocks = 0
        self.plugged, self.starts = True, True
        self.outlet = OutputFailover(
            wanted, self.fill, self.open_device, self.open_paced, self.said.append, SystemClock()
        )

    def fill(self, out: np.ndarray, starved: bool) -> None:  # type: ignore[type-arg]
        self.blocks += 1
        out[:] = self.blocks

    def open_device(self, fill: Fill, again: bool) -> FakeOutput:
        assert again == bool(self.devices)
        if not self.plugged:
            raise DeviceError("no device")
        self.devices.append(FakeOutput("card", fill, self.starts))
        return self.devices[-1]

    def open_paced(self, fill: Fill) -> FakeOutput:
        self.paced.append(FakeOutput("paced", fill))
        return self.paced[-1]

    def watch_until(self, seen: Callable[[], bool]) -> None:
        deadline_ns = SystemClock().now_ns() + 10_000_000_000
        while not seen():
            assert SystemClock().now_ns() < deadline_ns
            self.outlet.watch()
            time.sleep(0.005)


def test_a_lost_device_is_followed_by_the_clock_on_the_same_feed() -> None:
    stage = Stage("auto")
    stage.outlet.open()
    stage.outlet.start()
    assert stage.devices[0].pull() == 1
    stage.plugged = stage.devices[0].running = False
    stage.outlet.watch()
    assert stage.outlet.running
    assert "card" in stage.said[0]
    assert stage.paced[0].pull() == 2
    assert stage.devices[0].pull() == 0  # it wakes up once more: it gets silence, and takes nothing from the music
    assert stage.paced[0].pull() == 3
    stage.outlet.stop()
    assert len(stage.devices) == 1


def test_a_device_that_was_asked_for_is_looked_for_until_it_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outlet_module, "_RETRY_SECONDS", 0.01)
    stage = Stage("device")
    stage.outlet.open()
    stage.outlet.start()
    for turn in (1, 2):
        stage.plugged = stage.devices[-1].running = False
        stage.outlet.watch()
        assert stage.paced[-1].pull() == 2 * turn - 1
        stage.plugged = True
        stage.watch_until(lambda turn=turn: len(stage.devices) == turn + 1 and stage.devices[-1].running)  # type: ignore[misc]
        assert not stage.paced[-1].running
        assert stage.devices[-1].pull() == 2 * turn
    assert [("stopped" in said, "back" in said) for said in stage.said] == [(True, False), (False, True)] * 2
    stage.outlet.stop()


def test_a_device_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outlet_module, "_HUNG_SECONDS", 0.05)
    stage = Stage("auto")
    stage.outlet.open()
    stage.outlet.start()
    stage.outlet.watch()
    assert not stage.paced
    time.sleep(0.1)
    stage.outlet.watch()
    assert stage.outlet.running
    assert stage.paced[0].running
    stage.outlet.stop()


@pytest.mark.parametrize("wanted", ["auto", "device"])
def test_a_device_that_does_not_start_is_an_error_only_where_it_was_asked_for(wanted: str) -> None:
    stage = Stage(wanted)
    stage.starts = False
    stage.outlet.open()
    if wanted == "device":
        with pytest.raises(DeviceError, match="busy"):
            stage.outlet.start()
        return
    stage.outlet.start()
    assert stage.outlet.running
    assert stage.outlet.name == "paced (no sound device: busy)"
    stage.outlet.stop()
