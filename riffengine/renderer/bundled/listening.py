"""Listener: hears the key, the chords and the drive of captured bars, by the encoder of the bundled model.

The encoder reads the notes of any mix. The key is the likeliest by how long each pitch class sounds in notes and in the
bass (naive Bayes); a chord is the triad that fits what sounds under it best. ``tools/bench/listening.py`` measures how
often they are right.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from riffengine.renderer.bundled import score as sheet
from riffengine.renderer.bundled.conditioning import CHORD_STEPS
from riffengine.renderer.bundled.encoder import encode_loop
from riffengine.renderer.bundled.score import Score
from riffengine.renderer.bundled.weights import Networks, packaged_weights, read_weights
from riffengine.renderer.loop_audio import read_loop

OWN_RATE = 44100
TONICS = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")

# How long each pitch class above the tonic sounds, in thousandths: in all notes, and in the bass. Counted in the notes
# that the encoder hears in 64 loops of the bundled model, by ``tools/bench/listening.py --count``.
_NOTES = {
    "major": (222, 4, 79, 4, 169, 82, 4, 204, 5, 166, 6, 54),
    "minor": (216, 4, 75, 171, 4, 97, 4, 200, 86, 4, 133, 6),
}
_BASS = {
    "major": (323, 4, 96, 4, 94, 88, 4, 149, 4, 194, 7, 31),
    "minor": (330, 4, 24, 115, 4, 147, 4, 146, 92, 4, 124, 4),
}
_BASS_WEIGHT = 0.25
_MARGIN = 0.2  # log-likelihood of a note by which a key must be ahead of other scales, to be 63 % certain

_TRIADS = {"": (0, 4, 7), "m": (0, 3, 7)}
_PART_WEIGHTS = {"bass": 1.5, "comp": 1.0, "lead": 0.5}
_ROOT_IN_BASS = 0.15

# Of loops of one prompt and one key: how far the energy with which they were asked for goes with strokes of drums in a
# sixteenth and with the mean rise of the spectrum, decades a window (the same bench; the order is right for 88 %).
_STROKES, _RISE = 1.17, 19.0
_WINDOW, _HOP = 4096, 1024

Histogram = NDArray[np.float64]
Encode = Callable[[NDArray[np.float32], int], Score]


@dataclass(frozen=True)
class HeardMusic:
    """What was heard. ``key`` is ``""`` and ``chords`` empty where nothing has a pitch; certainties are 0 to 1.

    ``drive`` grows by 1 where energy does, from an unknown zero: it compares bars of one band with each other.
    """

    key: str
    key_certainty: float
    chords: tuple[str, ...]
    chord_certainty: float
    drive: float


class Listener:
    """Hears sounds by the encoder of ``networks``. The listener's process, or offline; one thread."""

    def __init__(self, networks: Networks) -> None:
        self._networks = networks

    @classmethod
    def load(cls) -> Listener:
        """With the weights that ship; ``ModelError`` when they cannot be read."""
        return cls(read_weights(packaged_weights()))

    def hear_file(self, path: str, beats: int, chord_beats: int, bpm: float) -> HeardMusic:
        """``beats`` beats of the sound file at ``path``; ``AudioFileError`` when it cannot be read or is silent."""
        return self.hear(read_loop(path, beats, bpm, OWN_RATE), beats, chord_beats)

    def hear(self, sound: NDArray[np.float32], beats: int, chord_beats: int) -> HeardMusic:
        """``sound`` ``(frames,)`` at 44.1 kHz, which is ``beats`` beats long.

        The chords are those of its first ``chord_beats``; a shorter sound repeats, as it does in a loop.
        """
        notes = self._notes(sound, beats)
        key, key_certainty = likeliest_key(_histogram(notes), _histogram(notes, ("bass",)))
        steps = chord_beats * sheet.STEPS_PER_BEAT
        chords, chord_certainty = likeliest_chords(np.resize(notes, (steps, sheet.COLUMNS)))
        return HeardMusic(key, key_certainty, chords, chord_certainty, drive(sound, notes))

    def pitch_classes(self, sound: NDArray[np.float32], beats: int, parts: tuple[str, ...]) -> Histogram:
        """How many sixteenths each pitch class sounds in ``parts`` of ``sound``, ``(12,)``."""
        return _histogram(self._notes(sound, beats), parts)

    @torch.inference_mode()
    def _notes(self, sound: NDArray[np.float32], beats: int) -> Score:
        """The score of ``sound``, heard eight beats at a time, or four where there are no more."""
        pieces = []
        for first in range(0, beats, sheet.BEATS):
            last = min(first + sheet.BEATS, beats)
            low, high = (round(len(sound) * beat / beats) for beat in (first, last))
            piece = np.ascontiguousarray(sound[low:high])
            pieces.append(encode_loop(self._networks.encoder, self._networks.codec, piece, last - first).score.numpy())
        return np.concatenate(pieces)


def likeliest_key(notes: Histogram, bass: Histogram) -> tuple[str, float]:
    """The key of pitch classes ``(12,)``, such as ``"A minor"``, and how certain its scale is; ``""`` for silence."""
    if not notes.any():
        return "", 0.0
    found = []
    for mode in _NOTES:
        for tonic, name in enumerate(TONICS):
            fit = _likelihood(notes, _NOTES[mode], tonic) + _BASS_WEIGHT * _likelihood(bass, _BASS[mode], tonic)
            found.append((fit, (tonic + (3 if mode == "minor" else 0)) % 12, f"{name} {mode}"))
    fit, scale, key = max(found)
    other = max(each[0] for each in found if each[1] != scale)
    return key, 1.0 - math.exp(-(fit - other) / _MARGIN)


def likeliest_chords(notes: Score) -> tuple[tuple[str, ...], float]:
    """Chords that share ``notes`` ``(steps, 166)`` equally, and how well the worst fits; none where a part has none."""
    found = [_chord(notes[first : first + CHORD_STEPS]) for first in range(0, len(notes), CHORD_STEPS)]
    if not found or not all(name for name, _ in found):
        return (), 0.0
    names, certainty = [name for name, _ in found], min(fit for _, fit in found)
    while len(names) % 2 == 0 and names[::2] == names[1::2]:
        names = names[::2]
    return tuple(names), min(1.0, certainty)


def drive(sound: NDArray[np.float32], notes: Score) -> float:
    """How hard ``sound`` ``(frames,)`` is played: strokes of drums in its ``notes``, and how sharply it begins."""
    _, strokes = sheet.notes_from_score(notes)
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(sound, (0, _WINDOW)), _WINDOW)[::_HOP]
    power = np.abs(np.fft.rfft(windows * (np.hanning(_WINDOW) / (_WINDOW / 4)))) ** 2
    levels = np.log10(power + 1e-6 * power.max() + 1e-20)
    rise = float(np.maximum(np.diff(levels, axis=0), 0.0).mean())
    return _STROKES * len(strokes) / len(notes) + _RISE * rise


def _histogram(notes: Score, parts: tuple[str, ...] = sheet.PITCHED_PARTS) -> Histogram:
    """How many sixteenths each pitch class sounds, ``(12,)``."""
    found = np.zeros(12)
    for part in parts:
        sounding = (notes[:, sheet.PART_COLUMNS[part]] >= 0.5).sum(axis=0)
        np.add.at(found, (sheet.LOWEST[part] + np.arange(len(sounding))) % 12, sounding)
    return found


def _likelihood(heard: Histogram, thousandths: tuple[int, ...], tonic: int) -> float:
    """Mean log-likelihood of a pitch class in ``heard``; 0 where there is none."""
    total = heard.sum()
    return float(heard @ np.log(np.roll(thousandths, tonic) / 1000.0) / total) if total else 0.0


def _chord(notes: Score) -> tuple[str, float]:
    """The triad that fits ``notes`` best, and its fit; ``""`` where nothing has a pitch."""
    parts = {part: _histogram(notes, (part,)) for part in sheet.PITCHED_PARTS}
    whole = sum((weight * parts[part] for part, weight in _PART_WEIGHTS.items()), np.zeros(12))
    if not whole.any():
        return "", 0.0
    bass = parts["bass"] / max(1.0, float(parts["bass"].sum()))
    fits = [
        (
            float(whole[[(root + tone) % 12 for tone in tones]].sum() / np.linalg.norm(whole) / math.sqrt(len(tones)))
            + _ROOT_IN_BASS * float(bass[root]),
            f"{TONICS[root]}{quality}",
        )
        for root in range(12)
        for quality, tones in _TRIADS.items()
    ]
    fit, name = max(fits)
    return name, fit
