"""The composer and the data set: true words, notes in range and in key, loops of exact length, the same every time."""

import hashlib
import os
import random
import subprocess
import sys
from collections import Counter
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest

from riffengine.errors import RendererError
from riffengine.renderer.bundled.score import DRUM_VOICES, HIGHEST, LOWEST, Note, notes_from_score, score_from_notes
from riffengine.renderer.bundled.vocabulary import Vocabulary
from tests.needed import lacks
from tools.train.compose import Composition, compose
from tools.train.compose.character import _CHANGES, MOODS, Character, Sound, fitting
from tools.train.compose.effects import TARGET_LOUDNESS_DB, apply, loudness_db
from tools.train.compose.genres import GENRES
from tools.train.compose.instruments import INSTRUMENTS, KITS
from tools.train.compose.tempo import loop_frames, smooth_lengths, smooth_tempo
from tools.train.compose.theory import DIATONIC, chord, harmony, voice
from tools.train.written import bars_in_common, distinct_velocities, found_key, is_clear_fill

VOCABULARY = Vocabulary.load()
FIRST_SEED = 40_000


@lru_cache(maxsize=1)
def pieces() -> tuple[Composition, ...]:
    return tuple(compose(seed) for seed in range(FIRST_SEED, FIRST_SEED + 2000))


def words_of(role: str) -> set[str]:
    return set(VOCABULARY.with_role(role))


def test_the_tables_and_the_vocabulary_agree() -> None:
    assert set(GENRES) == words_of("genre")
    assert set(INSTRUMENTS) | set(KITS) == words_of("instrument")
    assert set(MOODS) == set(_CHANGES) == words_of("mood")
    for word, instrument in INSTRUMENTS.items():
        played = {part for part in ("lead", "comp", "bass") if getattr(instrument, part)}
        assert played == set(VOCABULARY.parts(word)), word


def test_every_word_is_common_enough_and_genres_are_equally_common() -> None:
    count = Counter(word for piece in pieces() for word in piece.words)
    assert set(count) == set(VOCABULARY.words)
    assert Counter(piece.genre for piece in pieces()) == dict.fromkeys(GENRES, 80)
    assert all(count[genre] >= 44 for genre in GENRES)  # told where it shows
    for word in words_of("instrument"):
        assert count[word] >= 0.006 * len(pieces()), word  # 1 % on average over many more
    for word in words_of("mood"):
        assert count[word] >= 0.03 * len(pieces()), word
    moods = sum(count[word] for word in MOODS) / len(pieces())
    assert 1.0 <= moods <= 2.0


def test_every_pitch_is_in_range_and_almost_every_one_in_key() -> None:
    diatonic = [note.pitch % 12 in DIATONIC for piece in pieces() for note in piece.notes]
    assert np.mean(diatonic) >= 0.95
    for piece in pieces():
        assert all(LOWEST[n.part] <= n.pitch <= HIGHEST[n.part] for n in piece.notes)
        assert all(0 <= n.pitch <= 127 and 1 <= n.velocity <= 127 for t in piece.tracks for n in t.notes)
        assert 60 <= piece.bpm <= 180 and -6 <= piece.key_shift <= 5
        assert piece.score.any()


def test_the_score_agrees_with_the_notes() -> None:
    for piece in pieces()[:200]:
        np.testing.assert_array_equal(piece.score, score_from_notes(piece.notes, piece.hits))
        notes, hits = notes_from_score(piece.score)
        heard = {(n.part, n.pitch, n.start_step % 32) for n in piece.notes}
        assert heard <= {(n.part, n.pitch, n.start_step) for n in notes}
        assert {(h.voice, h.step) for h in hits} == {(h.voice, h.step) for h in piece.hits}


def test_the_performance_is_the_score_in_another_key() -> None:
    for piece in pieces()[:200]:
        for track in piece.tracks:
            if track.part != "drums":
                written = Counter(n.pitch + piece.key_shift for n in piece.notes if n.part == track.part)
                assert Counter(n.pitch for n in track.notes) == written
        for note in (note for track in piece.tracks for note in track.notes):
            assert -0.1 < note.start_beats < 8.1 and 0.0 < note.length_beats <= 8.0


def test_the_words_are_true() -> None:
    for piece in pieces():
        words, parts = set(piece.words), {track.part for track in piece.tracks}
        assert list(piece.words) == sorted(words, key=VOCABULARY.index)
        assert words & words_of("instrument") == {track.word for track in piece.tracks}
        assert ("no drums" in words) == ("drums" not in parts)
        assert words & words_of("genre") <= {piece.genre}
        assert piece.genre in words or "drums" not in parts
        assert piece.genre not in words or "drums" in parts or len(parts) > 1
        assert ("drums only" in words) == (parts == {"drums"})
        assert ("minor" in words) == (piece.minor and parts != {"drums"})
        assert fitting([word for word in piece.words if word in MOODS])
        if "four on the floor" in words:
            assert (piece.score[::4, 0] > 0.45).all()  # a kick on every beat; how hard is the energy's business
        if "percussion" in words:
            assert np.count_nonzero(piece.score[:, 7]) >= 2
        if "solo" in words:
            assert len(parts) == 1
        if "arpeggio" in words:
            assert {track.part for track in piece.tracks} & {"comp"}


def test_words_of_playing_are_true_of_players_and_notes() -> None:
    count: Counter[str] = Counter()
    for piece in pieces():
        words = set(piece.words)
        count.update(words & words_of("playing"))
        word_of = {track.part: track.word for track in piece.tracks}
        onsets: dict[int, list[Note]] = {}
        for note in piece.notes:
            if note.part == "comp":
                onsets.setdefault(note.start_step, []).append(note)
        if "trio" in words:
            assert word_of["drums"] == "brush drums" and "bass" in word_of and "band" not in words
            assert len({word_of[part] for part in ("lead", "comp") if part in word_of}) == 1
            assert words & {"piano", "acoustic guitar", "electric guitar"}
        if "band" in words:
            assert set(word_of) == {"drums", "bass", "comp", "lead"} and len(set(word_of.values())) == 4
            assert word_of["drums"] == "acoustic drums" and not any("synth" in word for word in word_of.values())
        if "fingerpicked" in words:
            assert word_of["comp"] == "acoustic guitar" and len(onsets) >= 8
            assert mean([len(notes) == 1 for notes in onsets.values()]) >= 0.75
        if "skank" in words:
            assert "guitar" in word_of["comp"]
            assert mean([step % 4 != 0 or step % 8 == 4 for step in onsets]) >= 0.9
        if "montuno" in words:
            assert "piano" in word_of["comp"]
            assert mean([step % 4 != 0 for step in onsets]) >= 0.5
    assert all(count[word] >= 0.005 * len(pieces()) for word in words_of("playing")), count


def test_the_score_says_how_hard_everything_is_played() -> None:
    for piece in pieces()[:300]:
        heard = {(n.part, n.pitch + piece.key_shift, n.start_step): round(127 * n.velocity) for n in piece.notes}
        onsets: dict[tuple[str, int], set[float]] = {}
        for note in piece.notes:
            onsets.setdefault((note.part, note.start_step), set()).add(note.velocity)
        assert all(len(velocities) == 1 for velocities in onsets.values())
        for track in piece.tracks:
            written = [hit.velocity for hit in piece.hits]
            if track.part != "drums":
                written = [note.velocity for note in piece.notes if note.part == track.part]
            assert sorted(n.velocity for n in track.notes) == sorted(round(127 * velocity) for velocity in written)
        stored = np.round(piece.score * 255).astype(np.uint8).astype(np.float32) / 255
        for note in notes_from_score(stored)[0]:
            key = note.part, note.pitch + piece.key_shift, note.start_step
            assert heard.get(key, round(127 * note.velocity)) == round(127 * note.velocity)


def test_parts_are_played_at_many_levels() -> None:
    levels: dict[str, list[int]] = {}
    for piece in pieces()[:500]:
        for part, count in distinct_velocities(piece.score).items():
            levels.setdefault(part, []).append(count)
    assert all(mean(counts) >= 8 for counts in levels.values()), {p: mean(c) for p, c in levels.items()}


def test_velocities_follow_metre_and_length() -> None:
    steps: dict[bool, list[float]] = {True: [], False: []}
    stabs: dict[bool, list[float]] = {True: [], False: []}
    for piece in pieces():
        for note in piece.notes:
            if note.part == "lead" and GENRES[piece.genre].offbeats == 0.0:
                steps[note.start_step % 8 == 0].append(note.velocity)
            if note.part == "comp":
                stabs[note.steps <= 2].append(note.velocity)
    assert mean(steps[True]) > mean(steps[False]) + 0.03
    assert mean(stabs[True]) > mean(stabs[False])


def test_a_third_of_the_seeds_show_compositions_again() -> None:
    again = [piece for piece in pieces() if piece.origin != piece.seed]
    assert len(again) == pytest.approx(len(pieces()) / 3, abs=25)
    first = {piece.seed: piece for piece in pieces()}
    pairs = [(first[piece.origin], piece) for piece in again if piece.origin in first]
    for one, other in pairs:
        assert (one.genre, one.minor, one.sound) == (other.genre, other.minor, other.sound)
        assert {track.word for track in one.tracks} == {track.word for track in other.tracks}
        assert (one.section, one.bpm, one.key_shift) != (other.section, other.bpm, other.key_shift)
    for what in ("section", "bpm", "key_shift"):
        changed = mean([getattr(one, what) != getattr(other, what) for one, other in pairs])
        assert 0.4 < changed < 0.95, what
    alike = [(a.score, b.score) for a, b in pairs if a.section == b.section]
    for one, other in alike:  # the same notes, another take
        np.testing.assert_array_equal(one > 0, other > 0)


def test_sections_of_a_composition_share_their_notes_and_differ() -> None:
    by_origin: dict[int, list[Composition]] = {}
    for piece in pieces():
        by_origin.setdefault(piece.origin, []).append(piece)
    kept = []
    for group in by_origin.values():
        for other in group[1:]:
            if other.section != group[0].section and "hypnotic" not in other.words:
                a, b = (piece.score[:, :163] > 0 for piece in (group[0], other))
                kept.append((a & b).sum() / max((a | b).sum(), 1))
    assert len(kept) > 300 and 0.3 < np.median(kept) < 0.9


def test_drums_vary_from_bar_to_bar_and_fill_at_the_end_of_forms() -> None:
    alike = [value for piece in pieces() if not np.isnan(value := bars_in_common(piece.score))]
    assert np.median(alike) <= 0.8
    drummed = [piece for piece in pieces() if "no drums" not in piece.words]
    for piece in drummed:
        assert ("drum fill" in piece.words) == is_clear_fill(piece.score), piece.seed
        if "drum fill" in piece.words and piece.section == "turnaround":
            assert piece.score[0, DRUM_VOICES.index("cymbal")] > 0.5  # the crash after it
    ends = ["drum fill" in piece.words for piece in drummed if piece.section == "turnaround"]
    assert 0.25 < mean(ends) < 0.5


def test_machines_are_exact_and_drummers_lay_back() -> None:
    late: dict[str, list[float]] = {}
    for piece in pieces():
        for track in piece.tracks:
            if track.part == "drums":
                feel = GENRES[piece.genre]
                straight = feel.swing8 == feel.swing16 == 0.5
                for note in track.notes:
                    if note.pitch in (38, 39) and straight and piece.genre in ("techno", "drum and bass"):
                        off = note.start_beats * 4 - round(note.start_beats * 4)
                        late.setdefault(track.word, []).append(off)
                    if note.pitch == 38 and piece.genre == "hip hop" and round(note.start_beats * 4) % 8 == 4:
                        late.setdefault("hip hop", []).append(note.start_beats * 4 - round(note.start_beats * 4))
    assert not np.any(late["electronic drums"]) and not np.any(late["808 drums"])
    assert mean(late["hip hop"]) > 0.02


def test_genres_have_plausible_players_and_tempi() -> None:
    players: dict[str, set[str]] = {}
    for piece in pieces():
        players.setdefault(piece.genre, set()).update(track.word for track in piece.tracks)
        low, high = GENRES[piece.genre].bpm
        assert 0.98 * low <= piece.bpm <= 1.02 * high
        if piece.genre == "drum and bass":
            assert 170 * 0.98 <= piece.bpm <= 176 * 1.02
    jazz = {"electric guitar", "muted guitar", "distorted guitar", "saxophone", "banjo", "upright bass", "brush drums"}
    for genre in ("trap", "techno", "trance", "dubstep", "drum and bass"):
        assert not jazz & players[genre], genre
    assert "violin" not in players["synthwave"] and players["trap"] & words_of("instrument") >= {
        "sub bass",
        "808 drums",
    }


def test_the_key_can_be_found_in_the_notes() -> None:
    pitched = [(piece, key) for piece in pieces() if (key := found_key(piece.score)) is not None]
    assert mean([key == ((9, True) if piece.minor else (0, False)) for piece, key in pitched]) > 0.7


def mean(values: list[float]) -> float:
    return float(np.mean(values))


def test_moods_change_what_is_played() -> None:
    def onsets(mood: str) -> float:
        return mean([float(np.count_nonzero(p.score[:, 163:])) for p in pieces() if mood in p.words])

    def length(mood: str) -> float:
        return mean([n.steps for p in pieces() if mood in p.words for n in p.notes])

    def velocity(mood: str) -> float:
        return mean([n.velocity for p in pieces() if mood in p.words for t in p.tracks for n in t.notes])

    assert onsets("dense") > 1.5 * onsets("sparse")
    assert length("legato") > 2.0 * length("staccato")
    assert velocity("aggressive") > velocity("calm") + 20
    assert mean([p.minor for p in pieces() if "sad" in p.words]) == 1.0
    assert mean([p.minor for p in pieces() if "happy" in p.words]) == 0.0


def test_every_process_composes_the_same() -> None:
    """String hashes differ between processes: an iteration over a set of words would show here."""
    program = "from tools.train.compose import compose; print([repr(compose(seed)) for seed in range(50)])"
    root = Path(__file__).parents[2]
    heard = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": salt, "PYTHONPATH": str(root)},
            capture_output=True,
            check=True,
        ).stdout
        for salt in ("1", "2")
    }
    assert len(heard) == 1


def test_equal_seeds_compose_equally() -> None:
    for seed in (0, 1, 2, 12345):
        first, second = compose(seed), compose(seed)
        assert first.tracks == second.tracks and first.words == second.words and first.sound == second.sound


def test_chords_are_spread_over_the_loop() -> None:
    three = harmony("Am F G", minor=True)
    assert three.changes == (0, 16, 24) and three.tonic == 9
    assert [three.at[step].name for step in (0, 15, 16, 24, 31)] == ["Am", "Am", "F", "G", "G"]
    pushed = harmony("D|Dm7 G7", minor=True, push=True)
    assert pushed.changes == (0, 14) and pushed.tonic == 2


def test_an_altered_chord_changes_the_scale_under_it() -> None:
    changes = harmony("C7 Dm7 E7 Am", minor=False)
    assert changes.scale_at(0) == (0, 2, 4, 5, 7, 9, 10)
    assert changes.scale_at(8) == tuple(sorted(DIATONIC))
    assert changes.scale_at(16) == (0, 2, 4, 5, 8, 9, 11)


def test_voices_move_little() -> None:
    before = voice(chord("C"), 60, 3)
    after = voice(chord("F"), 60, 3, before)
    assert sum(min(abs(p - q) for q in before) for p in after) <= 3
    assert {p % 12 for p in after} == {5, 9, 0}


def moving_tone(frames: int = 44100) -> np.ndarray:
    turn = 2 * np.pi * np.arange(frames) / frames
    return (0.3 * np.sin(220 * turn) * (1.2 + np.sin(3 * turn)) + 0.1 * np.sin(5000 * turn)).astype(np.float32)


@pytest.mark.parametrize("mood", MOODS)
def test_effects_are_circular(mood: str) -> None:
    sound = Sound(room=0.35)
    _CHANGES[mood](Character((mood,), sound=sound), random.Random(1))
    samples = moving_tone()
    by = 4096 * 4  # whole crush steps
    whole = apply(np.roll(samples, by), sound, len(samples) / 8)
    turned = np.roll(apply(samples, sound, len(samples) / 8), by)
    assert np.abs(whole - turned).max() < 2e-3 * np.abs(whole).max()


@pytest.mark.parametrize(
    ("sound", "low_falls", "high_falls"),
    [
        (Sound(lowpass_hz=900.0, room=0.0), False, True),
        (Sound(highpass_hz=900.0, room=0.0), True, False),
        (Sound(high_shelf_db=-12.0, room=0.0), False, True),
        (Sound(low_shelf_db=-6.0, room=0.0), True, False),
    ],
)
def test_filters_take_what_they_say(sound: Sound, low_falls: bool, high_falls: bool) -> None:
    before = np.abs(np.fft.rfft(moving_tone()))
    after = np.abs(np.fft.rfft(apply(moving_tone(), sound, 5512.5)))
    assert (after[220] < 0.85 * before[220]) == low_falls
    assert (after[5000] < 0.5 * before[5000]) == high_falls


# --- with a soundfont ---------------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def band():  # type: ignore[no-untyped-def]
    try:
        from tools.train.compose.render import Band, find_soundfont

        return Band(find_soundfont())
    except (ImportError, RendererError) as error:
        lacks(f"cannot render here: {error}")


@pytest.mark.parametrize("seed", [FIRST_SEED + 3, FIRST_SEED + 20, FIRST_SEED + 24])
def test_a_loop_is_exact_level_and_the_same_every_time(seed: int) -> None:
    piece = compose(seed)
    loop = band().render(piece)
    assert loop.shape == (3, round(8 * 60 / piece.bpm * 44100)) and loop.dtype == np.float32
    assert np.abs(loop.sum(axis=0)).max() < 1.0
    assert loudness_db(loop.sum(axis=0)) == pytest.approx(TARGET_LOUDNESS_DB, abs=1.0)
    band().render(compose(seed + 1))  # whatever was played in between
    again = band().render(compose(seed))
    assert hashlib.sha256(loop.tobytes()).digest() == hashlib.sha256(again.tobytes()).digest()


def test_a_part_that_does_not_play_is_silence_in_its_stem() -> None:
    for words, stem in (("no drums", 0), ("drums only", 1), ("drums only", 2)):
        piece = next(piece for piece in pieces() if words in piece.words)
        stems = band().render(piece)
        assert not stems[stem].any() and stems.any()


def test_lengths_suit_the_fourier_transform_and_the_synthesiser() -> None:
    for bpm in (60.0, 93.3, 120.0, 179.0):
        near = smooth_tempo(bpm)
        assert near == pytest.approx(bpm, rel=0.02)
        assert loop_frames(near) in smooth_lengths() and loop_frames(near) % 64 == 0


def test_shards_are_written_whole_and_a_run_resumes(tmp_path: Path) -> None:
    band()
    from tools.train.features import stems_of, stereo_stems_of
    from tools.train.make_data import make_shard, shards

    def play(piece: Composition) -> np.ndarray:
        return np.repeat(band().render(piece)[:, None], 2, axis=1)

    jobs = shards(tmp_path, 255, 7)
    assert [(path.name, len(seeds)) for path, seeds in jobs] == [("loops-00000.npz", 250), ("loops-00001.npz", 5)]
    path, seeds = jobs[1]
    assert make_shard(play, path, seeds) == 5
    assert [job[0].name for job in shards(tmp_path, 255, 7)] == ["loops-00000.npz"]
    assert list(tmp_path.iterdir()) == [path]
    with np.load(path) as data:
        assert data["seeds"].tolist() == list(seeds)
        assert data["format"] == 2 and len(data["audio"]) == 6
        assert data["audio"].dtype == np.int16 and data["scores"].dtype == np.uint8
        assert data["offsets"][-1] == data["audio"].shape[1]
        stereo, mono = next(stereo_stems_of(tmp_path)), next(stems_of(tmp_path))
        assert stereo.shape == (3, 2, data["offsets"][1]) and np.array_equal(mono, stereo.mean(axis=1))
        for i, seed in enumerate(seeds):
            piece = compose(seed)
            assert data["offsets"][i + 1] - data["offsets"][i] == round(8 * 60 / data["bpm"][i] * 44100)
            assert [VOCABULARY.words[w] for w in data["words"][i] if w >= 0] == list(piece.words)
            np.testing.assert_allclose(data["scores"][i] / 255.0, piece.score, atol=0.5 / 255)
            assert data["key_shift"][i] == piece.key_shift and data["mode"][i] == piece.minor
