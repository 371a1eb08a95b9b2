"""Every registered effect is heard and moved by its path, its range is that of its parameter, and one line adds one."""

from __future__ import annotations

import numpy as np
import pytest

from riffengine.performance.parameters import EFFECT_CONTROLS, standard_tree
from riffengine.playback.effects import registry
from riffengine.playback.effects.registry import deck_effects
from riffengine.playback.ramp import Control, Ramp
from riffengine.processes.audio import Block
from riffengine.processes.parameter_path import parse_path
from riffengine.processes.player_messages import LaunchBank, PlaceLoop, SetControl
from riffengine.scheduler.immediate import control_message
from tests.playback.loops import LoopRack, pull_all

TOTAL = 12_000


class Invert:
    """A dummy effect: turns the sound upside down by ``amount``, and does nothing at 0."""

    def __init__(self, sample_rate: int, channels: int) -> None:
        self.amount = Ramp(0.0)
        self.controls = {"invert/amount": Control(self.amount, high=0.5)}

    def runs(self, frame: int) -> bool:
        return self.amount.end_frame is not None or self.amount.target != 0.0

    def cut(self, frame: int) -> int | None:
        return None  # it starts and stops with its control, where the mixer cuts anyhow

    def process(self, sound: Block, frame: int) -> None:
        amount = self.amount.over(frame, len(sound))
        factor = np.float32(1.0 - 2.0 * amount) if isinstance(amount, float) else 1.0 - 2.0 * amount[:, None]
        sound *= np.asarray(factor, dtype=np.float32)


@pytest.fixture
def invert(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "DECK_EFFECTS", (*registry.DECK_EFFECTS, Invert))


def played(rack: LoopRack, *controls: SetControl, blocks: tuple[int, ...] = (512,)) -> np.ndarray:
    mixer = rack.mixer(PlaceLoop("a", 0, 0.0, rack.references[0], 0), LaunchBank("a", 0, 0, 0), *controls)
    sound = pull_all(mixer, TOTAL, blocks)
    assert mixer.counters.refused_messages == 0
    return sound


@pytest.mark.usefixtures("invert")
def test_a_registered_effect_is_heard_from_the_frame_on_which_its_path_is_moved(rack: LoopRack) -> None:
    rack.noise(1)
    dry = played(rack)
    wet = played(rack, SetControl(parse_path("deck/a/invert/amount"), 0.25, 4_000, 0))
    assert wet[:4_000].tobytes() == dry[:4_000].tobytes()
    np.testing.assert_array_equal(wet[4_000:], np.float32(0.5) * dry[4_000:])


@pytest.mark.usefixtures("invert")
def test_values_are_clipped_to_the_effects_own_range(rack: LoopRack) -> None:
    rack.noise(1)
    assert np.abs(played(rack, SetControl(parse_path("deck/a/invert/amount"), 9.0, 0, 0))).max() == 0.0


@pytest.mark.usefixtures("invert")
def test_effects_process_in_the_order_of_the_registry_in_blocks_of_any_size(rack: LoopRack) -> None:
    rack.noise(1)
    moves = (
        SetControl(parse_path("deck/a/invert/amount"), 0.4, 2_000, 700),
        SetControl(parse_path("deck/a/filter"), -0.5, 3_000, 441),
    )
    assert [type(effect) for effect in deck_effects(48_000, 2)][-1] is Invert
    assert played(rack, *moves, blocks=(1, 33, 1_000)).tobytes() == played(rack, *moves).tobytes()


def test_without_its_line_in_the_registry_there_is_no_such_control(rack: LoopRack) -> None:
    mixer = rack.mixer(SetControl(parse_path("deck/a/invert/amount"), 0.5, 0, 0))
    pull_all(mixer, 512)
    assert mixer.counters.refused_messages == 1


def test_every_effect_has_the_range_and_default_of_its_parameters() -> None:
    tree = standard_tree()
    controls = {name: control for effect in deck_effects(44_100, 2) for name, control in effect.controls.items()}
    assert set(controls) == set(EFFECT_CONTROLS)
    for name, control in controls.items():
        parameter = tree[f"deck/a/{name}"]
        assert (control.low, control.high, control.ramp.target) == (parameter.low, parameter.high, parameter.default)


@pytest.mark.parametrize("name", EFFECT_CONTROLS)
def test_the_scheduler_forwards_every_effect_control_as_it_is(name: str) -> None:
    assert control_message(f"deck/b/{name}", 0.3, 441, 7) == SetControl(parse_path(f"deck/b/{name}"), 0.3, None, 441, 7)
