"""Stereo sound and plugins of any number of channels; names of parameters."""

from __future__ import annotations

import numpy as np
import pytest

from riffengine.plugins.channels import Channels
from riffengine.plugins.symbols import unique_symbols

SOUND = np.array([[1.0, 3.0], [2.0, -2.0]], np.float32)
MEAN = [2.0, 0.0]


def run(inputs: int, outputs: int) -> tuple[list[list[list[float]]], np.ndarray]:
    """What the instances get, and the sound when output ``n`` of instance ``i`` gives ``10 i + n + 1``."""
    channels, sound = Channels(inputs, outputs, len(SOUND)), SOUND.copy()
    channels.put(sound)
    given = [[buffer.tolist() for buffer in buffers] for buffers in channels.inputs]
    for instance, buffers in enumerate(channels.outputs):
        for number, buffer in enumerate(buffers):
            buffer[:] = 10 * instance + number + 1
    channels.take(sound)
    return given, sound


@pytest.mark.parametrize(
    ("inputs", "outputs", "given", "left_right"),
    [
        (2, 2, [[[1, 2], [3, -2]]], (1, 2)),
        (1, 1, [[[1, 2]], [[3, -2]]], (1, 11)),
        (1, 2, [[MEAN]], (1, 2)),
        (2, 1, [[[1, 2], [3, -2]]], (1, 1)),
        (0, 1, [[]], (1, 1)),
        (0, 2, [[]], (1, 2)),
        (4, 8, [[[1, 2], [3, -2], [0, 0], [0, 0]]], (1, 2)),
    ],
)
def test_channels_meet(
    inputs: int, outputs: int, given: list[list[list[float]]], left_right: tuple[float, float]
) -> None:
    seen, sound = run(inputs, outputs)
    assert seen == given
    assert sound.tolist() == [list(left_right)] * len(SOUND)


def test_a_meter_leaves_the_sound_as_it_is() -> None:
    assert np.array_equal(run(2, 0)[1], SOUND)


def test_symbols_fit_a_path_and_are_unique() -> None:
    names = ("Threshold", "threshold", "Dry/Wet %", "", "½", "gain_2", "Gain", "GAIN", "x" * 60)
    assert unique_symbols(names) == (
        "threshold", "threshold_2", "dry_wet", "parameter", "parameter_2", "gain_2", "gain", "gain_3", "x" * 40,
    )  # fmt: skip
