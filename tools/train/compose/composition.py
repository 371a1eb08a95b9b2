"""Composition: one loop of eight beats, from a seed to notes, words and score."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from riffengine.renderer.bundled.score import Hit, Note, Score, score_from_notes
from riffengine.renderer.bundled.vocabulary import Vocabulary
from tools.train.compose import bass, comping, drumming, melody
from tools.train.compose.character import Character, Sound, character, choose_moods
from tools.train.compose.drumming import Stroke
from tools.train.compose.dynamics import shape_notes, shape_strokes
from tools.train.compose.form import FORMS, View, call_and_response, section_harmony, section_notes, view_of
from tools.train.compose.genres import GENRES, Style
from tools.train.compose.instruments import BRIGHT_BY_NATURE, DARK_BY_NATURE, INSTRUMENTS, KITS
from tools.train.compose.performance import Feel, PlayedNote, Track, articulate, play, strike
from tools.train.compose.playing import ACOUSTIC_BASSES, GUITARS, PIANOS, TRIO_LEADERS, playing_words
from tools.train.compose.tempo import smooth_tempo
from tools.train.compose.theory import Harmony, harmony

GENRE_WORDS = tuple(GENRES)

# Moods that need pitched notes, or more than one player, to be heard.
_PITCHED_MOODS = ("happy", "sad", "hypnotic", "arpeggio", "staccato", "legato", "pumping", "solo")
# How often a part is played by one of the genre's guests: keeps rare words in every few dozen loops.
GUESTS = {"lead": 0.3, "comp": 0.16, "bass": 0.16}
# How often genres that have trios have one.
TRIOS = {"jazz": 0.28, "blues": 0.15, "bossa nova": 0.18, "soul": 0.1, "folk": 0.12, "country": 0.1, "funk": 0.04}
# Figures that some instruments like: the styles, the instruments, how often in which genre. Not only where they are at
# home, so that a network can tell the figure from the genre.
HABITS: tuple[tuple[tuple[str, ...], tuple[str, ...], dict[str, float]], ...] = (
    (("skank",), GUITARS, {
        "reggae": 0.75, "dub": 0.75, "pop": 0.12, "rock": 0.06, "soul": 0.15, "disco": 0.1, "hip hop": 0.2,
        "funk": 0.06, "afrobeat": 0.08, "house": 0.2,
    }),
    (("montuno", "montuno2"), PIANOS, {
        "salsa": 0.85, "jazz": 0.1, "bossa nova": 0.2, "house": 0.1, "disco": 0.2, "funk": 0.2, "pop": 0.06,
        "soul": 0.06, "afrobeat": 0.3, "reggae": 0.15,
    }),
    (("picking", "picking2"), ("acoustic guitar",), {
        "folk": 0.7, "country": 0.55, "pop": 0.55, "blues": 0.5, "ambient": 0.8, "soul": 0.6, "classical": 0.7,
        "jazz": 0.4, "hip hop": 0.7, "bossa nova": 0.15, "rock": 0.4, "salsa": 0.3, "afrobeat": 0.4, "dub": 0.4,
    }),
)  # fmt: skip
# Kits that a sequencer plays: exactly.
MACHINES = frozenset({"electronic drums", "808 drums"})
_STILL = frozenset({"pad", "power hold", "drone", "whole", "reese"})
# Genres that are themselves without drums.
DRUMLESS = frozenset({"ambient", "classical", "folk"})


@dataclass(frozen=True)
class Composition:
    """A loop before it sounds.

    ``words`` are canonical words that are true of it: the genre is one of them only where it can be heard (see
    ``_genre_shows``). ``energy`` is how hard it is played, 0..1. ``score`` is ``(32, 166) float32`` in the canonical
    key, and ``tracks`` are played ``key_shift`` semitones (-6..5) away from it. ``minor`` is the mode; ``notes`` and
    ``hits`` are what the score was written from, with the velocities that are played; ``sound`` says what happens to
    the mix. Loops with the same ``origin`` are of one composition, whose ``section`` they are (see ``form``).
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
    origin: int
    section: str


def compose(seed: int) -> Composition:
    """The loop of a seed: equal seeds give equal loops, in any process.

    The genre goes round with the seed, so all are equally common. Every third time round, seeds show another section,
    tempo or key of the composition of an earlier seed (see ``form.view_of``).
    """
    view = view_of(seed, len(GENRE_WORDS))
    rng = random.Random(view.origin)  # draws what all loops of the composition share
    genre = GENRE_WORDS[view.origin % len(GENRE_WORDS)]
    style = GENRES[genre]
    drums_only = rng.random() < 0.035
    moods = choose_moods(rng, style.liked, style.disliked)
    if drums_only:
        moods = tuple(mood for mood in moods if mood not in _PITCHED_MOODS)
    mind = character(rng, moods, style.density, style.energy)
    minor = mind.minor if mind.minor is not None else rng.random() < style.minor_share
    chords = _harmony(rng, style, mind, minor=minor)
    key_shift = rng.randint(-6, 5)
    if not view.own_key:
        key_shift = random.Random(f"key {seed}").choice([shift for shift in range(-6, 6) if shift != key_shift])
    bpm = _tempo(rng, style, mind)
    if not view.own_tempo:
        bpm = _tempo(random.Random(f"tempo {seed}"), style, mind)
    players = _players(rng, genre, style, mind, _arrangement(rng, style, mind, drums_only=drums_only))
    sections = FORMS[rng.choice((4, 8, 8))]
    section = sections[view.section(sections)]

    answers = rng.random() < style.answers and players.get("comp", _Player("", "")).style not in comping.FIGURES
    written = _written(view, section, style, mind, chords, players, answers=answers)
    strokes: list[Stroke] = []
    drum_words: tuple[str, ...] = ()
    if "drums" in players:
        groove, own = random.Random(f"drums {view.origin}"), random.Random(f"drums {view.origin} {section}")
        strokes, drum_words = drumming.write(
            groove, genre, mind, straight=style.swing8 < 0.55, section=section, section_rng=own
        )
    # Played anew for every seed: two loops of one section are two takes.
    take = random.Random(f"take {seed}")
    feel = Feel(style.swing8, style.swing16, style.human_ms * (0.5 if "dry" in mind else 1.0), bpm)
    tracks: list[Track] = []
    notes: list[Note] = []
    for part, plain in written.items():
        shaped = shape_notes(take, plain, style.touch, mind.energy)
        notes += shaped
        late = style.late_ms[("bass", "comp", "lead").index(part) + 1]
        played = play(take, shaped, feel, mind, players[part].word, key_shift, late)
        tracks.append(_track(random.Random(f"sound {view.origin} {part}"), part, players[part].word, played))
    hits: list[Hit] = []
    if "drums" in players:
        track, hits = _drum_track(take, view, style, mind, players["drums"].word, strokes, feel)
        tracks.append(track)

    figure = players["comp"].style if "comp" in players and comping.keeps_figure(mind) else ""
    heard = {track.part: track.word for track in tracks}
    words = [*heard.values(), *drum_words, *moods, *playing_words(heard, figure, written.get("comp", []))]
    words += ["drums only"] if drums_only else ["minor" if minor else "major"]
    words += [] if "drums" in heard else ["no drums"]
    words += [genre] if _genre_shows(genre, set(heard)) else []
    ordered = tuple(sorted(dict.fromkeys(words), key=Vocabulary.load().index))
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
        score_from_notes(notes, hits),
        mind.sound,
        mind.energy,
        view.origin,
        section,
    )


@dataclass(frozen=True)
class _Player:
    """Who plays a part (an instrument word) and which pattern table the part comes from."""

    word: str
    style: str


def _players(rng: random.Random, genre: str, style: Style, mind: Character, present: set[str]) -> dict[str, _Player]:
    """The players of the parts that are ``present``."""
    words = {part: _instrument(rng, style, mind, part) for part in ("lead", "comp", "bass")}
    words["drums"] = _kit(rng, style, mind)
    if genre in TRIOS and rng.random() < TRIOS[genre] and {"drums", "bass"} <= present:
        own = [word for word in TRIO_LEADERS if word in style.lead + style.comp]
        words["lead"] = words["comp"] = rng.choice(own)
        words["bass"] = rng.choice([word for word in style.bass if word in ACOUSTIC_BASSES])
        words["drums"] = "brush drums"
    names = {
        "lead": rng.choice(style.melodies),
        "comp": _comping(rng, genre, style, mind, words["comp"]),
        "bass": rng.choice(style.basslines),
        "drums": genre,
    }
    return {part: _Player(words[part], names[part]) for part in ("lead", "comp", "bass", "drums") if part in present}


def _comping(rng: random.Random, genre: str, style: Style, mind: Character, word: str) -> str:
    """The comping style of an instrument: some play in one way wherever they are."""
    name = rng.choice(style.comping)
    if mind.solo:
        name = rng.choice(("picking", "block quarters", "arp8", "pad", name))
    if word in ("pad", "choir", "synth strings", "strings") and rng.random() < 0.6 and not mind.arpeggio:
        return "pad" if mind.syncopation < 0.8 else name
    for figures, instruments, chances in HABITS:
        if word in instruments and rng.random() < chances.get(genre, 0.0):
            return rng.choice(figures)
    return name


def _written(
    view: View,
    section: str,
    style: Style,
    mind: Character,
    chords: Harmony,
    players: dict[str, _Player],
    *,
    answers: bool,
) -> dict[str, list[Note]]:
    """The notes of lead, comp and bass in one section, without dynamics; parts without notes are left out."""
    own = random.Random(f"{section} {view.origin}")
    local = section_harmony(own, section, chords, plain=style.machine)
    if "bass" not in players:
        local = replace(local, at=tuple(sounding.rooted for sounding in local.at))
    written: dict[str, list[Note]] = {}
    for part in ("lead", "comp", "bass"):
        if part not in players:
            continue
        statement, other = (
            _write(random.Random(f"{part} {view.origin} {version}"), mind, local, part, players[part])
            for version in (0, 0 if mind.static_harmony else 1)
        )
        written[part] = section_notes(own, section, statement, other)
    walks_home = own.random() < 0.5 and section == "turnaround" and not style.machine
    if walks_home and "bass" in written and players["bass"].style not in _STILL:
        written["bass"] = bass.lead_home(own, written["bass"], local)
    if answers and {"lead", "comp"} <= set(written) and not mind.arpeggio and players["comp"].style not in _STILL:
        voices = comping.voicings(local, INSTRUMENTS[players["comp"].word].comp, 3)
        written["lead"], written["comp"] = call_and_response(written["lead"], written["comp"], voices)
    return {part: articulate(notes, mind.articulation) for part, notes in written.items() if notes}


def _drum_track(
    take: random.Random, view: View, style: Style, mind: Character, kit: str, strokes: list[Stroke], feel: Feel
) -> tuple[Track, list[Hit]]:
    """The track and the hits of the drums."""
    shaped = shape_strokes(take, [(s.step, s.key, s.level) for s in strokes], style.touch, mind.energy)
    hits = [Hit(stroke.voice, step, velocity) for stroke, (step, _, velocity) in zip(strokes, shaped, strict=True)]
    if kit in MACHINES:
        feel = replace(feel, human_ms=0.0)
    rng = random.Random(f"sound {view.origin} drums")
    level = rng.uniform(-1.5, 1.5) - (4.0 if mind.energy < 0.3 else 0.0) + (1.5 if "punchy" in mind else 0.0)
    late = 0.0 if kit in MACHINES and style.machine else style.late_ms[0]
    return Track("drums", kit, 128, rng.choice(KITS[kit]), level, strike(take, shaped, feel, late)), hits


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
    pool: tuple[str, ...] = getattr(style, part)
    guests = tuple(word for word in style.guests if getattr(INSTRUMENTS[word], part))
    if guests and rng.random() < GUESTS[part]:
        pool = guests
    lean = DARK_BY_NATURE if "dark" in mind else BRIGHT_BY_NATURE if "bright" in mind else frozenset()
    leaning = [word for word in pool if word in lean]
    if leaning and rng.random() < 0.5:
        return rng.choice(leaning)
    return rng.choice(pool)


def _kit(rng: random.Random, style: Style, mind: Character) -> str:
    if mind.energy < 0.25 and "acoustic drums" in style.kits and not style.machine and rng.random() < 0.5:
        return "brush drums"
    return rng.choice(style.kits)


def _write(rng: random.Random, mind: Character, chords: Harmony, part: str, player: _Player) -> list[Note]:
    instrument = INSTRUMENTS[player.word]
    octave = 12 * max(min(mind.octave, 1), -1)
    if part == "bass":
        centre = instrument.bass + (5 if "bright" in mind else -4 if "dark" in mind else 0)
        return bass.write(rng, chords, mind, player.style, centre)
    if part == "comp":
        pattern = comping.pattern_for(rng, mind, player.style)
        return comping.write(rng, chords, mind, pattern, instrument.comp + octave // 2)
    name = "song" if mind.solo and player.style == "sparse" else player.style
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
