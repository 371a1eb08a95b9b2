"""The listener process hears a real loop: chords and key as they were asked for; what cannot be heard is one line."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from riffengine.performance.chords import parse_chords
from riffengine.processes.audio_files import beats_comment
from riffengine.processes.listen_messages import FromListener, HeardBars, Listen, NotHeard
from riffengine.processes.render_request import MorphEnd, RenderRequest
from riffengine.renderer.bundled import score as sheet
from riffengine.renderer.bundled.listening import Listener, drive, likeliest_chords, likeliest_key
from riffengine.renderer.listener import ListenerOptions, ListenerProcess
from riffengine.renderer.registry import load_family

PATIENCE_SECONDS = 120.0


@pytest.fixture(scope="module")
def loop() -> np.ndarray:
    """Two bars of house that were asked to play two chords, mono at 44.1 kHz and 110 bpm."""
    end = MorphEnd("house, piano", 3)
    request = RenderRequest(end, end, steps=4, bpm=110.0, key="D minor", chords=parse_chords("Dm Bb"))
    return np.ascontiguousarray(load_family("bundled").render(request, lambda: None).audio.sum(axis=0).mean(axis=1))


@pytest.fixture
def process() -> Iterator[ListenerProcess]:
    listener = ListenerProcess(ListenerOptions())
    listener.start()
    yield listener
    listener.stop()


def answer(process: ListenerProcess) -> FromListener:
    deadline = time.perf_counter() + PATIENCE_SECONDS
    while time.perf_counter() < deadline:
        messages, connected = process.receive()
        if messages:
            return messages[0]
        assert connected, "the listener has ended"
        time.sleep(0.02)
    raise AssertionError("the listener does not answer")


def test_captured_bars_are_heard_in_a_process_of_their_own(
    process: ListenerProcess, loop: np.ndarray, tmp_path: Path
) -> None:
    path = tmp_path / "taken.flac"
    with soundfile.SoundFile(path, "x", 44100, 1, subtype="PCM_24", format="FLAC") as file:
        file.comment = beats_comment(8, len(loop))
        file.write(loop)
    process.send(Listen(1, str(path), 8, 8, 110.0))
    heard = answer(process)
    assert isinstance(heard, HeardBars) and heard.number == 1
    assert heard.chords == "Dm Bb" and heard.chord_certainty > 0.8 and heard.key_certainty > 0.0
    direct = Listener.load().hear_file(str(path), 8, 8, 110.0)  # the same, in this process
    assert (heard.key, heard.drive, heard.chord_certainty) == (direct.key, direct.drive, direct.chord_certainty)
    process.send(Listen(2, str(tmp_path / "none.flac"), 8, 8, 110.0))
    refused = answer(process)
    assert isinstance(refused, NotHeard) and refused.number == 2 and "none.flac" in refused.reason
    process.send(Listen(3, str(path), 8, 16, 110.0))  # a loop that is longer than the bars repeats them
    longer = answer(process)
    assert isinstance(longer, HeardBars) and longer.chords == "Dm Bb Dm Bb"


def test_a_longer_sound_is_heard_eight_beats_at_a_time(loop: np.ndarray) -> None:
    listener = Listener.load()
    twice = listener.hear(np.concatenate([loop, loop[: len(loop) // 2]]), 12, 8)
    assert twice.chords == ("Dm", "Bb")
    assert listener.hear(loop[: len(loop) // 2], 4, 4).chords == ("Dm",)


def notes(*pitches: int, part: str = "comp", steps: int = 8) -> sheet.Score:
    score = sheet.score_from_notes([sheet.Note(part, pitch, 0, steps) for pitch in pitches])
    return score[:steps]


def test_the_key_is_the_one_whose_notes_sound() -> None:
    scale = np.zeros(12)
    scale[[7, 9, 11, 0, 2, 4, 6]] = (5, 2, 3, 3, 4, 2, 2)  # G major
    tonic = np.zeros(12)
    tonic[7] = 5
    key, certainty = likeliest_key(scale, tonic)
    assert key == "G major" and certainty > 0.6
    for semitones in range(12):
        moved = likeliest_key(np.roll(scale, semitones), np.roll(tonic, semitones))
        assert moved[1] == pytest.approx(certainty) and moved[0].endswith("major")
    assert likeliest_key(np.ones(12), np.zeros(12))[1] < 0.1
    assert likeliest_key(np.zeros(12), np.zeros(12)) == ("", 0.0)


def test_chords_are_triads_that_share_the_loop() -> None:
    a_minor, f_major = notes(57, 60, 64), notes(53, 57, 60)
    assert likeliest_chords(np.concatenate([a_minor, f_major]))[0] == ("Am", "F")
    assert likeliest_chords(np.concatenate([a_minor, a_minor, f_major, f_major]))[0] == ("Am", "F")
    assert likeliest_chords(np.concatenate([a_minor, f_major, a_minor, a_minor]))[0] == ("Am", "F", "Am", "Am")
    silent = np.zeros_like(a_minor)
    assert likeliest_chords(np.concatenate([a_minor, silent])) == ((), 0.0)
    assert likeliest_chords(a_minor)[1] > likeliest_chords(notes(57, 58, 59, 60, 61, 62))[1] + 0.2


def test_more_strokes_and_sharper_ones_drive_more() -> None:
    frames, rng = 44100 * 2, np.random.default_rng(1)
    hits = sheet.score_from_notes([], [sheet.Hit("kick", step, 0.8) for step in range(0, 32, 4)])
    soft = (0.1 * rng.normal(size=frames)).astype(np.float32)
    sharp = (soft * np.exp(-(np.arange(frames) % 11025) / 1500.0)).astype(np.float32)
    assert drive(sharp, hits) > drive(soft, hits) > drive(soft, np.zeros_like(hits))
