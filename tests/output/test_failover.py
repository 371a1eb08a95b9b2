"""A lost device stops the sound, but musical time continues; any registered output can be chosen."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from riffengine.cli.parser import build_parser
from riffengine.clock import SystemClock
from riffengine.errors import DeviceError
from riffengine.output import failover as failover_module
from riffengine.output.failover import OutputFailover
from riffengine.output.output import OutputSettings
from riffengine.output.registry import OPENERS, OutputKind, on_sound_device, output_names
from riffengine.processes.audio import Block, Fill
from riffengine.session.session import load_session

SETTINGS = OutputSettings(48_000, 4, 2)


class FakeOutput:
    """Pulls when the test says so."""

    latency_seconds = 0.01
    input_latency_seconds: float | None = None

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


class FakeOutputs:
    """A failover on fake outputs; the test plugs and unplugs the device."""

    def __init__(self, wanted: str, monkeypatch: pytest.MonkeyPatch, played_before: bool = False) -> None:
        monkeypatch.setattr(failover_module, "open_output", self.open_output)
        self.devices: list[FakeOutput] = []
        self.paced: list[FakeOutput] = []
        self.said: list[str] = []
        self.blocks = 0
        self.plugged, self.starts = True, True
        self.failover = OutputFailover(wanted, SETTINGS, self.fill, self.said.append, SystemClock(), played_before)

    def fill(self, out: Block, starved: bool) -> None:
        self.blocks += 1
        out[:] = self.blocks

    def open_output(self, name: str, settings: OutputSettings, fill: Fill, retry: bool = False) -> FakeOutput:
        assert settings is SETTINGS
        if name == "paced":
            self.paced.append(FakeOutput("paced", fill))
            return self.paced[-1]
        assert name == "device"
        assert retry or not self.devices
        if not self.plugged:
            raise DeviceError("no device")
        self.devices.append(FakeOutput("card", fill, self.starts))
        return self.devices[-1]

    def watch_until(self, seen: Callable[[], bool]) -> None:
        deadline_ns = SystemClock().now_ns() + 10_000_000_000
        while not seen():
            assert SystemClock().now_ns() < deadline_ns
            self.failover.watch()
            time.sleep(0.005)


def test_the_clock_replaces_a_lost_device_with_the_same_fill(monkeypatch: pytest.MonkeyPatch) -> None:
    outputs = FakeOutputs("auto", monkeypatch)
    outputs.failover.open()
    outputs.failover.start()
    assert outputs.devices[0].pull() == 1
    outputs.plugged = outputs.devices[0].running = False
    outputs.failover.watch()
    assert outputs.failover.running
    assert "card" in outputs.said[0]
    assert outputs.paced[0].pull() == 2
    assert outputs.devices[0].pull() == 0  # it wakes up again: it gets silence and does not advance the music
    assert outputs.paced[0].pull() == 3
    outputs.failover.stop()
    assert len(outputs.devices) == 1


@pytest.mark.parametrize("wanted", ["device", "auto"])
def test_a_device_that_has_played_is_looked_for_until_it_is_back(wanted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failover_module, "_RETRY_SECONDS", 0.01)
    outputs = FakeOutputs(wanted, monkeypatch)
    outputs.failover.open()
    outputs.failover.start()
    for turn in (1, 2):
        outputs.plugged = outputs.devices[-1].running = False
        outputs.failover.watch()
        assert outputs.paced[-1].pull() == 2 * turn - 1
        assert failover_module.IN_PLACE in outputs.failover.name  # by which health knows
        outputs.plugged = True
        outputs.watch_until(lambda turn=turn: len(outputs.devices) == turn + 1 and outputs.devices[-1].running)  # type: ignore[misc]
        assert not outputs.paced[-1].running
        assert outputs.devices[-1].pull() == 2 * turn
        assert outputs.failover.name == "card"
    assert [("stopped" in said, "back" in said) for said in outputs.said] == [(True, False), (False, True)] * 2
    outputs.failover.stop()


@pytest.mark.parametrize("wanted", ["device", "auto"])
def test_a_device_that_is_gone_when_the_player_starts_again_does_not_end_the_set(
    wanted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failover_module, "_RETRY_SECONDS", 0.01)
    outputs = FakeOutputs(wanted, monkeypatch, played_before=True)
    outputs.plugged = False
    outputs.failover.open()
    outputs.failover.start()
    assert outputs.paced[-1].pull() == 1
    outputs.plugged = True
    outputs.watch_until(lambda: bool(outputs.devices) and outputs.devices[-1].running)
    assert outputs.devices[-1].pull() == 2
    outputs.failover.stop()


def test_a_device_that_is_not_there_at_the_start_is_not_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failover_module, "_RETRY_SECONDS", 0.0)
    outputs = FakeOutputs("auto", monkeypatch)
    outputs.plugged = False
    outputs.failover.open()
    assert outputs.failover._finder is None
    outputs.failover.start()
    outputs.failover.stop()


def test_a_device_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failover_module, "_HUNG_SECONDS", 0.05)
    outputs = FakeOutputs("auto", monkeypatch)
    outputs.failover.open()
    outputs.failover.start()
    outputs.failover.watch()
    assert not outputs.paced
    time.sleep(0.1)
    outputs.failover.watch()
    assert outputs.failover.running
    assert outputs.paced[0].running
    outputs.failover.stop()


@pytest.mark.parametrize("wanted", ["auto", "device"])
def test_a_device_that_does_not_start_is_an_error_only_where_it_was_asked_for(
    wanted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    outputs = FakeOutputs(wanted, monkeypatch)
    outputs.starts = False
    outputs.failover.open()
    if wanted == "device":
        with pytest.raises(DeviceError, match="busy"):
            outputs.failover.start()
        return
    outputs.failover.start()
    assert outputs.failover.running
    assert outputs.failover.name == "paced, in place of a sound device (busy)"
    outputs.failover.stop()


def open_plugin(settings: OutputSettings, fill: Fill, retry: bool) -> FakeOutput:
    """The opener of a dummy output, by the line of the registry in the fixture below."""
    return FakeOutput(f"plugin at {settings.sample_rate} Hz", fill)


@pytest.fixture
def plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(OPENERS, "plugin", OutputKind(f"{__name__}:open_plugin"))


@pytest.mark.usefixtures("plugin")
def test_one_line_of_the_registry_adds_an_output_that_can_be_chosen_lost_and_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(failover_module, "_RETRY_SECONDS", 0.01)
    said: list[str] = []
    blocks: list[int] = []

    def fill(out: Block, starved: bool) -> None:
        blocks.append(len(out))

    failover = OutputFailover("plugin", SETTINGS, fill, said.append, SystemClock())
    failover.open()
    failover.start()
    first = failover._output
    assert isinstance(first, FakeOutput)
    assert failover.name == "plugin at 48000 Hz"
    first.pull()
    assert blocks == [4]
    first.running = False
    failover.watch()
    deadline_ns = SystemClock().now_ns() + 10_000_000_000
    while not failover.on_preferred:
        assert failover.running  # the paced output
        assert SystemClock().now_ns() < deadline_ns
        time.sleep(0.005)
        failover.watch()
    failover.stop()
    assert ["plugin at 48000 Hz has stopped" in said[0], "plugin at 48000 Hz is back" in said[1]] == [True, True]


@pytest.mark.usefixtures("plugin")
def test_presets_and_the_command_line_know_every_registered_output(tmp_path: Path) -> None:
    preset = tmp_path / "set.yaml"
    preset.write_text('deck: {a: {prompt: "house"}}\noutput: {to: plugin}\n')
    assert load_session(preset).audio.output == "plugin"
    assert build_parser().parse_args(["play", "--output", "plugin"]).output == "plugin"
    assert output_names() == ("auto", "device", "paced", "daw", "plugin")
    assert [on_sound_device(name) for name in output_names()] == [True, True, False, False, False]


def test_an_output_that_is_not_registered_is_refused_with_those_that_are() -> None:
    with pytest.raises(DeviceError, match="'radio'; it must be auto, device, paced or daw"):
        OutputFailover("radio", SETTINGS, lambda out, starved: None, print, SystemClock())
