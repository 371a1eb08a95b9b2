"""How often the listener is right: python -m tools.bench.listening --sets 48.

Every set is a band of the bundled model: one prompt, tempo and key, four loops of two bars with other seeds and an
energy of -1, -0.5, 0.5 or 1. Half of the sets play given chords, which begin on the tonic. The loops are heard one by
one, in pairs, and all four, as bars that are captured. ``--count`` prints the pitch classes that the listener compares
with instead; take another ``--seed`` for that than for the table.
"""

from __future__ import annotations

import argparse
import random
import time
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from riffengine.engine.followed_music import CHORDS_SURE, KEY_SURE
from riffengine.performance.chords import parse_chords
from riffengine.processes.render_request import MorphEnd, RenderRequest
from riffengine.renderer.bundled.listening import TONICS, HeardMusic, Listener
from riffengine.renderer.registry import load_family

PROMPTS = (
    "house, electronic drums", "ambient, warm pad", "jazz, piano, swing", "funk, slap bass, clavinet",
    "rock, distortion guitar", "trance, saw lead", "bossa nova, nylon guitar", "synthwave, polysynth",
    "soul, electric piano", "drum and bass, sub bass", "folk, acoustic guitar", "pop, piano", "disco, strings",
    "reggae, organ", "techno, acid bass", "hip hop, electric piano",
)  # fmt: skip
DEGREES = ((0, ""), (2, "m"), (4, "m"), (5, ""), (7, ""), (9, "m"))  # triads of a major scale
BEATS = 8


@dataclass(frozen=True)
class Band:
    """Loops ``(frames,)`` of one band, and what they were asked to be."""

    key: str
    chords: tuple[str, ...]  # of two beats each; none where the model chose
    energies: tuple[float, ...]
    loops: tuple[NDArray[np.float32], ...]


def bands(count: int, seed: int, steps: int) -> list[Band]:
    """``count`` bands, which depend on ``seed`` alone."""
    family, rng, found = load_family("bundled"), random.Random(seed), list[Band]()
    for number in range(count):
        tonic, mode, bpm = rng.randrange(12), rng.choice(("major", "minor")), rng.choice((90.0, 110.0, 124.0, 140.0))
        scale = tonic if mode == "major" else tonic + 3
        degrees = [DEGREES[0 if mode == "major" else 5], *(rng.choice(DEGREES) for _ in range(3))]
        chords = [f"{TONICS[(scale + degree) % 12]}{quality}" for degree, quality in degrees] if number % 2 else []
        energies = [-1.0, -0.5, 0.5, 1.0]
        rng.shuffle(energies)
        loops = []
        for energy in energies:
            end = MorphEnd(PROMPTS[number // 2 % len(PROMPTS)], rng.randrange(1 << 20))
            request = RenderRequest(
                end, end, steps=steps, bpm=bpm, beats=BEATS, key=f"{TONICS[tonic]} {mode}", energy=energy,
                chords=parse_chords(" ".join(chords)),
            )  # fmt: skip
            loops.append(family.render(request, lambda: None).audio.sum(axis=0).mean(axis=1))
        found.append(Band(f"{TONICS[tonic]} {mode}", tuple(chords), tuple(energies), tuple(loops)))
    return found


def scale_of(key: str) -> int:
    """The tonic of the major scale that ``key`` has, 0 is C."""
    tonic, _, mode = key.partition(" ")
    return (TONICS.index(tonic) + (3 if mode == "minor" else 0)) % 12


def heard_in_groups(listener: Listener, found: list[Band], size: int) -> list[tuple[Band, HeardMusic]]:
    """What is heard in every ``size`` loops of a band in a row."""
    answers = []
    for band in found:
        for first in range(0, len(band.loops), size):
            sound = np.concatenate(band.loops[first : first + size])
            answers.append((band, listener.hear(sound, BEATS * size, BEATS)))
    return answers


def share(right: list[bool]) -> str:
    """As a percentage."""
    return f"{100 * sum(right) / len(right):.0f} %" if right else "none"


def print_keys(answers: list[tuple[Band, HeardMusic]], bars: int) -> None:
    """One row: key and scale, of all answers and of those that are followed."""
    for name, least in (("all", -1.0), ("certain enough to follow", KEY_SURE)):
        used = [(band, heard) for band, heard in answers if heard.key and heard.key_certainty >= least]
        print(
            f"key of {bars} bars, {name:26} {len(used):4} of {len(answers):4}   "
            f"scale {share([scale_of(heard.key) == scale_of(band.key) for band, heard in used]):6} "
            f"key {share([heard.key == band.key for band, heard in used])}"
        )


def print_chords(answers: list[tuple[Band, HeardMusic]]) -> None:
    """The chords of two bars, where they were given."""
    given = [(band, heard) for band, heard in answers if band.chords]
    for name, least in (("all", 0.0), ("certain enough to follow", CHORDS_SURE)):
        used = [(band, heard) for band, heard in given if heard.chords and heard.chord_certainty >= least]
        each = [a == b for band, heard in used for a, b in zip(band.chords, spread(heard.chords), strict=True)]
        print(
            f"chords of 2 bars, {name:23} {len(used):4} of {len(given):4}   chords {share(each):6} "
            f"all four {share([band.chords == spread(heard.chords) for band, heard in used])}"
        )


def spread(chords: tuple[str, ...]) -> tuple[str, ...]:
    """One chord for every two beats."""
    return tuple(chord for chord in chords for _ in range(BEATS // 2 // len(chords)))


def print_energy(answers: list[tuple[Band, HeardMusic]]) -> None:
    """The order of two loops of a band, and how drive goes with energy within a band."""
    size = len(answers[0][0].energies)
    drives = np.array([heard.drive for _, heard in answers]).reshape(-1, size)
    energies = np.array([band.energies for band, _ in answers[::size]])
    within = drives - drives.mean(axis=1, keepdims=True)
    for least in (0.5, 1.0, 1.5):
        right = [
            bool(drives[row, a] > drives[row, b])
            for row in range(len(drives))
            for a in range(size)
            for b in range(size)
            if energies[row, a] - energies[row, b] >= least
        ]
        print(f"energy of 2 bars, two that differ by {least} or more: {len(right):4}   order {share(right)}")
    print(
        f"energy within a band: correlation {np.corrcoef(within.ravel(), energies.ravel())[0, 1]:.2f}, mean error "
        f"{np.abs(within - energies).mean():.2f} of a range of 2"
    )


def print_counts(listener: Listener, found: list[Band]) -> None:
    """Pitch classes above the tonic in thousandths, as ``listening.py`` has them."""
    for part, parts in (("notes", ("bass", "comp", "lead")), ("bass", ("bass",))):
        for mode in ("major", "minor"):
            counts = np.full(12, 0.5)
            for band in found:
                tonic, _, own = band.key.partition(" ")
                for loop in band.loops if own == mode else ():
                    heard = listener.pitch_classes(loop, BEATS, parts)
                    counts += np.roll(heard, -TONICS.index(tonic)) / max(1.0, float(heard.sum()))
            print(part, mode, tuple(int(n) for n in np.round(1000 * counts / counts.sum())))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=int, default=48)
    parser.add_argument("--seed", type=int, default=2)
    parser.add_argument("--steps", type=int, default=4, help="denoising steps of the loops")
    parser.add_argument("--count", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    listener, found = Listener.load(), bands(options.sets, options.seed, options.steps)
    if options.count:
        print_counts(listener, found)
        return
    began = time.perf_counter()
    single = heard_in_groups(listener, found, 1)
    seconds = (time.perf_counter() - began) / len(single)
    print(f"{len(single)} loops of {len(found)} bands, seed {options.seed}; {1000 * seconds:.0f} ms to hear two bars")
    print_keys(single, 2)
    print_keys(heard_in_groups(listener, found, 2), 4)
    print_keys(heard_in_groups(listener, found, 4), 8)
    print_chords(single)
    print_energy(single)


if __name__ == "__main__":
    main()
