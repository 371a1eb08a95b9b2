"""Real LV2 and CLAP plugins: what every format must do alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from riffengine.errors import PluginError
from riffengine.plugins.guard import Guarded
from riffengine.plugins.plugin import MidiEvent, Plugin, Position
from riffengine.plugins.registry import open_plugin
from riffengine.processes.audio import Block
from tests.plugins.conftest import FRAMES, RATE, OpenPlugin, noise, play

DRAGONFLY = "lv2:urn:dragonfly:plate"
CALF = "lv2:http://calf.sourceforge.net/plugins/Compressor"
FIL4 = "lv2:http://gareus.org/oss/lv2/fil4#stereo"
DPL = "lv2:http://gareus.org/oss/lv2/dpl#stereo"
DPL_MONO = "lv2:http://gareus.org/oss/lv2/dpl#mono"
LSP = "lv2:http://lsp-plug.in/plugins/lv2/limiter_stereo"
MDA = "lv2:http://drobilla.net/plugins/mda/Delay"
SWH = "lv2:http://plugin.org.uk/swh-plugins/fourByFourPole"
ZAM_COMP = "clap:ZamCompX2.clap#com.zamaudio.ZamCompX2"
ZAM_MONO = "clap:ZamComp.clap#com.zamaudio.ZamComp"
ZAM_MAXIMIZER = "clap:ZaMaximX2.clap#com.zamaudio.ZaMaximX2"

EFFECTS = (DRAGONFLY, CALF, FIL4, DPL, DPL_MONO, LSP, MDA, SWH, ZAM_COMP, ZAM_MONO, ZAM_MAXIMIZER)


@pytest.mark.parametrize("reference", EFFECTS)
def test_the_same_sound_in_gives_the_same_samples_out(opened: OpenPlugin, reference: str) -> None:
    first, second = play(opened(reference), noise()), play(opened(reference), noise())
    assert np.array_equal(first, second)
    assert np.isfinite(first).all()
    assert np.abs(first).max() > 0.01


@pytest.mark.parametrize("reference", EFFECTS)
def test_parameters_and_state_survive_a_restart(opened: OpenPlugin, reference: str) -> None:
    first = opened(reference)
    wanted = {}
    for parameter in first.info.parameters:
        if not parameter.output and parameter.symbol != "dith":  # dithering is random by intent
            moved = parameter.low + 0.3 * (parameter.high - parameter.low)
            first.set(parameter.symbol, moved)
            wanted[parameter.symbol] = first.get(parameter.symbol)
    state = first.state()
    second = opened(reference)
    second.restore(state)
    assert {symbol: second.get(symbol) for symbol in wanted} == pytest.approx(wanted, rel=1e-6)
    assert np.array_equal(play(first, noise()), play(second, noise()))


@pytest.mark.parametrize("reference", EFFECTS)
def test_what_is_no_state_of_the_plugin_is_refused(opened: OpenPlugin, reference: str) -> None:
    plugin = opened(reference)
    other = opened(ZAM_COMP if reference != ZAM_COMP else DPL)
    for wrong in (b"", b"\0", b"nonsense", b"{}", b"[]", b'{"parameters": 3}', other.state(), plugin.state() + b"\0"):
        if wrong == plugin.state() + b"\0" and reference.startswith("clap"):
            wrong = plugin.state()[:-2]
        with pytest.raises(PluginError):
            plugin.restore(wrong)
    assert np.isfinite(play(plugin, noise())).all()


@pytest.mark.parametrize(
    ("reference", "frames"), [(DPL, 56), (DPL_MONO, 56), (LSP, 220), (ZAM_MAXIMIZER, 480), (CALF, 0), (ZAM_COMP, 0)]
)
def test_the_reported_latency_is_the_one_that_is_heard(opened: OpenPlugin, reference: str, frames: int) -> None:
    plugin = opened(reference)
    assert plugin.latency == frames  # before the first block
    dry = noise()
    wet = play(plugin, dry)
    size = len(wet)
    spectrum = np.fft.rfft(wet[:, 0], 2 * size) * np.conj(np.fft.rfft(dry[:size, 0], 2 * size))
    assert int(np.fft.irfft(spectrum).argmax()) == frames
    assert plugin.latency == frames


@pytest.mark.parametrize("reference", [DPL_MONO, SWH, ZAM_MONO])
def test_a_mono_plugin_keeps_the_channels_apart(opened: OpenPlugin, reference: str) -> None:
    sound = noise()
    sound[:, 1] = 0
    wet = play(opened(reference), sound)
    assert np.abs(wet[:, 0]).max() > 0.01
    assert not wet[:, 1].any()


@pytest.mark.parametrize("reference", EFFECTS)
def test_parameters_are_told_with_their_ranges(opened: OpenPlugin, reference: str) -> None:
    plugin = opened(reference)
    symbols = [parameter.symbol for parameter in plugin.info.parameters]
    assert len(set(symbols)) == len(symbols) > 0
    for parameter in plugin.info.parameters:
        assert parameter.low <= parameter.default <= parameter.high
        if parameter.output:
            with pytest.raises(PluginError, match="can be set"):
                plugin.set(parameter.symbol, 0.0)
            continue
        assert plugin.get(parameter.symbol) == pytest.approx(parameter.default, rel=1e-6, abs=1e-9)
        plugin.set(parameter.symbol, parameter.high + 1e6)
        assert plugin.get(parameter.symbol) == pytest.approx(parameter.high, rel=1e-6)
        with pytest.raises(PluginError, match="NaN"):
            plugin.set(parameter.symbol, float("nan"))
    with pytest.raises(PluginError, match="no parameter"):
        plugin.set("does_not_exist", 1.0)


def test_units_and_labels_come_from_the_plugin(opened: OpenPlugin) -> None:
    delay = {p.symbol: p for p in opened("lv2:http://calf.sourceforge.net/plugins/VintageDelay").info.parameters}
    assert delay["ms"].unit == "ms"
    assert (delay["hz"].unit, delay["hz"].logarithmic) == ("Hz", True)
    assert delay["timing"].labels == ((0.0, "BPM"), (1.0, "ms"), (2.0, "Hz"), (3.0, "Sync"))
    assert delay["subdiv"].integer and delay["on"].toggled
    assert "bpm_host" not in delay  # the host writes it


def test_a_parameter_acts_in_the_next_block(opened: OpenPlugin) -> None:
    plugin, untouched = opened(DPL), opened(DPL)
    play(plugin, noise(0.2)), play(untouched, noise(0.2))
    plugin.set("gain", 20.0)
    louder, same = play(plugin, noise(0.2)), play(untouched, noise(0.2))
    assert not np.array_equal(louder[:FRAMES], same[:FRAMES])


@pytest.mark.parametrize(
    "reference", ["", "lv2:", "fil4", "vst2:x", "clap:nowhere.clap", "clap:/nowhere/x.clap#y", "lv2:urn:nowhere"]
)
def test_a_reference_to_nothing_is_refused(reference: str) -> None:
    with pytest.raises(PluginError):
        open_plugin(reference, RATE, FRAMES)


def test_a_file_that_is_no_clap_is_refused(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.clap"
    wrong.write_bytes(b"not a library")
    with pytest.raises(PluginError, match="no CLAP plugin"):
        open_plugin(f"clap:{wrong}", RATE, FRAMES)


def test_an_unknown_plugin_of_a_clap_file_is_refused_by_its_name(opened: OpenPlugin) -> None:
    opened(ZAM_COMP)
    with pytest.raises(PluginError, match=r"holds no plugin nothing; it has com\.zamaudio\.ZamCompX2"):
        open_plugin("clap:ZamCompX2.clap#nothing", RATE, FRAMES)


def test_the_state_of_an_lv2_plugin_is_a_preset_that_other_hosts_read(opened: OpenPlugin) -> None:
    text = opened(CALF).state().decode()
    assert "pset:Preset" in text
    assert "lv2:appliesTo <http://calf.sourceforge.net/plugins/Compressor>" in text


class _Broken:
    """The guard's input: a real plugin whose output is then overwritten."""

    def __init__(self, plugin: Plugin, value: float) -> None:
        self._plugin, self.value = plugin, value
        self.info = plugin.info

    def __getattr__(self, name: str) -> Any:
        return getattr(self._plugin, name)

    def run(self, sound: Block, position: Position, events: tuple[MidiEvent, ...] = ()) -> None:
        assert np.isfinite(sound).all()
        self._plugin.run(sound, position, events)
        if self.value:
            sound[5, 1] = self.value


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_the_guard_turns_what_is_not_finite_into_silence_and_says_so(opened: OpenPlugin, value: float) -> None:
    broken = _Broken(opened(DPL), value)
    guarded = Guarded(broken, RATE)
    block = noise()[:FRAMES].copy()
    guarded.run(block, Position(1000, 0.0, 120.0))
    assert not block.any()
    assert guarded.fault is not None
    assert (guarded.fault.kind, guarded.fault.frame) == ("not finite", 1000)
    broken.value = 0.0
    block = noise()[:FRAMES].copy()
    guarded.run(block, Position(1128, 0.0, 120.0))
    assert block.any()
    assert guarded.fault is None
    assert guarded.faulty_blocks == 1


def test_the_guard_cleans_what_goes_in(opened: OpenPlugin) -> None:
    guarded = Guarded(opened(FIL4), RATE)
    sound = noise()
    sound[300, 0], sound[3000, 1] = np.nan, np.inf
    wet = play(guarded, sound)
    assert np.isfinite(wet).all()
    assert np.abs(wet[-FRAMES:]).max() > 0.01
    assert guarded.cleaned_blocks == 2


def test_a_runaway_plugin_is_silent_after_a_tenth_of_a_second(opened: OpenPlugin) -> None:
    guarded = Guarded(_Broken(opened(DPL), 1000.0), RATE)
    wet = play(guarded, noise(0.3))
    assert np.abs(wet).max() <= 10 ** (24 / 20) + 1e-4
    loud = np.flatnonzero(np.abs(wet).max(axis=1))[-1]
    assert 0.09 * RATE <= loud <= 0.1 * RATE
    assert guarded.fault is not None and guarded.fault.kind == "runaway"
