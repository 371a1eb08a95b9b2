import math

import numpy as np
import pytest

from riffengine.renderer.loudness import loop_loudness


def sine(hz: float, sample_rate: int, seconds: float = 4.0, amplitude: float = 1.0) -> np.ndarray:
    t = np.arange(round(seconds * sample_rate)) / sample_rate
    return (amplitude * np.sin(2 * np.pi * hz * t)).astype(np.float32)


@pytest.mark.parametrize("sample_rate", [44100, 48000, 96000])
def test_a_full_scale_997_hz_sine_in_one_channel_is_minus_3_01_lufs(sample_rate: int) -> None:
    assert loop_loudness(sine(997.0, sample_rate)[:, None], sample_rate) == pytest.approx(-3.01, abs=0.01)


def test_two_equal_channels_are_3_01_lu_louder_than_one() -> None:
    one = sine(997.0, 48000, amplitude=0.1)
    assert loop_loudness(np.stack([one, one], 1), 48000) == pytest.approx(-20.0, abs=0.01)


# Magnitudes of the two 48 kHz filters printed in ITU-R BS.1770-4, tables 1 and 2, evaluated by hand here.
@pytest.mark.parametrize("hz", [30.0, 60.0, 997.0, 2000.0, 10000.0])
def test_the_weighting_is_that_of_the_printed_48_khz_coefficients(hz: float) -> None:
    z = np.exp(-2j * np.pi * hz / 48000)
    shelf = (1.53512485958697 - 2.69169618940638 * z + 1.19839281085285 * z**2) / (
        1 - 1.69065929318241 * z + 0.73248077421585 * z**2
    )
    high_pass = (1 - 2 * z + z**2) / (1 - 1.99004745483398 * z + 0.99007225036621 * z**2)
    expected = -0.691 + 20 * math.log10(abs(shelf * high_pass)) + 10 * math.log10(0.5)
    assert loop_loudness(sine(hz, 48000)[:, None], 48000) == pytest.approx(expected, abs=0.005)


def test_quiet_halves_are_gated_out() -> None:
    loud = sine(997.0, 48000, amplitude=0.5)
    loop = np.concatenate([loud, loud * 1e-2])  # 40 LU below: without the gate the mean would lose 3 LU
    assert loop_loudness(loop[:, None], 48000) == pytest.approx(-3.01 - 6.02, abs=0.4)


def test_loudness_does_not_depend_on_where_the_loop_starts() -> None:
    rng = np.random.default_rng(3)
    loop = rng.standard_normal((88200, 2)) * np.linspace(0, 1, 88200)[:, None] ** 2 * 0.1
    here = loop_loudness(loop, 44100)
    assert loop_loudness(np.roll(loop, 5 * 4410, axis=0), 44100) == pytest.approx(here, abs=1e-9)
    assert loop_loudness(np.roll(loop, 12345, axis=0), 44100) == pytest.approx(here, abs=0.1)


def test_a_loop_shorter_than_a_block_is_one_block() -> None:
    assert loop_loudness(sine(1000.0, 44100, seconds=0.1)[:, None], 44100) == pytest.approx(-3.01, abs=0.02)
