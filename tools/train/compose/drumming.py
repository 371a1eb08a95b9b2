"""Drumming: a pattern of the genre, thinned or thickened by the mood, varied from bar to bar, perhaps with a fill."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

from riffengine.renderer.bundled.score import STEPS
from tools.train.compose.beats import BEATS, LANES, ORNAMENTS, STROKE
from tools.train.compose.character import Character
from tools.train.compose.fills import FILLS_OF, ROLL, Fill

EXTRA = ("shaker", "tamb", "conga", "hat")
TIMEKEEPERS = ("hat", "ride", "shaker", "cabasa", "guiro", "tamb")
_BAR = STEPS // 2
_HALF_BAR = STEPS // 4

Lanes = dict[str, str]
"""A pattern of two bars for each lane, one sign a sixteenth; see ``beats.STROKE``."""


@dataclass(frozen=True)
class Stroke:
    """One stroke: a sixteenth, a lane and a level 0..1."""

    step: int
    lane: str
    level: float

    @property
    def voice(self) -> str:
        """Its column of the score."""
        return LANES[self.lane][0]

    @property
    def key(self) -> int:
        """Its General MIDI percussion key."""
        return LANES[self.lane][1]


def write(
    rng: random.Random, genre: str, character: Character, *, straight: bool, section: str, section_rng: random.Random
) -> tuple[list[Stroke], tuple[str, ...]]:
    """The strokes of a section, and the drum words that are true of them.

    ``rng`` draws the groove, the same for all sections of a composition; ``section_rng`` what only this section has.
    """
    beat = rng.choice(BEATS[genre])
    lanes = {lane: pattern * (STEPS // len(pattern)) for lane, pattern in beat.lanes.items()}
    _thin(rng, lanes, character)
    _thicken(rng, lanes, character, straight=straight)
    four = _is_four_on_the_floor(lanes)
    alike = rng.uniform(0.74, 0.95) if character.static_harmony else rng.uniform(0.54, 0.82)
    if section == "variation":
        _change_layer(section_rng, lanes)
    _vary(section_rng, lanes, alike, straight=straight, four=four)
    fill = None
    chance = 0.0 if section != "turnaround" or character.static_harmony else 0.3 if character.density < 0.2 else 0.5
    if section_rng.random() < chance:
        fill = section_rng.choice(FILLS_OF[genre])
    strokes = [Stroke(step, lane, STROKE[sign]) for lane, row in lanes.items()
               for step, sign in enumerate(row) if sign != "."]  # fmt: skip
    filled = strokes if fill is None else _with_fill(strokes, fill)
    if fill is not None and not is_clear_fill(filled):
        filled = _with_fill(strokes, ROLL)  # whatever the groove is, a roll is heard
    return filled, _true_words(beat.word, filled, filled=is_clear_fill(filled))


def _with_fill(strokes: list[Stroke], fill: Fill) -> list[Stroke]:
    """The kit falls silent for the fill, which grows towards the next bar, and a crash begins the loop."""
    start = STEPS - fill.steps
    rest = [stroke for stroke in strokes if stroke.step < start or stroke.lane in fill.keeps]
    rest = [stroke for stroke in rest if not (stroke.step == 0 and stroke.lane == fill.crash)]
    played = [Stroke(start + step, lane, level) for step, lane, level in fill.strokes()]
    return [*rest, Stroke(0, fill.crash, 1.0), *played]


def _thin(rng: random.Random, lanes: Lanes, character: Character) -> None:
    if character.density < 0.3 or character.energy < 0.25:
        for lane in ORNAMENTS:
            if len(lanes) > 2 and lane in lanes:
                del lanes[lane]
        for lane in lanes:
            lanes[lane] = lanes[lane].replace("g", ".")
    if character.density < 0.15:
        for lane in ("hat", "open", "ride", "shaker"):
            if lane in lanes and len(lanes) > 1:
                if rng.random() < 0.4:
                    del lanes[lane]
                else:
                    lanes[lane] = "".join(c if i % 4 == 0 or lane == "open" else "." for i, c in enumerate(lanes[lane]))


def _thicken(rng: random.Random, lanes: Lanes, character: Character, *, straight: bool) -> None:
    if character.density > 0.88:
        lane = rng.choice([lane for lane in EXTRA if lane not in lanes] or ["tamb"])
        figure = {
            "shaker": "xoxoxoxoxoxoxoxo",
            "tamb": "..x...x...x...x.",
            "conga": "x..x..x.x..x..xx",
            "hat": "xoxoxoxoxoxoxoxo",
        }
        pattern = figure[lane] if straight else "x.o.x.o.x.o.x.o."
        lanes[lane] = pattern * 2
        if "hat" in lanes and straight:
            lanes["hat"] = "".join("o" if c == "." else c for c in lanes["hat"])
    if character.energy > 0.92 and "crash" not in lanes and rng.random() < 0.5:
        lanes["crash"] = "X" + "." * 31
    if character.syncopation > 0.8 and "kick" in lanes and "clave" not in lanes:
        pattern = list(lanes["kick"])
        for step in rng.sample((3, 6, 7, 10, 11, 14, 19, 22, 26, 27, 30), 3):
            pattern[step] = "x" if pattern[step] == "." else pattern[step]
        lanes["kick"] = "".join(pattern)


def _change_layer(rng: random.Random, lanes: Lanes) -> None:
    """Another colour for a whole section: the ride for the hat, or a layer more or less."""
    if "hat" in lanes and "ride" not in lanes and rng.random() < 0.6:
        lanes["ride"] = lanes.pop("hat")
    elif (extra := [lane for lane in ORNAMENTS if lane in lanes]) and len(lanes) > 3:
        del lanes[rng.choice(extra)]


# --- the second bar --------------------------------------------------------------------------------------------------


def bars_in_common(lanes: Lanes) -> float:
    """Jaccard index of the strokes of the two bars, by columns of the score."""
    bars: tuple[set[tuple[str, int]], set[tuple[str, int]]] = (set(), set())
    for lane, row in lanes.items():
        for step, sign in enumerate(row):
            if sign != ".":
                bars[step // _BAR].add((LANES[lane][0], step % _BAR))
    union = bars[0] | bars[1]
    return len(bars[0] & bars[1]) / len(union) if union else 1.0


def _vary(rng: random.Random, lanes: Lanes, alike: float, *, straight: bool, four: bool) -> None:
    """Change strokes of the second bar until at most ``alike`` of all strokes are in both bars.

    What makes the groove stays: a kick on every beat, the backbeats, the first beat.
    """
    changes = [_vary_kick, _ghosts, _open_hat, _breathe, _turn_percussion]
    changes += [_busy_hat] if straight else [_skip]
    rng.shuffle(changes)
    for number in range(14):
        if bars_in_common(lanes) <= alike:
            return
        changes[number % len(changes)](rng, lanes, four)


def _put(lanes: Lanes, lane: str, step: int, sign: str) -> None:
    row = lanes.get(lane, "." * STEPS)
    lanes[lane] = row[:step] + sign + row[step + 1 :]


def _vary_kick(rng: random.Random, lanes: Lanes, four: bool) -> None:
    if "kick" not in lanes:
        return
    movable = [step for step in range(_BAR + 1, STEPS) if lanes["kick"][step] != "." and not (four and step % 4 == 0)]
    if movable and rng.random() < 0.5:
        _put(lanes, "kick", rng.choice(movable), ".")
    taken = {step for lane in ("snare", "clap", "rim") if lane in lanes for step in range(STEPS)
             if lanes[lane][step] in "Xx"}  # fmt: skip
    free = [step for step in (19, 22, 23, 26, 27, 29, 30, 31) if step not in taken and lanes["kick"][step] == "."]
    if free:
        _put(lanes, "kick", rng.choice(free), rng.choice("xo"))


def _ghosts(rng: random.Random, lanes: Lanes, four: bool) -> None:
    lane = next((name for name in ("snare", "rim", "snare2") if name in lanes), "")
    if not lane:
        lane = "rim" if four else ""
    if lane:
        for step in rng.sample((17, 19, 22, 23, 25, 26, 29, 31), 2):
            if lanes.get(lane, "." * STEPS)[step] == ".":
                _put(lanes, lane, step, "o" if lane == "rim" else "g")


def _open_hat(rng: random.Random, lanes: Lanes, four: bool) -> None:
    step = rng.choice((18, 22, 26, 30, 30))
    if "hat" in lanes or "open" in lanes:
        is_open = lanes.get("open", "." * STEPS)[step] != "."
        _put(lanes, "open", step, "." if is_open else "x")
        if "hat" in lanes:
            _put(lanes, "hat", step, "x" if is_open else ".")
            if not is_open and step + 1 < STEPS:
                _put(lanes, "hat", step + 1, ".")


def _breathe(rng: random.Random, lanes: Lanes, four: bool) -> None:
    """A timekeeper leaves out two strokes."""
    for lane in TIMEKEEPERS:
        if lane in lanes:
            struck = [step for step in range(_BAR + 1, STEPS) if lanes[lane][step] != "."]
            if len(struck) > 4:
                for step in rng.sample(struck, 2):
                    _put(lanes, lane, step, ".")
            return


def _turn_percussion(rng: random.Random, lanes: Lanes, four: bool) -> None:
    """A hand drum plays its figure a little later in the second bar."""
    drums = [lane for lane in ("conga", "conga2", "bongo", "tom3", "timbale", "agogo", "agogo2") if lane in lanes]
    if drums:
        lane, by = rng.choice(drums), rng.choice((1, 2, 14))
        second = lanes[lane][_BAR:]
        lanes[lane] = lanes[lane][:_BAR] + second[-by:] + second[:-by]


def _busy_hat(rng: random.Random, lanes: Lanes, four: bool) -> None:
    """A short run of sixteenths."""
    lane = next((name for name in TIMEKEEPERS if name in lanes), "")
    if lane:
        start = rng.choice((20, 24, 28))
        for step in range(start, start + 4):
            if lanes[lane][step] == ".":
                _put(lanes, lane, step, "o")


def _skip(rng: random.Random, lanes: Lanes, four: bool) -> None:
    """The triplet feel: another skipped stroke before a beat."""
    lane = next((name for name in TIMEKEEPERS if name in lanes), "")
    if lane:
        step = rng.choice((18, 22, 26, 30))
        _put(lanes, lane, step, "." if lanes[lane][step] != "." else "o")


def is_clear_fill(strokes: list[Stroke]) -> bool:
    """Whether the last half bar is heard as a fill: five strokes on snare, toms, claps or hand drums, and nothing like
    the same half of the bar before (the cosine of their levels is at most 0.5)."""
    before: dict[tuple[str, int], float] = {}
    after: dict[tuple[str, int], float] = {}
    for stroke in strokes:
        for end, half in ((_BAR, before), (STEPS, after)):
            if end - _HALF_BAR <= stroke.step < end:
                at = stroke.voice, stroke.step - end
                half[at] = max(half.get(at, 0.0), stroke.level)
    if sum(voice in ("snare", "clap", "tom", "percussion") for voice, _ in after) < 5:
        return False
    dot = sum(level * after.get(at, 0.0) for at, level in before.items())
    length = math.hypot(*before.values()) * math.hypot(*after.values())
    return dot <= 0.5 * length


# --- words -----------------------------------------------------------------------------------------------------------


def _is_four_on_the_floor(lanes: Lanes) -> bool:
    return all(sign in "Xx" for sign in lanes.get("kick", "." * STEPS)[::4])


def _true_words(beat_word: str, strokes: list[Stroke], *, filled: bool) -> tuple[str, ...]:
    """The word of the pattern where it is still true, ``percussion`` where enough is played, ``drum fill``."""
    words = []
    beats = {stroke.step for stroke in strokes if stroke.lane == "kick" and stroke.level > 0.7}
    percussion = len({(s.step, s.key) for s in strokes if s.voice == "percussion"})
    if beat_word == "four on the floor":
        words += [beat_word] if beats >= set(range(0, STEPS, 4)) else []
    elif beat_word and beat_word != "percussion":
        words.append(beat_word)
    if percussion >= (4 if beat_word == "percussion" else 8):
        words.append("percussion")
    if filled:
        words.append("drum fill")
    return tuple(words)
