"""The one-knob filter: bit-exact when off, independent of block size, free of clicks, and never louder."""

import hashlib

import numpy as np
import pytest

from riffengine.playback.effects.filter import CHUNK_FRAMES, DeckFilter
from riffengine.processes.parameter_path import parse_path
from riffengine.processes.player_messages import LaunchBank, PlaceLoop, SetControl
from tests.playback.loops import LoopRack, pull_all

RATE = 48_000
TOTAL = 30_000


def filtered(knob: float, sound: np.ndarray) -> np.ndarray:
    own = DeckFilter(RATE, sound.shape[1])
    own.knob.move(knob, 0, 0)
    out = sound.astype(np.float32).copy()
    assert own.runs(0)
    own.process(out, 0)
    return out


def sine(hz: float, seconds: float = 0.5) -> np.ndarray:
    wave = 0.5 * np.sin(2 * np.pi * hz * np.arange(round(seconds * RATE)) / RATE)
    return np.repeat(wave[:, None], 2, axis=1)


def gain_db(knob: float, hz: float) -> float:
    out, half = filtered(knob, sine(hz))[:, 0], round(0.25 * RATE)
    turns = 2 * np.pi * hz * np.arange(half, len(out)) / RATE  # fitted: 15 Hz has no whole cycles in the window
    parts = np.linalg.lstsq(np.stack([np.sin(turns), np.cos(turns)], axis=1), out[half:], rcond=None)[0]
    return float(20 * np.log10(np.hypot(*parts) / 0.5 + 1e-12))


@pytest.mark.parametrize(
    ("knob", "hz"),
    [(-1.0, 60.0), (-0.5, 60.0 * (20_000 / 60) ** 0.5), (0.5, 400.0), (1.0, 8_000.0)],
)
def test_the_cutoff_is_three_db_down_and_an_octave_further_24_more(knob: float, hz: float) -> None:
    assert gain_db(knob, hz) == pytest.approx(-3.01, abs=0.15)
    beyond = hz * 4 if knob < 0 else hz / 4
    within = hz / 4 if knob < 0 else hz * 2.5
    assert gain_db(knob, beyond) < -45
    assert gain_db(knob, within) == pytest.approx(0.0, abs=0.1)


def test_it_is_never_louder_than_what_goes_in() -> None:
    for knob in np.linspace(-1, 1, 20):
        for hz in (30.0, 100.0, 1_000.0, 9_000.0):
            assert gain_db(float(knob), hz) < 0.05


def test_at_rest_in_the_middle_the_samples_are_unchanged() -> None:
    rack = LoopRack(RATE, 121.3)
    loop = rack.noise(1)
    plain = rack.mixer(PlaceLoop("a", 0, 0.0, loop, 0), LaunchBank("a", 0, 0))
    swept = rack.mixer(
        PlaceLoop("a", 0, 0.0, loop, 0),
        LaunchBank("a", 0, 0),
        SetControl(parse_path("deck/a/filter"), -0.7, 8_011, 500),
        SetControl(parse_path("deck/a/filter"), 0.0, 12_000, 700),
    )
    own, other = pull_all(plain, TOTAL), pull_all(swept, TOTAL)
    assert own[:8_000].tobytes() == other[:8_000].tobytes()
    assert own[13_000:].tobytes() == other[13_000:].tobytes()
    assert not np.array_equal(own[8_100:12_000], other[8_100:12_000])


SIZES = [(1,), (64,), (128,), (480,), (4096,), (TOTAL,), (1, 7, 1000, 33, 2, 511)]


@pytest.mark.parametrize("blocks", SIZES)
def test_blocks_of_any_size_give_the_same_bits(blocks: tuple[int, ...]) -> None:
    def digest(sizes: tuple[int, ...]) -> str:
        rack = LoopRack(RATE, 121.3)
        mixer = rack.mixer(decks=("a", "b"))
        for deck in "ab":
            mixer.schedule(PlaceLoop(deck, 0, 0.0, rack.noise(ord(deck), stems=2, channels=1 + (deck == "b")), 0))
            mixer.schedule(LaunchBank(deck, 0, 100))
        mixer.schedule(SetControl(parse_path("crossfader"), 0.5, 0, 0))
        for step, knob in enumerate((-0.3, 0.9, 0.01, 0.0, -1.0, 1.0, -0.02, 0.0)):
            mixer.schedule(
                SetControl(parse_path("deck/a/filter"), knob, 1_003 + step * 2_500, (480, 17, 0, 3_000)[step % 4])
            )
            mixer.schedule(SetControl(parse_path("deck/b/filter"), -knob, 1_024 + step * 3_001, 441))
            mixer.schedule(SetControl(parse_path("deck/b/mute"), step % 2, 900 + step * 3_333))
        return hashlib.sha256(pull_all(mixer, TOTAL, sizes).tobytes()).hexdigest()

    assert digest(blocks) == digest((512,))


@pytest.mark.parametrize(("start", "end"), [(0.0, -1.0), (-1.0, 0.0), (0.0, 1.0), (1.0, 0.0), (-1.0, 1.0), (0.3, -0.3)])
@pytest.mark.parametrize("hz", [200.0, 1_500.0])
def test_a_sweep_does_not_click(start: float, end: float, hz: float) -> None:
    own = DeckFilter(RATE, 1)
    own.knob.move(start, 0, 0)
    sound = sine(hz)[:, :1].astype(np.float32)
    at, step = 0, 8 * CHUNK_FRAMES
    while at < len(sound):
        if at == 12_032 - 12_032 % step:
            own.knob.move(end, at, 480)
        own.knob.settle(at)
        if own.runs(at):
            own.process(sound[at : at + step], at)
        at += step
    # A click is broadband: everything far above the tone stays 60 dB below it.
    window = sound[9_000:15_000, 0] * np.hanning(6_000)
    spectrum = np.abs(np.fft.rfft(window))
    far = np.fft.rfftfreq(6_000, 1 / RATE) > 10 * hz + 2_000
    assert spectrum[far].max() < 1e-3 * 0.25 * 6_000 * 0.5 * 2


def test_skipped_frames_reset_it() -> None:
    own = DeckFilter(RATE, 1)
    own.knob.move(-0.5, 0, 0)
    assert own.runs(0)
    own.process(np.ones((32, 1), np.float32), 0)
    assert not own.runs(70)
    assert own.runs(96)
