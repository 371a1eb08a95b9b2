"""Drumming: a pattern of the genre, thinned or thickened by the mood, with a variation and perhaps a fill."""

from __future__ import annotations

import random

from riffengine.renderer.bundled.score import STEPS, Hit
from tools.train.compose.beats import BEATS, LANES, ORNAMENTS, STROKE
from tools.train.compose.character import Character

# Half-bar fills, by lane.
FILLS = (
    {"snare": "x.x.xxxx"},
    {"tom1": "xx......", "tom2": "..xx....", "tom3": "....x.x."},
    {"snare": "xx..x...", "tom1": "..xx....", "tom3": ".....xx."},
    {"snare": "g.g.oxXX"},
    {"tom1": "x.x.....", "tom2": "....x.x.", "snare": ".......x"},
    {"snare": "..x..xxx", "kick": "x..x...."},
    {"clap": "x.x.xxxx"},
)
EXTRA = ("shaker", "tamb", "conga", "hat")


def write(
    rng: random.Random, genre: str, character: Character, *, straight: bool = True
) -> tuple[list[tuple[int, int, float]], list[Hit], tuple[str, ...]]:
    """Strokes as (step, MIDI key, velocity 0..1), the same as score hits, and the drum words that are true of them."""
    beat = rng.choice(BEATS[genre])
    lanes = {lane: pattern * (STEPS // len(pattern)) for lane, pattern in beat.lanes.items()}
    _thin(rng, lanes, character)
    _thicken(rng, lanes, character, straight=straight)
    words = [beat.word] if beat.word else []
    if not character.static_harmony and rng.random() < 0.4:
        _vary(rng, lanes)
    filled = not character.static_harmony and rng.random() < (0.1 if character.density < 0.2 else 0.3)
    if filled and genre not in ("ambient", "classical", "bossa nova"):
        _fill(rng, lanes)
        words.append("drum fill")
    strokes: list[tuple[int, int, float]] = []
    hits: list[Hit] = []
    for lane, pattern in lanes.items():
        voice, key = LANES[lane]
        for step, sign in enumerate(pattern):
            if sign != ".":
                strokes.append((step, key, STROKE[sign]))
                hits.append(Hit(voice, step, STROKE[sign]))
    return strokes, hits, _true_words(words, lanes, hits)


def _thin(rng: random.Random, lanes: dict[str, str], character: Character) -> None:
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


def _thicken(rng: random.Random, lanes: dict[str, str], character: Character, *, straight: bool) -> None:
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


def _vary(rng: random.Random, lanes: dict[str, str]) -> None:
    """Change a few strokes of the second bar: a late kick, an open hat, a ghost."""
    change = rng.choice(("kick", "open", "ghost"))
    if change == "kick" and "kick" in lanes:
        pattern = list(lanes["kick"])
        pattern[rng.choice((26, 27, 30))] = "x"
        lanes["kick"] = "".join(pattern)
    elif change == "open" and "hat" in lanes:
        lanes["open"] = lanes.get("open", "." * STEPS)[:30] + "x."
        lanes["hat"] = lanes["hat"][:30] + ".."
    elif change == "ghost" and "snare" in lanes:
        pattern = list(lanes["snare"])
        for step in rng.sample((23, 25, 26, 31), 2):
            pattern[step] = "g" if pattern[step] == "." else pattern[step]
        lanes["snare"] = "".join(pattern)


def _fill(rng: random.Random, lanes: dict[str, str]) -> None:
    for lane in ("hat", "ride", "open", "clap", "rim"):
        if lane in lanes:
            lanes[lane] = lanes[lane][:24] + "." * 8
    for lane, figure in rng.choice(FILLS).items():
        lanes[lane] = lanes.get(lane, "." * STEPS)[:24] + figure


def _true_words(words: list[str], lanes: dict[str, str], hits: list[Hit]) -> tuple[str, ...]:
    kicks = {hit.step for hit in hits if hit.voice == "kick" and hit.velocity > 0.7}
    four = all(step in kicks for step in range(0, STEPS, 4))
    if "four on the floor" in words and not four:
        words.remove("four on the floor")
    if sum(hit.voice == "percussion" for hit in hits) >= 8 and "percussion" not in words:
        words.append("percussion")
    elif "percussion" in words and sum(hit.voice == "percussion" for hit in hits) < 4:
        words.remove("percussion")
    return tuple(words)
