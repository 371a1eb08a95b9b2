"""What our host tells a CLAP plugin, seen by a plugin that shows it; compiled with the CLAP headers of dpf-source."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from riffengine.plugins.plugin import MidiEvent, Plugin, Position
from tests.needed import lacks
from tests.plugins.conftest import FRAMES, RATE, OpenPlugin, noise

SOURCE = Path(__file__).parent / "witness.clap" / "witness.c"
HEADERS = Path("/usr/share/dpf/distrho/src")

START = Position(0, 0.0, 120.0)

OpenWitness = Callable[[str], Plugin]


@pytest.fixture(scope="session")
def witness_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clap") / "witness.clap"
    try:
        subprocess.run(
            ["cc", "-O1", "-shared", "-fPIC", f"-I{HEADERS}", "-o", str(path), str(SOURCE)],
            check=True,
            capture_output=True,
        )
    except (OSError, subprocess.CalledProcessError) as problem:
        lacks(f"gcc and dpf-source are needed: {problem}; tools/test installs them")
    return path


@pytest.fixture
def witness(witness_file: Path, opened: OpenPlugin) -> OpenWitness:
    return lambda plugin_id: opened(f"clap:{witness_file}#{plugin_id}")


def run(plugin: Plugin, position: Position = START, *events: MidiEvent) -> np.ndarray:
    sound = noise()[:FRAMES].copy()
    plugin.run(sound, position, events)
    return sound


def test_the_plugin_is_described(witness: OpenWitness) -> None:
    info = witness("midi").info
    assert (info.name, info.maker, info.inputs, info.outputs) == ("Riffengine test midi", "Riffengine", 2, 2)
    assert info.midi_in and info.has_state
    gain, kind, tempo = info.parameters[:3]
    assert (gain.symbol, gain.low, gain.high, gain.default, gain.unit) == ("gain", 0, 2, 1, "dB")
    assert kind.integer and kind.labels == ((0, "plain"), (1, "calls"), (2, "restarts"), (3, "fails"))
    assert tempo.output


@pytest.mark.parametrize(
    "position",
    [Position(0, 0.0, 120.0), Position(123456, 37.25, 97.5, True, 3), Position(44100, 4.0, 174.0, playing=False)],
)
def test_the_transport_is_told(witness: OpenWitness, position: Position) -> None:
    plugin = witness("midi")
    run(plugin, position)
    told = {s: plugin.get(s) for s in ("tempo", "beat", "bar", "bar_start", "playing", "seconds", "steady")}
    bar = position.beat // position.beats_per_bar
    assert told == pytest.approx(
        {
            "tempo": position.bpm, "beat": position.beat, "bar": bar, "bar_start": bar * position.beats_per_bar,
            "playing": float(position.playing), "seconds": position.frame / RATE, "steady": position.frame,
        },
        abs=1e-9,
    )  # fmt: skip


@pytest.mark.parametrize(("plugin_id", "velocity"), [("midi", 100.0), ("notes", 100 / 127)])
def test_notes_come_at_their_frames(witness: OpenWitness, plugin_id: str, velocity: float) -> None:
    plugin = witness(plugin_id)
    on, off = MidiEvent(99, b"\x91\x3c\x64"), MidiEvent(5, b"\x81\x3d\x00")
    run(plugin, Position(0, 0.0, 120.0), on, off)
    told = [plugin.get(symbol) for symbol in ("note_frame", "key", "velocity", "on")]
    assert told == pytest.approx([99, 60, velocity, 1])  # the later one was told last
    run(plugin, Position(FRAMES, 0.0, 120.0), off)
    assert [plugin.get(symbol) for symbol in ("note_frame", "key", "on")] == [5, 61, 0]


def test_a_parameter_acts_in_the_next_block_and_a_side_chain_is_silent(witness: OpenWitness) -> None:
    plugin = witness("midi")
    assert np.array_equal(run(plugin), noise()[:FRAMES])
    plugin.set("gain", 0.5)
    assert plugin.get("gain") == 0.5
    assert np.array_equal(run(plugin), noise()[:FRAMES] * np.float32(0.5))


def test_a_restart_is_done_between_blocks_and_the_latency_read_again(witness: OpenWitness) -> None:
    plugin = witness("midi")
    assert plugin.latency == 64
    plugin.set("kind", 2)
    run(plugin)
    assert plugin.latency == 100
    assert run(plugin).any()


def test_a_call_of_the_main_thread_is_made_once(witness: OpenWitness) -> None:
    plugin = witness("midi")
    plugin.set("kind", 1)
    run(plugin), run(plugin)
    assert plugin.get("calls") == 1


def test_a_block_that_fails_is_silent(witness: OpenWitness) -> None:
    plugin = witness("midi")
    plugin.set("kind", 3)
    assert not run(plugin).any()
    plugin.set("kind", 0)
    assert run(plugin).any()


def test_the_plugins_own_state_comes_back_with_values_that_waited_for_a_block(witness: OpenWitness) -> None:
    first = witness("midi")
    run(first, Position(7, 1.0, 97.0))
    first.set("gain", 0.25)  # no block follows
    second = witness("midi")
    second.set("gain", 2.0)
    second.restore(first.state())
    assert (second.get("gain"), second.get("tempo")) == (0.25, 97.0)
    assert np.array_equal(run(second), noise()[:FRAMES] * np.float32(0.25))
