"""Beat tracking against composed audio, whose tempo, beats and bars are known."""

import numpy as np
import pytest

from riffengine.renderer.beat_tracking import BeatTrack, beat_loop, track_beats

RATE = 22050


def kick() -> np.ndarray:
    t = np.arange(RATE // 4) / RATE
    return 0.9 * np.sin(2 * np.pi * (50 * t + 1.1 * (1 - np.exp(-40 * t)))) * np.exp(-14 * t)


def burst(chance: np.random.Generator, decay: float, level: float) -> np.ndarray:
    t = np.arange(RATE // 4) / RATE
    return level * chance.standard_normal(len(t)) * np.exp(-decay * t)


def chord(root: int, seconds: float) -> np.ndarray:
    t = np.arange(round(seconds * RATE)) / RATE
    notes = (root - 12, root + 12, root + 16, root + 19)
    return 0.1 * sum(np.sin(2 * np.pi * 440 * 2 ** ((n - 69) / 12) * t) for n in notes) * np.exp(-2 * t)


def song(bpm: float, beats: int, lead: float = 0.0, style: str = "four", tail: float = 0.5) -> np.ndarray:
    """Drums and a new chord on every bar line; ``lead`` seconds of silence before the first beat."""
    chance, period = np.random.default_rng(1), 60 / bpm
    out = np.zeros(round((lead + beats * period + tail) * RATE))

    def put(sound: np.ndarray, beat: float, gain: float = 1.0) -> None:
        begin = round((lead + beat * period) * RATE)
        piece = sound[: len(out) - begin]
        out[begin : begin + len(piece)] += gain * piece

    for beat in range(beats):
        if style == "four" or (style == "break" and beat % 4 == 0):
            put(kick(), beat)
        if style == "break" and beat % 4 == 2:
            put(kick(), beat + 0.5)
        if style != "chords" and beat % 2:
            put(burst(chance, 25, 0.4), beat)
        if style != "chords":
            put(burst(chance, 80, 0.15), beat + 0.5)
        root = (45, 41, 48, 43)[(beat // 4) % 4]
        if style == "chords" or beat % 4 == 0:
            put(chord(root, period if style == "chords" else 4 * period), beat)
    return out.astype(np.float32)


@pytest.mark.parametrize("style", ["four", "break", "chords"])
@pytest.mark.parametrize(("bpm", "lead"), [(93.0, 0.0), (117.5, 1.7), (128.0, 0.33), (140.0, 0.0)])
def test_tempo_beat_and_bar_of_composed_music_are_found(style: str, bpm: float, lead: float) -> None:
    track = track_beats(song(bpm, 24, lead, style), RATE, 120.0)
    assert track.clear
    assert track.bpm == pytest.approx(bpm, rel=0.002)
    beats_off = (track.first_beat - lead) * bpm / 60
    assert abs(beats_off - round(beats_off)) * 60 / bpm < 0.01
    bars_off = (track.first_bar - lead) * bpm / 240
    assert abs(bars_off - round(bars_off)) < 0.02


@pytest.mark.parametrize(("bpm", "counted"), [(62.0, 124.0), (174.0, 87.0)])
def test_a_tempo_far_from_the_expected_one_is_counted_double_or_half(bpm: float, counted: float) -> None:
    track = track_beats(song(bpm, 32), RATE, 120.0)
    assert track.bpm == pytest.approx(counted, rel=0.002)
    assert track_beats(song(bpm, 32), RATE, bpm).bpm == pytest.approx(bpm, rel=0.002)


def test_audio_without_a_beat_has_no_confidence() -> None:
    t = np.arange(10 * RATE) / RATE
    noise = 0.1 * np.random.default_rng(2).standard_normal(len(t))
    pad = sum(0.1 * np.sin(2 * np.pi * f * t) for f in (220, 277, 330)) * (1 + 0.3 * np.sin(2 * np.pi * 0.13 * t))
    for sound in (noise, pad, np.zeros(len(t)), noise[:1000], np.zeros(0)):
        assert not track_beats(sound.astype(np.float32), RATE).clear
    loop, _ = beat_loop(noise.astype(np.float32), RATE, 8, 120.0)
    assert np.array_equal(loop, noise[: 4 * RATE].astype(np.float32))


def test_the_loop_starts_on_a_bar_line_at_the_recorded_tempo() -> None:
    whole = song(100.0, 24, lead=1.0)
    loop, track = beat_loop(whole, RATE, 8, 120.0)
    assert isinstance(track, BeatTrack)
    assert len(loop) == pytest.approx(8 * 0.6 * RATE, rel=0.002)
    begins = [round((1.0 + 2.4 * bar - 0.004) * RATE) for bar in range(4)]
    apart = [float(np.abs(loop[2000:9000] - whole[b + 2000 : b + 9000]).mean()) for b in begins]
    best = begins[int(np.argmin(apart))]
    rolls = [float(np.abs(loop[2000:9000] - whole[best + d + 2000 : best + d + 9000]).mean()) for d in range(-220, 221)]
    assert abs(int(np.argmin(rolls)) - 220) < 220  # within 10 ms of the bar line, and not beyond
    assert min(rolls) < 0.1 * float(np.abs(loop).mean())


def test_a_loop_is_seamless() -> None:
    t = np.arange(round(12 * RATE)) / RATE
    steady = (0.3 * np.sin(2 * np.pi * 221.3 * t)).astype(np.float32) + song(120.0, 24, tail=0.0)[: len(t)]
    loop, _ = beat_loop(steady, RATE, 8, 120.0)
    usual = float(np.quantile(np.abs(np.diff(loop)), 0.999))
    assert abs(float(loop[0] - loop[-1])) <= usual


def test_a_finished_loop_keeps_its_start_and_end() -> None:
    made = song(124.0, 16, tail=0.0)
    loop, _ = beat_loop(made, RATE, 8, 120.0)
    assert np.array_equal(loop[600:], made[600 : len(loop)])
    assert len(loop) == round(len(made) / 2)


def test_a_short_piece_repeats_in_whole_beats() -> None:
    four = song(120.0, 4, tail=0.0)
    loop, _ = beat_loop(four, RATE, 8, 120.0)
    half = len(loop) // 2
    assert len(loop) == pytest.approx(8 * 0.5 * RATE, rel=0.005)
    assert np.array_equal(loop[:half], loop[half : 2 * half])
