"""Make the loops that the bundled model learns from: compose, render, write shards.

    python -m tools.train.make_data --out DIR --count 7000 --first-seed 1000000 --jobs 2

``--sound studio`` (our own instruments, stereo, mastered) or ``--sound soundfont`` (General MIDI, both channels alike).

Each shard ``loops-XXXXX.npz`` holds up to 250 loops:

==========  ===========================  =====================================================================
format      () int64                     ``FORMAT``; shards without it are mono, ``audio`` is ``(3, samples)``
audio       (6, samples) int16           drums left, drums right, bass left, bass right, harmony left, harmony right of
                                         all loops one after another, 44.1 kHz
offsets     (n + 1,) int64               loop i is ``audio[:, offsets[i]:offsets[i + 1]]``; its stems' sum is heard
bpm         (n,) float64                 a loop is exactly ``round(8 * 60 / bpm * 44100)`` frames
key_shift   (n,) int8                    semitones from the canonical key to what sounds, -6..5
mode        (n,) int8                    0 major, 1 minor
words       (n, widest) int16            vocabulary indices of the words that are true of it, padded with -1
scores      (n, 32, 166) uint8           the canonical score times 255
energy      (n,) float32                 how hard it is played, 0..1
seeds       (n,) int64
==========  ===========================  =====================================================================

A shard is written under another name and renamed when it is whole; finished shards are kept, so a run that was stopped
goes on where it was. The same seeds, sound and soundfont give the same bytes of audio.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from riffengine.errors import RiffError
from riffengine.renderer.bundled.vocabulary import Vocabulary
from tools.train.compose.composition import Composition, compose
from tools.train.compose.render import Band
from tools.train.studio import samples
from tools.train.studio.soundfont import find_soundfont
from tools.train.studio.studio import Studio

LOOPS_PER_SHARD = 250
FORMAT = 2
SOUNDS = ("studio", "soundfont")

# A composition in, stems (3, 2, frames) out.
Player = Callable[[Composition], NDArray[np.float32]]


def player(sound: str, soundfont: Path) -> Player:
    """What renders a composition with one of ``SOUNDS``."""
    if sound == "studio":
        return Studio(soundfont).render
    band = Band(soundfont)
    return lambda piece: np.repeat(band.render(piece)[:, None], 2, axis=1)


def make_shard(play: Player, path: Path, seeds: range) -> int:
    """Compose and render ``seeds`` into ``path``; returns the number of loops."""
    vocabulary = Vocabulary.load()
    pieces = [compose(seed) for seed in seeds]
    sounds = []
    for piece in pieces:
        stems = np.round(np.clip(play(piece), -1.0, 1.0) * 32767.0).astype(np.int16)
        sounds.append(stems.reshape(6, -1))
    words = np.full((len(pieces), max(len(piece.words) for piece in pieces)), -1, np.int16)
    for row, piece in zip(words, pieces, strict=True):
        row[: len(piece.words)] = [vocabulary.index(word) for word in piece.words]
    partial = path.with_name(path.name + ".partial")
    with partial.open("wb") as file:
        np.savez(
            file,
            format=np.int64(FORMAT),
            audio=np.concatenate(sounds, axis=1),
            offsets=np.cumsum([0, *(sound.shape[1] for sound in sounds)]).astype(np.int64),
            bpm=np.array([piece.bpm for piece in pieces], np.float64),
            key_shift=np.array([piece.key_shift for piece in pieces], np.int8),
            mode=np.array([piece.minor for piece in pieces], np.int8),
            words=words,
            scores=np.round(np.stack([piece.score for piece in pieces]) * 255.0).astype(np.uint8),
            energy=np.array([piece.energy for piece in pieces], np.float32),
            seeds=np.array([piece.seed for piece in pieces], np.int64),
        )
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    return len(pieces)


def shards(out: Path, count: int, first_seed: int) -> list[tuple[Path, range]]:
    """The shards of a run that are not there yet, with their seeds."""
    jobs = []
    for number, start in enumerate(range(first_seed, first_seed + count, LOOPS_PER_SHARD)):
        path = out / f"loops-{number:05d}.npz"
        if not path.exists():
            jobs.append((path, range(start, min(start + LOOPS_PER_SHARD, first_seed + count))))
    return jobs


_player: Player | None = None


def _open_player(sound: str, soundfont: Path) -> None:
    global _player
    _player = player(sound, soundfont)


def _work(job: tuple[Path, range]) -> tuple[Path, int]:
    assert _player is not None
    path, seeds = job
    return path, make_shard(_player, path, seeds)


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(description="compose and render the training loops")
    parser.add_argument("--out", type=Path, required=True, help="folder for the shards")
    parser.add_argument("--count", type=int, required=True, help="how many loops")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--sound", choices=SOUNDS, default="studio", help="what plays (default: studio)")
    parser.add_argument("--soundfont", help="a .sf2 or .sf3 file (default: search the usual folders)")
    options = parser.parse_args(arguments)
    try:
        soundfont = find_soundfont(options.soundfont)
    except RiffError as error:
        print(error, file=sys.stderr)
        return 2
    options.out.mkdir(parents=True, exist_ok=True)
    jobs = shards(options.out, options.count, options.first_seed)
    print(f"{len(jobs)} shards to make: {options.sound}, {soundfont.name}", file=sys.stderr)
    if options.sound == "studio" and samples.folder() is None:
        print("sonic-pi-samples is not installed: the machine drums are synthetic only", file=sys.stderr)
    start, done = time.perf_counter(), 0
    with get_context("spawn").Pool(max(options.jobs, 1), _open_player, (options.sound, soundfont)) as pool:
        for path, loops in pool.imap_unordered(_work, jobs):
            done += loops
            rate = done / (time.perf_counter() - start)
            print(f"{path.name}: {done} loops, {rate:.1f} loops/s", file=sys.stderr, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
