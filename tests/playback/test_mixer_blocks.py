"""The samples do not depend on the size of the blocks, to the last bit."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riffengine.processes.parameter_path import parse_path
from riffengine.processes.player_messages import (
    FreeLoop,
    LaunchBank,
    LoopRef,
    PlaceLoop,
    RemoveLoop,
    SetControl,
    SetGrid,
    ToPlayer,
)
from riffengine.transport.beat_grid import BeatGrid
from tests.playback.loops import LoopRack, pull_all

TOTAL = 40_000
LOOPS = 7
SIZES: list[tuple[int, ...]] = [(64,), (256,), (480,), (1024,), (4096,), (TOTAL,), (1, 7, 1000, 33, 2, 511)]

decks = st.sampled_from("ab")
banks = st.integers(0, 2)
alphas = st.sampled_from((0.0, 0.25, 0.5, 1.0))
frames = st.integers(0, TOTAL)
fades = st.integers(0, 9000)
controls = st.sampled_from(
    (
        *("master/gain", "crossfader", "fade", "deck/a/gain", "deck/b/gain", "deck/a/mute"),
        *("deck/a/alpha", "deck/b/alpha", "deck/a/stem/stem1/gain", "deck/b/stem/stem0/gain"),
    )
)
ideas = st.one_of(
    st.tuples(st.just("place"), decks, banks, alphas, st.integers(0, LOOPS - 1), frames, fades),
    st.tuples(st.just("remove"), decks, banks, alphas, frames, fades),
    st.tuples(st.just("launch"), decks, banks, frames, fades),
    st.tuples(st.just("control"), controls, st.floats(0, 2), frames, fades),
    st.tuples(st.just("grid"), st.floats(110, 135), st.floats(0, 1), frames),
)


def to_message(idea: tuple, loops: list[LoopRef], rate: int) -> ToPlayer:  # type: ignore[type-arg]
    kind, *rest = idea
    if kind == "place":
        deck, bank, alpha, loop, frame, fade = rest
        return PlaceLoop(deck, bank, alpha, loops[loop], frame, fade)
    if kind == "grid":
        bpm, beat, frame = rest
        return SetGrid(BeatGrid(rate, bpm, frame, beat), frame)
    if kind == "control":
        path, *rest = rest
        return SetControl(parse_path(path), *rest)
    return {"remove": RemoveLoop, "launch": LaunchBank}[kind](*rest)


def digest(bpm: float, rate: int, script: list[tuple], blocks: tuple[int, ...]) -> tuple[str, list[object]]:  # type: ignore[type-arg]
    rack = LoopRack(rate, bpm)
    loops = [rack.noise(seed, beats=1 + seed % 2, stems=1 + seed % 3, channels=1 + seed % 2) for seed in range(LOOPS)]
    loops[3] = rack.noise(99, level=1.5)  # loud enough to keep the limiter busy
    mixer = rack.mixer(decks=("a", "b"))
    for message in (
        PlaceLoop("a", 0, 0.0, loops[0], 0),
        PlaceLoop("a", 0, 1.0, loops[2], 0),
        PlaceLoop("b", 0, 0.0, loops[1], 0),
        LaunchBank("a", 0, 0),
        LaunchBank("b", 0, 77),
        SetControl(parse_path("crossfader"), 0.5, 0, 1000),
    ):
        mixer.schedule(message)
    for idea in script:
        mixer.schedule(to_message(idea, loops, rate))
    for loop in (0, 4):
        mixer.schedule(FreeLoop(loop))
    return hashlib.sha256(pull_all(mixer, TOTAL, blocks).tobytes()).hexdigest(), [*mixer.reports(), mixer.counters]


@settings(max_examples=16, deadline=None, derandomize=True)
@given(
    bpm=st.sampled_from([120.0, 121.3, 97.77]),
    script=st.lists(ideas, max_size=24),
    sizes=st.lists(st.integers(1, 3000), min_size=1, max_size=6).filter(lambda sizes: sum(sizes) >= 100 * len(sizes)),
)
def test_blocks_of_any_size_give_the_same_bits_and_reports(
    bpm: float,
    script: list[tuple],
    sizes: list[int],  # type: ignore[type-arg]
) -> None:
    first = digest(bpm, 44100, script, (512,))
    assert digest(bpm, 44100, script, tuple(sizes)) == first
    assert digest(bpm, 44100, script, (4096,)) == first


@pytest.mark.parametrize("blocks", SIZES)
@pytest.mark.parametrize("rate", [44100, 48000])
def test_a_busy_set_has_one_digest(rate: int, blocks: tuple[int, ...]) -> None:
    script: list[tuple] = []  # type: ignore[type-arg]
    for step in range(40):
        at = 500 + step * 900
        script.append(
            ("place", "ab"[step % 2], step % 3, (0.0, 0.25, 0.5, 1.0)[step % 4], 1 + step % 6, at, 700 + step * 97)
        )
        script.append(("launch", "ab"[step % 2], step % 3, at + 333, 3000))
        script.append(("control", "deck/a/alpha", (step % 5) / 4, at + 17, 1234))
        script.append(("control", "deck/a/stem/stem1/gain", step % 2, at + 19, 800))
    script.append(("grid", 121.0, 0.37, 12_345))
    assert digest(119.3, rate, script, blocks) == digest(119.3, rate, script, (512,))
