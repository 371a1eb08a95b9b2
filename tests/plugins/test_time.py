"""Plugins in time: notes on their frames, delays on our grid."""

from __future__ import annotations

import numpy as np
import pytest

from riffengine.plugins.plugin import MidiEvent
from tests.plugins.conftest import RATE, OpenPlugin, play, silence

EPIANO = "lv2:http://drobilla.net/plugins/mda/EPiano"
ZYN = "lv2:http://zynaddsubfx.sourceforge.net"
DELAY = "lv2:http://calf.sourceforge.net/plugins/VintageDelay"


@pytest.mark.parametrize("frame", [0, 1, 127, 128, 300])
def test_an_instrument_plays_a_note_at_its_frame(opened: OpenPlugin, frame: int) -> None:
    note = b"\x90\x3c\x64"
    at_start = play(opened(EPIANO), silence(0.5), (MidiEvent(0, note),))
    later = play(opened(EPIANO), silence(0.5), (MidiEvent(frame, note),))
    assert not later[:frame].any()
    assert np.array_equal(later[frame:], at_start[: len(later) - frame])
    assert np.abs(later).max() > 0.1


def test_a_note_ends_with_its_note_off(opened: OpenPlugin) -> None:
    held = play(opened(EPIANO), silence(1.0), (MidiEvent(0, b"\x90\x3c\x64"),))
    ended = play(opened(EPIANO), silence(1.0), (MidiEvent(0, b"\x90\x3c\x64"), MidiEvent(5000, b"\x80\x3c\x00")))
    assert np.array_equal(held[:5000], ended[:5000])
    assert np.abs(ended[-5000:]).max() < 0.1 * np.abs(held[-5000:]).max()


def test_a_big_synthesizer_plays_and_keeps_its_state(opened: OpenPlugin) -> None:
    first = opened(ZYN)
    assert first.info.inputs == 0 and first.info.midi_in and first.info.has_state
    assert np.abs(play(first, silence(0.5), (MidiEvent(0, b"\x90\x3c\x64"),))).max() > 0.01
    state = first.state()
    second = opened(ZYN)
    second.restore(state)
    assert second.state() == state


@pytest.mark.parametrize("bpm", [120.0, 97.5, 174.0])
def test_a_synchronous_delay_repeats_on_the_grid(opened: OpenPlugin, bpm: float) -> None:
    plugin = opened(DELAY)
    for symbol, value in {
        "timing": 3, "subdiv": 4, "time_l": 4, "time_r": 4, "medium": 0, "mix_mode": 0, "feedback": 0.5, "amount": 1,
    }.items():  # fmt: skip
        plugin.set(symbol, value)
    click = silence(3.0)
    click[1000] = 0.5
    level = np.abs(play(plugin, click, bpm=bpm)[:, 0])
    beat = RATE * 60 / bpm
    repeats = [1000 + round(number * beat) for number in range(1, 4)]
    for number, frame in enumerate(repeats):
        around = level[frame - int(beat / 3) : frame + int(beat / 3)]
        found = frame - int(beat / 3) + int(around.argmax())
        assert abs(found - frame) <= number + 1  # the plugin rounds the beat down to a whole frame
        assert around.max() > 0.02
