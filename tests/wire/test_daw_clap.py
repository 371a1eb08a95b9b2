"""The real plugin (CLAP, C code) and the real engine: every frame that the DAW hears is the music of its beat."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from riffengine.daw.build import build_clap
from riffengine.processes.audio import Block
from tests.needed import needs
from tests.wire.daw_session import BLOCK, Daw, Engine, stem_source

RATE = 44100
BEAT = RATE // 2  # at 120 bpm
FADE = 64
PRESET = """
name: daw test
tempo: 120
steps: 4
draft_steps: 4
deck: {a: {prompt: "techno, driving", seed: 3, fx: ["lv2:urn:dragonfly:plate"]}}
output: {to: daw, fade_in: 0.02, fade_out: 0.3}
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    needs("gcc", "cc")
    return build_clap(tmp_path_factory.mktemp("clap"))


@pytest.fixture
def set_up(tmp_path: Path, library: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Engine, Path]]:
    monkeypatch.setenv("RIFFENGINE_DAW_SOCKET", str(tmp_path / "daw.sock"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    engine = Engine(tmp_path, PRESET, "--record", "set.wav")
    yield engine, library
    engine.stop()


class Music:
    """What the deck plays by its beat: the loop of eight beats as the DAW has heard it once."""

    def __init__(self, heard: Block, beats: int = 8) -> None:
        self.loop = heard[: beats * BEAT]
        again = heard[beats * BEAT :]
        # It is periodic; where the engine wrote the music anew, the plugin's crossfade from equal to equal rounds.
        np.testing.assert_allclose(again, self.loop[: len(again)], rtol=0.0, atol=1e-7)

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
def test_every_frame_is_the_music_of_its_beat_and_is_recorded_as_heard(set_up: tuple[Engine, Path]) -> None:
    engine, library = set_up
    engine.wait_for_music()
    daw = Daw(library, tracks=6)  # master, deck, and four stems, of which the model has three
    try:
        daw.choose(1, 1)
        for stem in range(4):
            daw.choose(2 + stem, stem_source(0, stem))
        daw.play_until_heard()
        master, deck, *stems = daw.play_whole(0.0, 5.0)
        music = Music(master)
        assert sum(np.abs(stem).max() > 0.0 for stem in stems) == 3
        np.testing.assert_allclose(sum(stems), deck, atol=2e-6)
        np.testing.assert_allclose(deck, master, atol=2e-6)  # its limiter rests
        parts = [master]
        for beat in (32.0, 3.0, 100.5):
            daw.beat = beat
            parts.append(daw.play(1.0)[0])
            music.check(parts[-1], beat, silent_blocks=1)
        here = daw.beat
        parts.append(daw.play_whole(here, 1.0)[0])
        music.check(parts[-1], here)
        parts.append(daw.play_whole(16.0, 1.0)[0])  # from bar five
        music.check(parts[-1], 16.0)
        daw.loop = (4.0, 6.0)
        turns = daw.play_whole(4.0, 3.0)[0]
        daw.loop = None
        expected = music.at(4.0, 2 * BEAT)
        for turn in range(len(turns) // len(expected)):
            np.testing.assert_allclose(
                turns[turn * len(expected) :][: len(expected)][FADE:], expected[FADE:], atol=1e-6
            )
        daw.beat = 0.0
        daw.stand(0.4)
        np.testing.assert_allclose(daw.render(4.0)[0], music.at(0.0, round(4.0 * RATE / BLOCK) * BLOCK), atol=1e-6)
    finally:
        daw.close()
    said = engine.stop()
    assert said.count("lv2:urn:dragonfly:plate is not loaded: a set on the tracks of a DAW has its effects there") == 1
    recorded = soundfile.read(engine.folder / "set.wav", dtype="float32")[0]
    place = 0
    for part in parts:  # in the order in which they were heard
        place = _find(recorded, part, place) + len(part)


def _find(recorded: Block, sound: Block, begin: int) -> int:
    """Where ``sound`` is in ``recorded`` from ``begin`` on; its first two blocks may be of a jump and are left out."""
    skipped = 2 * BLOCK
    rest = sound[skipped:]
    starts = begin + np.flatnonzero(_equal(recorded[begin : len(recorded) - len(rest) + 1], rest[0]))
    found = [int(start) for start in starts if _equal(recorded[start : start + len(rest)], rest).all()]
    assert found, "what was heard is not in the recording"
    return found[0] - skipped


def _equal(sound: Block, other: Block) -> np.ndarray:
    """For each frame; but for the rounding of a crossfade between two runs of the same music."""
    return (np.abs(sound - other) <= 1e-7).all(axis=1)


@pytest.mark.wire
@pytest.mark.slow
def test_a_player_and_an_engine_that_are_killed_come_back_in_place(set_up: tuple[Engine, Path]) -> None:
    engine, library = set_up
    engine.wait_for_music()
    daw = Daw(library)
    try:
        daw.play_until_heard()
        music = Music(daw.play_whole(0.0, 5.0)[0])
        beat = daw.beat
        engine.kill_player()
        heard = daw.play(2.0)[0]
        while True:  # until it is back; ``tools/bench/kills.py`` measures how soon
            assert len(heard) < 60 * RATE, "no player came back"
            heard = np.concatenate((heard, daw.play(1.0)[0]))
            expected = music.at(beat, len(heard))
            wrong = np.flatnonzero(np.abs(heard - expected).max(axis=1) > 1e-6)
            assert len(wrong), "the player was not killed"
            if wrong[-1] < len(heard) - RATE // 2:
                break
        quiet = np.abs(heard).max(axis=1) == 0.0
        print(f"player killed: {quiet.sum() / RATE:.2f} s of silence")
        assert (np.abs(heard) <= np.abs(expected) + 1e-6).all()  # silence and a fade, nothing of another place

        engine.kill()
        beat = daw.beat
        killed = daw.play(2.0)[0]
        quiet = np.abs(killed).max(axis=1) == 0.0
        assert quiet[-RATE // 4 :].all()
        first = max(int(np.argmax(quiet)) - FADE, 0)
        np.testing.assert_allclose(killed[:first], music.at(beat, first), atol=1e-6)
        engine.start()
        engine.wait_for_music(times=2)
        daw.play_until_heard()
        music.check(daw.play_whole(0.0, 5.0)[0], 0.0)
    finally:
        daw.close()
