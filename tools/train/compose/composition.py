"""Composition: one loop of eight beats, from a seed to notes, words and score."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from riffengine.renderer.bundled.score import Hit, Note, Score, score_from_notes
from riffengine.renderer.bundled.vocabulary import Vocabulary
from tools.train.compose import bass, comping, drumming, melody
from tools.train.compose.character import Character, Sound, character, choose_moods
from tools.train.compose.genres import GENRES, Style
from tools.train.compose.instruments import BRIGHT_BY_NATURE, DARK_BY_NATURE, INSTRUMENTS, KITS, words_for
from tools.train.compose.performance import Feel, PlayedNote, Track, articulate, play, strike
from tools.train.compose.tempo import smooth_tempo
from tools.train.compose.theory import Harmony, harmony

GENRE_WORDS = tuple(GENRES)

# Moods that need pitched notes, or more than one player, to be heard.
_PITCHED_MOODS = ("happy", "sad", "hypnotic", "arpeggio", "staccato", "legato", "pumping", "solo")
# How often a part leaves the genre's own instruments for any that can play it: keeps rare words in every dozen loops.
ADVENTURE = {"lead": 0.2, "comp": 0.08, "bass": 0.08, "drums": 0.04}
# Genres that are themselves without drums.
DRUMLESS = frozenset({"ambient", "classical", "folk"})
# Instruments that few genres own, and that adventures therefore look for.
RARE = frozenset({
    "sitar", "violin", "cello", "oboe", "pan flute", "harpsichord", "steel drums", "kalimba", "pizzicato", "accordion",
    "whistle", "music box", "glockenspiel", "marimba", "trombone", "clavinet", "clarinet", "choir", "tuba",
    "fretless bass", "slap bass", "acid bass",
})  # fmt: skip


@dataclass(frozen=True)
class Composition:
    """A loop before it sounds.

    ``words`` are canonical words that are true of it: the genre is one of them only where it can be heard (see
    ``_genre_shows``). ``energy`` is how hard it is played, 0..1. ``score`` is ``(32, 166) float32`` in the canonical
    key, and
    ``tracks`` are played ``key_shift`` semitones (-6..5) away from it. ``minor`` is the mode; ``notes`` and ``hits``
    are what the score was written from; ``sound`` says what happens to the mix.
    """

    seed: int
    genre: str
    bpm: float
    key_shift: int
    minor: bool
    words: tuple[str, ...]
    tracks: tuple[Track, ...]
    notes: tuple[Note, ...]
    hits: tuple[Hit, ...]
    score: Score
    sound: Sound
    energy: float


def compose(seed: int) -> Composition:
    """The loop of a seed: equal seeds give equal loops, in any process.

    The genre goes round with the seed, so all are equally common.
    """
    rng = random.Random(seed)
    genre = GENRE_WORDS[seed % len(GENRE_WORDS)]
    style = GENRES[genre]
    drums_only = rng.random() < 0.035
    moods = choose_moods(rng, style.liked, style.disliked)
    if drums_only:
        moods = tuple(mood for mood in moods if mood not in _PITCHED_MOODS)
    mind = character(rng, moods, style.density, style.energy)
    minor = mind.minor if mind.minor is not None else rng.random() < style.minor_share
    chords = _harmony(rng, style, mind, minor=minor)
    key_shift = rng.randint(-6, 5)
    bpm = _tempo(rng, style, mind)
    feel = Feel(style.swing8, style.swing16, style.human_ms * (0.5 if "dry" in mind else 1.0), bpm)
    present = _arrangement(rng, style, mind, drums_only=drums_only)

    words, tracks, notes = _pitched_tracks(rng, style, mind, chords, present, feel, key_shift)
    hits: list[Hit] = []
    if "drums" in present:
        drum_words, drum_track, hits = _drum_track(rng, genre, style, mind, feel)
        words += drum_words
        tracks.append(drum_track)
    else:
        words.append("no drums")
    if drums_only:
        words.append("drums only")
    else:
        words.append("minor" if minor else "major")
    words += moods
    if _genre_shows(genre, {track.part for track in tracks}):
        words.append(genre)
    vocabulary = Vocabulary.load()
    ordered = tuple(sorted(dict.fromkeys(words), key=vocabulary.index))
    score = score_from_notes(notes, hits)
    return Composition(
        seed,
        genre,
        bpm,
        key_shift,
        minor,
        ordered,
        tuple(tracks),
        tuple(notes),
        tuple(hits),
        score,
        mind.sound,
        mind.energy,
    )


def _pitched_tracks(
    rng: random.Random,
    style: Style,
    mind: Character,
    chords: Harmony,
    present: set[str],
    feel: Feel,
    key_shift: int,
) -> tuple[list[str], list[Track], list[Note]]:
    """The instrument words, the tracks and the notes of lead, comp and bass, as far as they are ``present``."""
    words: list[str] = []
    tracks: list[Track] = []
    notes: list[Note] = []
    for part in ("lead", "comp", "bass"):
        if part not in present:
            continue
        word = _instrument(rng, style, mind, part)
        written = articulate(_write(rng, style, mind, chords, part, word), mind.articulation)
        if not written:
            continue
        notes += written
        words.append(word)
        tracks.append(_track(rng, part, word, play(rng, written, feel, mind, word, key_shift)))
    return words, tracks, notes


def _drum_track(
    rng: random.Random, genre: str, style: Style, mind: Character, feel: Feel
) -> tuple[list[str], Track, list[Hit]]:
    """The words, the track and the hits of the drums."""
    kit = _kit(rng, style, mind)
    strokes, hits, words = drumming.write(rng, genre, mind, straight=style.swing8 < 0.55)
    level = rng.uniform(-1.5, 1.5) - (4.0 if mind.energy < 0.3 else 0.0) + (1.5 if "punchy" in mind else 0.0)
    track = Track("drums", kit, 128, rng.choice(KITS[kit]), level, strike(rng, strokes, feel, mind))
    return [kit, *words], track, hits


def _genre_shows(genre: str, parts: set[str]) -> bool:
    """Whether a listener could tell the genre: one flute alone is no house, whatever its melody was written for."""
    if "drums" in parts:
        return True
    return genre in DRUMLESS and len(parts) >= 2


def _harmony(rng: random.Random, style: Style, mind: Character, *, minor: bool) -> Harmony:
    progression = rng.choice(style.minor if minor else style.major)
    if mind.static_harmony:
        tonic, bar, names = progression.rpartition("|")
        kept = names.split()[: rng.choice((1, 1, 2))]
        progression = f"{tonic}{bar}{' '.join(kept)}"
    return harmony(progression, minor=minor, push=rng.random() < style.push)


def _tempo(rng: random.Random, style: Style, mind: Character) -> float:
    low, high = style.bpm
    at = rng.random()
    at = at * 0.5 if mind.energy < 0.3 else 0.5 + at * 0.5 if mind.energy > 0.9 else at
    return smooth_tempo(low + (high - low) * at)


def _arrangement(rng: random.Random, style: Style, mind: Character, *, drums_only: bool) -> set[str]:
    """Which parts play."""
    if drums_only:
        return {"drums"}
    if mind.solo:
        return {rng.choice(("lead", "comp")) if not mind.arpeggio else "comp"}
    drums, bassline, comp, lead = style.present
    if mind.energy < 0.25 or "dreamy" in mind:
        drums *= 0.7
    if mind.density < 0.15:
        bassline, comp, lead = bassline * 0.8, comp * 0.7, lead * 0.6
    if mind.density > 0.9:
        drums, bassline, comp, lead = drums + 0.1 * (drums > 0.3), 1.0, 1.0, lead + 0.3
    if mind.arpeggio:
        comp = 1.0
    if "pumping" in mind:
        comp = 1.0
    chances = {"lead": lead, "comp": comp, "bass": bassline, "drums": drums}
    present = {part for part, chance in chances.items() if rng.random() < chance}
    if not present & {"lead", "comp"}:
        present.add("comp" if rng.random() < comp else "lead")
    return present


def _instrument(rng: random.Random, style: Style, mind: Character, part: str) -> str:
    own: tuple[str, ...] = getattr(style, part)
    pool = own
    if rng.random() < ADVENTURE[part] and not (part == "comp" and "power eighths" in style.comping):
        able = words_for(part)
        pool = tuple(word for word in able if word in RARE) if rng.random() < 0.65 else able
    lean = DARK_BY_NATURE if "dark" in mind else BRIGHT_BY_NATURE if "bright" in mind else frozenset()
    leaning = [word for word in pool if word in lean]
    if leaning and rng.random() < 0.5:
        return rng.choice(leaning)
    return rng.choice(pool)


def _kit(rng: random.Random, style: Style, mind: Character) -> str:
    if mind.energy < 0.25 and "acoustic drums" in style.kits and rng.random() < 0.5:
        return "brush drums"
    if rng.random() < ADVENTURE["drums"]:
        return rng.choice(tuple(KITS))
    return rng.choice(style.kits)


def _write(rng: random.Random, style: Style, mind: Character, chords: Harmony, part: str, word: str) -> list[Note]:
    instrument = INSTRUMENTS[word]
    octave = 12 * max(min(mind.octave, 1), -1)
    if part == "bass":
        centre = instrument.bass + (5 if "bright" in mind else -4 if "dark" in mind else 0)
        return bass.write(rng, chords, mind, rng.choice(style.basslines), centre)
    if part == "comp":
        name = rng.choice(style.comping)
        centre = instrument.comp + octave // 2
        if mind.solo:
            name = rng.choice(("picking", "block quarters", "arp8", "pad", name))
        if word in ("pad", "choir", "synth strings", "strings") and rng.random() < 0.6 and not mind.arpeggio:
            name = "pad" if mind.syncopation < 0.8 else name
        return comping.write(rng, chords, mind, comping.pattern_for(rng, mind, name), centre)
    name = rng.choice(style.melodies)
    if mind.solo and name == "sparse":
        name = "song"
    centre = min(max(instrument.lead + (octave if instrument.lead + octave < 92 else 0), 54), 94)
    written = melody.write(rng, chords, mind, name, centre)
    if mind.density > 0.9 and rng.random() < 0.5:  # a second voice a third or so below, on chord tones
        written += _second_voice(written, chords)
    return written


def _second_voice(written: list[Note], chords: Harmony) -> list[Note]:
    lower = []
    for note in written:
        tones = chords.at[note.start_step].tones
        below = next(p for p in range(note.pitch - 3, note.pitch - 16, -1) if p % 12 in tones)
        if below >= 48:
            lower.append(replace(note, pitch=below, velocity=note.velocity * 0.85))
    return lower


def _track(rng: random.Random, part: str, word: str, played: tuple[PlayedNote, ...]) -> Track:
    instrument = INSTRUMENTS[word]
    program = instrument.programs[0]
    if len(instrument.programs) > 1 and rng.random() < 0.35:
        program = rng.choice(instrument.programs[1:])
    # The accompaniment sits behind the melody; 1.5 dB either way so that no balance is ever the same.
    level = {"lead": -1.5, "comp": -4.0, "bass": -2.0}[part] + rng.uniform(-1.5, 1.5)
    cents = {"sub bass": -4200.0, "acid bass": rng.uniform(-2600.0, 0.0), "synth bass": rng.uniform(-2000.0, 0.0)}
    return Track(part, word, 0, program, level, played, cents.get(word, 0.0))
