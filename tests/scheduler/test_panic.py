"""Panic from a MIDI pad to the samples: silence within 30 ms, no jump on the way, and the beat runs on."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from riffengine.clock import VirtualClock
from riffengine.control.midi.binding import Binding
from riffengine.control.midi.controllers import MidiSetup
from riffengine.control.midi.server import MidiServer
from riffengine.control.surface import SurfaceContext
from riffengine.performance.command import Command, Reply
from riffengine.performance.parameters import standard_tree
from riffengine.performance.state import PerformanceState
from riffengine.processes.player_messages import LaunchBank, PlaceLoop
from riffengine.scheduler.actions import Action, ToPlayerMessage
from riffengine.scheduler.conductor import Conductor
from riffengine.transport.beat_grid import BeatGrid
from tests.playback.loops import LoopRack, pull_all, rms_db

RATE = 44_100


class PanicSimulation:
    """A conductor that something sounds on, a mixer that does what it says, and a pad for every gesture."""

    def __init__(self, *pads: Binding) -> None:
        self.tree = standard_tree(("a",))
        rack = LoopRack(RATE)
        self.conductor = Conductor(self.tree, self.tree.initial_state(), BeatGrid(RATE, 120.0), ("a",), 48)
        noise = 0.1 * np.random.default_rng(1).standard_normal((1, RATE // 2, 2))
        loop = rack.add(noise.astype(np.float32), stems=("mix",))
        self.mixer = rack.mixer(PlaceLoop("a", 0, 0.0, loop), LaunchBank("a", 0, 0, 0))
        self.conductor.scheduler.master_fade.opened = True
        setup = MidiSetup(bindings=pads)
        self.midi = MidiServer(SurfaceContext(self.tree, VirtualClock(), self.submit, self.state), setup)

    def state(self) -> PerformanceState:
        return self.conductor.state

    def submit(self, command: Command) -> Reply:
        reply, actions = self.conductor.submit(command, self.mixer.frame)
        self._do(actions)
        return reply

    def _do(self, actions: list[Action]) -> None:
        for action in actions:
            if isinstance(action, ToPlayerMessage):
                self.mixer.schedule(action.message)

    def press(self, note: int) -> None:
        self.midi.handle((0x90, note, 127), "pads", 0)
        self.midi.handle((0x80, note, 0), "pads", 0)


@pytest.mark.parametrize("block", [64, 512, 2048])
def test_panic_is_silence_within_30_ms_and_a_second_press_brings_it_back(block: int) -> None:
    simulation = PanicSimulation(Binding("panic", "note", 36))
    before = pull_all(simulation.mixer, RATE, (block,))
    assert rms_db(before[-4096:]) > -25
    at = simulation.mixer.frame
    simulation.press(36)
    heard = pull_all(simulation.mixer, at + RATE // 2, (block,))
    assert not heard[round(0.03 * RATE) :].any()
    assert heard[: round(0.01 * RATE)].any(), "it fades, it is not cut"
    envelope = [np.abs(part).max() for part in np.array_split(heard[: round(0.02 * RATE)], 8)]
    assert all(later < earlier * 1.2 for earlier, later in pairwise(envelope))
    simulation.press(36)
    back = pull_all(simulation.mixer, simulation.mixer.frame + RATE // 2, (block,))
    whole = pull_all(PanicSimulation().mixer, simulation.mixer.frame, (block,))
    assert np.allclose(back[round(0.03 * RATE) :], whole[-len(back) + round(0.03 * RATE) :]), "the beat ran on"


def test_a_deck_is_killed_and_a_stem_is_muted_from_pads_within_30_ms() -> None:
    for path in ("deck/a/mute", "deck/a/stem/mix/mute"):
        simulation = PanicSimulation(Binding(path, "note", 36, mode="toggle"))
        pull_all(simulation.mixer, 4096)
        simulation.press(36)
        heard = pull_all(simulation.mixer, 8192)
        assert not heard[round(0.03 * RATE) :].any(), path
        simulation.press(36)
        assert rms_db(pull_all(simulation.mixer, 16_384)[-2048:]) > -25
