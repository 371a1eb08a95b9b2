"""The real plugin (CLAP, C code) and the real engine: every frame that the DAW hears is the music of its beat."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from riffengine.daw.build import build_clap
from riffengine.processes.audio import Block
from tests.wire.daw_session import BLOCK, Daw, Engine, stem_source

RATE = 44100
BEAT = RATE // 2  # at 120 bpm
FADE = 64
PRESET = """
name: daw test
tempo: 120
steps: 4
draft_steps: 4
deck: {a: {prompt: "techno, driving", seed: 3}}
output: {to: daw, fade_in: 0.02, fade_out: 0.3}
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("cc") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("no C compiler")
        pytest.skip("no C compiler")
    return build_clap(tmp_path_factory.mktemp("clap"))


@pytest.fixture
def set_up(tmp_path: Path, library: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Engine, Path]]:
    monkeypatch.setenv("RIFFENGINE_DAW_SOCKET", str(tmp_path / "daw.sock"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    engine = Engine(tmp_path, PRESET, "--record", "set.wav")
    yield engine, library
    if engine.process.poll() is None:
        engine.process.kill()
        engine.process.wait(20)


class Music:
    """What the deck plays by its beat: the loop of eight beats as the DAW has heard it once."""

    def __init__(self, heard: Block, beats: int = 8) -> None:
        self.loop = heard[: beats * BEAT]
        again = heard[beats * BEAT :]
        np.testing.assert_array_equal(again, self.loop[: len(again)])  # it is exactly periodic

    def at(self, beat: float, frames: int) -> Block:
        return self.loop[(round(beat * BEAT) + np.arange(frames)) % len(self.loop)]

    def check(self, heard: Block, beat: float, silent_blocks: int = 0) -> int:
        """Every frame is the music of its beat, or silent at the start; returns how many frames were silent."""
        quiet = np.abs(heard).max(axis=1) == 0.0
        first = int(np.argmin(quiet)) if quiet.any() else 0
        assert first <= silent_blocks * BLOCK, f"{first} frames are silent"
        fade = FADE if first else 0
        wrong = np.abs(heard - self.at(beat, len(heard))).max(axis=1) > 1e-6
        wrong[: first + fade] = False
        assert not (wrong & ~quiet).any(), f"{int(wrong.sum())} frames are of another place"
        assert not quiet[first:].any()
        return first


@pytest.mark.wire
@pytest.mark.slow
def test_play_locate_stop_and_tempo_are_exact_and_are_recorded_as_heard(set_up: tuple[Engine, Path]) -> None:
    engine, library = set_up
    daw = Daw(library)
    try:
        daw.play_until_heard()
        parts = [daw.play(5.0)[0]]
        music = Music(parts[0])
        for beat in (32.0, 3.0, 100.5):
            daw.beat = beat
            parts += daw.play(1.0)
            music.check(parts[-1], beat, silent_blocks=1)
        here = daw.beat
        daw.stand(0.4)
        parts += daw.play(1.0)
        music.check(parts[-1], here)
        daw.beat = 16.0  # from bar five
        daw.stand(0.4)
        parts += daw.play(1.0)
        music.check(parts[-1], 16.0)
        daw.loop, daw.beat = (4.0, 6.0), 4.0
        daw.stand(0.4)
        round_and_round = daw.play(3.0)[0]
        parts.append(round_and_round)
        expected = music.loop[4 * BEAT : 6 * BEAT]
        turns = len(round_and_round) // len(expected)
        for turn in range(turns):
            heard = round_and_round[turn * 2 * BEAT : (turn + 1) * 2 * BEAT]
            apart = np.abs(heard - expected).max(axis=1) > 1e-6
            assert apart[FADE:].sum() == 0, f"turn {turn}"
        daw.loop = None
        engine.stop()
        recorded = soundfile.read(engine.folder / "set.wav", dtype="float32")[0]
        place = 0
        for part in parts:  # in the order in which they were heard, to the last sample
            place = _find(recorded, part, place) + len(part)
    finally:
        daw.close()


def _find(recorded: Block, sound: Block, begin: int) -> int:
    """Where ``sound`` is in ``recorded`` from ``begin`` on; it may begin with silence."""
    skipped = int(np.argmax(np.abs(sound).max(axis=1) > 0.0))
    rest = sound[skipped:]
    starts = begin + np.flatnonzero((recorded[begin : len(recorded) - len(rest) + 1] == rest[0]).all(axis=1))
    found = [int(start) for start in starts if (recorded[start : start + len(rest)] == rest).all()]
    assert found, "what was heard is not in the recording"
    return found[0] - skipped


@pytest.mark.wire
@pytest.mark.slow
def test_four_tracks_with_the_stems_of_a_deck_add_up_to_the_track_of_the_deck(set_up: tuple[Engine, Path]) -> None:
    _, library = set_up
    daw = Daw(library, tracks=5)
    try:
        daw.choose(0, 1)  # the deck
        for stem in range(4):
            daw.choose(1 + stem, stem_source(0, stem))
        daw.stand(1.0)
        deadline = time.perf_counter() + 120.0
        while not np.abs(daw.play(0.5)[0]).max() > 0.0:
            assert time.perf_counter() < deadline, "nothing is heard"
        daw.beat = 0.0
        daw.stand(0.5)
        deck, *stems = daw.play(3.0)
        assert sum(np.abs(stem).max() > 0.0 for stem in stems) >= 2
        np.testing.assert_allclose(sum(stems), deck, atol=2e-6)
    finally:
        daw.close()


@pytest.mark.wire
@pytest.mark.slow
def test_a_player_and_an_engine_that_are_killed_come_back_in_place(set_up: tuple[Engine, Path]) -> None:
    engine, library = set_up
    daw = Daw(library)
    try:
        daw.play_until_heard()
        music = Music(daw.play(5.0)[0])
        beat = daw.beat
        engine.kill_player()
        heard = daw.play(4.0)[0]
        quiet = np.abs(heard).max(axis=1) == 0.0
        wrong = np.abs(heard - music.at(beat, len(heard))).max(axis=1) > 1e-6
        edges = np.convolve(quiet, np.ones(2 * FADE + 1), "same") > 0  # the plugin fades at the ends of a gap
        gap = quiet.sum() / RATE
        print(f"player killed: {gap:.2f} s of silence")
        assert not quiet[-RATE // 4 :].any(), "it has not come back"
        # The new player fades in, at the right place: the music is that of its beat, softer.
        later = np.flatnonzero(wrong & ~quiet & ~edges)
        assert len(later) == 0 or later[-1] < len(heard) - RATE // 4

        engine.kill()
        beat = daw.beat
        killed = daw.play(1.5)[0]
        quiet = np.abs(killed).max(axis=1) == 0.0
        assert quiet[-RATE // 4 :].all()  # what it has is played for a second at most
        first = int(np.argmax(quiet))
        np.testing.assert_allclose(killed[: first - FADE], music.at(beat, first - FADE), atol=1e-6)
        engine.start()
        daw.play_until_heard()
        again = daw.play(5.0)[0]
        music.check(again, 0.0)
    finally:
        daw.close()


@pytest.mark.wire
@pytest.mark.slow
def test_an_offline_export_is_complete_and_the_same_as_live(set_up: tuple[Engine, Path]) -> None:
    _, library = set_up
    daw = Daw(library)
    try:
        daw.play_until_heard()
        live = daw.play(5.0)[0]
        daw.beat = 0.0
        daw.stand(0.5)
        begun = time.perf_counter()
        (rendered,) = daw.render(5.0)
        print(f"5 s of music in {time.perf_counter() - begun:.1f} s")
        np.testing.assert_array_equal(rendered, live)
    finally:
        daw.close()
