"""Measures what the composer writes, without sound: ``python -m tools.train.written [--count 500] [--pictures DIR]``.

Everything is read from the scores, as the model reads them. ``--pictures`` also draws one loop of every genre as a
piano roll (PNG), brightness by velocity.
"""

from __future__ import annotations

import argparse
import struct
import zlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from riffengine.renderer.bundled import score as sheet
from riffengine.renderer.bundled.vocabulary import Vocabulary
from tools.train.compose import Composition, compose

ENOUGH_NOTES = 8  # a part with fewer notes cannot have eight different velocities
# How well each pitch class fits C major and C minor (Krumhansl & Kessler 1982).
_MAJOR = np.array([6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88])
_MINOR = np.array([6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17])
BAR = sheet.STEPS // 2


def distinct_velocities(score: sheet.Score, *, onsets: bool = False) -> dict[str, int]:
    """The number of different MIDI velocities of every part with at least eight notes (or ``onsets``)."""
    notes, hits = sheet.notes_from_score(score)
    played: dict[str, list[tuple[int, int]]] = {"drums": [(hit.step, round(127 * hit.velocity)) for hit in hits]}
    for note in notes:
        played.setdefault(note.part, []).append((note.start_step, round(127 * note.velocity)))
    found = {}
    for part, strokes in played.items():
        if len({step for step, _ in strokes} if onsets else strokes) >= ENOUGH_NOTES:
            found[part] = len({velocity for _, velocity in strokes})
    return found


def bars_in_common(score: sheet.Score) -> float:
    """Jaccard index of the drum strokes of a loop's two bars; ``nan`` without drums."""
    first, second = (score[start : start + BAR, sheet.DRUMS] > 0 for start in (0, BAR))
    union = (first | second).sum()
    return float((first & second).sum() / union) if union else float("nan")


def found_key(score: sheet.Score) -> tuple[int, bool] | None:
    """The tonic (pitch class) and whether it is minor: the best of 24 Krumhansl profiles; ``None`` without notes.

    Every note counts by its length and its velocity, the bass twice, because a listener takes it for the root.
    """
    weight = np.zeros(12)
    for note in sheet.notes_from_score(score)[0]:
        weight[note.pitch % 12] += note.steps * note.velocity * (2.0 if note.part == "bass" else 1.0)
    if not weight.any():
        return None
    fits = [(float(np.corrcoef(np.roll(profile, tonic), weight)[0, 1]), tonic, minor)
            for minor, profile in ((False, _MAJOR), (True, _MINOR)) for tonic in range(12)]  # fmt: skip
    _, tonic, minor = max(fits)
    return tonic, minor


def fill_contrast(score: sheet.Score) -> float:
    """How far the last half bar of the drums is from the same half of the bar before: 0 the same, 1 nothing alike.

    One minus the cosine of the velocities of all strokes; ``nan`` where neither has any.
    """
    half = BAR // 2
    before, after = (score[end - half : end, sheet.DRUMS].ravel() for end in (BAR, 2 * BAR))
    length = float(np.linalg.norm(before) * np.linalg.norm(after))
    if not length:
        return float("nan") if not before.any() and not after.any() else 1.0
    return 1.0 - float(before @ after) / length


def is_clear_fill(score: sheet.Score) -> bool:
    """Whether the drums end with a fill: at least five strokes of snare, clap, toms or percussion in the last half bar,
    which has little to do with the bar before."""
    last = score[-BAR // 2 :, sheet.DRUMS] > 0
    struck = sum(last[:, sheet.DRUM_VOICES.index(voice)].sum() for voice in ("snare", "clap", "tom", "percussion"))
    return bool(struck >= 5 and fill_contrast(score) > 0.45)


def words_share(pieces: Sequence[Composition]) -> dict[str, float]:
    """How many of the loops that can have it have each word: a word of the drums needs drums, a genre its own loops."""
    vocabulary = Vocabulary.load()
    genres = Counter(piece.genre for piece in pieces)
    drums = sum("no drums" not in piece.words for piece in pieces)
    true = Counter(word for piece in pieces for word in piece.words)
    room = {"genre": genres, "drums": dict.fromkeys(vocabulary.with_role("drums"), drums)}
    room["drums"]["no drums"] = len(pieces)
    return {word: true[word] / max(room.get(vocabulary.role(word), {}).get(word, len(pieces)), 1)
            for word in vocabulary.words}  # fmt: skip


def report(pieces: Sequence[Composition]) -> str:
    """The table of all measures."""
    scores = [piece.score for piece in pieces]
    lines = []
    for name, by_onset in (("notes", False), ("onsets", True)):
        levels: dict[str, list[int]] = {}
        for score in scores:
            for part, count in distinct_velocities(score, onsets=by_onset).items():
                levels.setdefault(part, []).append(count)
        means = ", ".join(f"{part} {np.mean(levels[part]):.1f}" for part in sorted(levels))
        lines.append(f"distinct velocities, parts with 8 {name}: {means}")
    alike = np.array([value for score in scores if not np.isnan(value := bars_in_common(score))])
    lines.append(f"Jaccard of drum bars: median {np.median(alike):.2f}, quartiles {np.percentile(alike, 25):.2f} "
                 f"{np.percentile(alike, 75):.2f}")  # fmt: skip
    drummed = [piece for piece in pieces if "no drums" not in piece.words]
    filled = [piece for piece in drummed if "drum fill" in piece.words]
    others = [piece for piece in drummed if "drum fill" not in piece.words]
    contrast = [np.nanmedian([fill_contrast(piece.score) for piece in group]) for group in (filled, others)]
    agree = np.mean([("drum fill" in piece.words) == is_clear_fill(piece.score) for piece in drummed])
    ends = [piece for piece in drummed if piece.section == "turnaround"]
    lines.append(f"fill in {np.mean(['drum fill' in piece.words for piece in ends]):.2f} of the loops that end a form; "
                 f"word and score agree in {agree:.3f}")  # fmt: skip
    lines.append(f"drum fill in {len(filled) / len(drummed):.2f} of loops with drums; contrast of the last half bar "
                 f"{contrast[0]:.2f} with, {contrast[1]:.2f} without the word")  # fmt: skip
    dense = sheet.density(np.stack(scores))
    lines.append(f"density: median {np.median(dense):.2f}, deciles {np.percentile(dense, 10):.2f} "
                 f"{np.percentile(dense, 90):.2f}")  # fmt: skip
    keys = {piece.seed: key for piece in pieces if (key := found_key(piece.score)) is not None}
    right = [keys[piece.seed] == ((9, True) if piece.minor else (0, False)) for piece in pieces if piece.seed in keys]
    lines.append(f"key found from the score, best of 24: {np.mean(right):.2f} of {len(right)}")
    tones = [note.pitch % 12 in (0, 2, 4, 5, 7, 9, 11) for piece in pieces for note in piece.notes]
    lines.append(f"notes in the scale of the key: {np.mean(tones):.3f}")
    genres = Counter(piece.genre for piece in pieces)
    lines.append(f"loops a genre: {min(genres.values())} to {max(genres.values())}")
    shares = words_share(pieces)
    rare = {word: share for word, share in shares.items() if share < 0.005}
    lines.append(f"words below 0.5 %: {', '.join(f'{w} {100 * s:.1f} %' for w, s in rare.items()) or 'none'}")
    return "\n".join(lines)


def piano_roll(piece: Composition) -> NDArray[np.uint8]:
    """A picture ``(height, width, 3)``: drums below, pitches above, bass red, comp green, lead blue."""
    rows = 84 + 10
    image = np.full((rows, sheet.STEPS, 3), 24, np.uint8)
    image[:, ::4] += 16
    image[:, :: 2 * sheet.STEPS_PER_BEAT * 2] += 16
    for note in piece.notes:
        colour = {"bass": (255, 80, 60), "comp": (80, 220, 90), "lead": (90, 150, 255)}[note.part]
        for step in range(note.steps):
            shade = note.velocity if step == 0 else 0.6 * note.velocity
            image[108 - note.pitch, (note.start_step + step) % sheet.STEPS] = [int(shade * c) for c in colour]
    for hit in piece.hits:
        row = 85 + sheet.DRUM_VOICES.index(hit.voice)
        image[row, hit.step % sheet.STEPS] = int(255 * hit.velocity)
    return image.repeat(5, axis=0).repeat(16, axis=1)


def write_png(path: Path, image: NDArray[np.uint8]) -> None:
    """Write ``(height, width, 3)`` as a PNG."""
    height, width, _ = image.shape

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + line.tobytes() for line in image)
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--first-seed", type=int, default=700_000)
    parser.add_argument("--pictures", type=Path, help="folder for a piano roll of every genre")
    args = parser.parse_args()
    pieces = [compose(seed) for seed in range(args.first_seed, args.first_seed + args.count)]
    print(report(pieces))
    if args.pictures:
        args.pictures.mkdir(parents=True, exist_ok=True)
        for piece in pieces[:25]:
            write_png(args.pictures / f"{piece.genre.replace(' ', '-')}.png", piano_roll(piece))
            print(f"{piece.genre}: {piece.bpm:.0f} bpm, {', '.join(piece.words)}")


if __name__ == "__main__":
    main()
