"""What our host tells an LV2 plugin, seen by a plugin that shows it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from riffengine.plugins.plugin import MidiEvent, Position
from tests.plugins.conftest import FRAMES, OpenPlugin, noise, play

WITNESS = "lv2:urn:riffengine:test:witness"

pytestmark = pytest.mark.usefixtures("witness_path")


@pytest.mark.parametrize(
    "position",
    [Position(0, 0.0, 120.0), Position(123456, 37.25, 97.5, True, 3), Position(44100, 4.0, 174.0, playing=False)],
)
def test_the_transport_is_told(opened: OpenPlugin, position: Position) -> None:
    plugin = opened(WITNESS)
    plugin.run(np.zeros((FRAMES, 2), np.float32), position)
    told = {symbol: plugin.get(symbol) for symbol in ("frame", "beat", "bpm", "bar", "bar_beat", "speed")}
    bar, bar_beat = divmod(position.beat, position.beats_per_bar)
    assert told == {
        "frame": position.frame, "beat": position.beat, "bpm": position.bpm, "bar": bar, "bar_beat": bar_beat,
        "speed": float(position.playing),
    }  # fmt: skip


def test_midi_comes_at_its_frames_in_order(opened: OpenPlugin) -> None:
    plugin = opened(WITNESS)
    sound = np.zeros((FRAMES, 2), np.float32)
    events = (MidiEvent(100, b"\x90\x3c\x7f"), MidiEvent(3, b"\x90\x3c\x7f"), MidiEvent(50, b"\xb0\x07\x7f"))
    plugin.run(sound, Position(0, 0.0, 120.0), events)
    assert np.flatnonzero(sound[:, 0]).tolist() == [3, 50, 100]
    assert plugin.get("note_frame") == 100
    sound[:] = 0
    plugin.run(sound, Position(FRAMES, 0.0, 120.0))
    assert not sound.any()


@pytest.mark.parametrize("frames", [16, 128, 333, 2048])
def test_the_block_length_is_told_and_kept(opened: OpenPlugin, frames: int) -> None:
    plugin = opened(WITNESS, frames=frames)
    sound = noise()
    assert np.array_equal(play(plugin, sound, frames=frames), sound[: len(sound) // frames * frames])
    assert plugin.get("block") == frames


def test_work_is_done_between_two_blocks(opened: OpenPlugin) -> None:
    plugin = opened(WITNESS)
    block = np.zeros((FRAMES, 2), np.float32)
    plugin.set("ask", 21.0)
    plugin.run(block, Position(0, 0.0, 120.0))
    assert plugin.get("answer") == 0
    plugin.run(block, Position(FRAMES, 0.0, 120.0))
    assert plugin.get("answer") == 42


def test_work_may_have_a_thread(opened: OpenPlugin) -> None:
    plugin = opened(WITNESS, realtime=True)
    block = np.zeros((FRAMES, 2), np.float32)
    plugin.set("ask", 21.0)
    for number in range(100_000):  # as many blocks as the thread needs to come to its turn
        plugin.run(block, Position(number * FRAMES, 0.0, 120.0))
        if plugin.get("answer"):
            break
    assert plugin.get("answer") == 42


def test_what_only_the_plugin_keeps_is_in_the_state(opened: OpenPlugin) -> None:
    plugin, block = opened(WITNESS), np.zeros((FRAMES, 2), np.float32)
    plugin.set("ask", 21.0)
    for number in range(2):
        plugin.run(block, Position(number * FRAMES, 0.0, 120.0))
    second = opened(WITNESS)
    second.restore(plugin.state())
    second.run(block, Position(0, 0.0, 120.0))
    assert (second.get("kept"), second.get("ask")) == (42, 21)


def test_the_plugin_is_found_by_its_manifest(witness_path: Path, opened: OpenPlugin) -> None:
    assert opened(WITNESS).info.name == "Riffengine test witness"
