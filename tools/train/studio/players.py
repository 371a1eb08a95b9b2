"""Players: one track of a composition as a dry stereo loop, by a synthesiser patch, the soundfont or a drum kit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tools.train.compose.performance import PlayedNote, Track
from tools.train.compose.tempo import BEATS
from tools.train.studio import kernels
from tools.train.studio.kernels import RATE
from tools.train.studio.kits import ELSEWHERE, PLACES, Kit
from tools.train.studio.soundfont import SoundFont
from tools.train.studio.synth import Gesture, Patch

Loop = NDArray[np.float32]

_GATE_STEP = 441  # gates are rounded to 10 ms so that equal notes are rendered once
_VELOCITY_BANDS = 8


def loudness_of_velocity(velocity: float, range_db: float = 26.0) -> float:
    """The gain of a velocity 0..1: 0 dB at 1, ``-range_db`` at 0."""
    return float(10.0 ** (-range_db * (1.0 - velocity) / 20.0))


def frame_of(beats: float, frames: int) -> int:
    """The frame of a place in beats; negative before the loop."""
    return round(beats / BEATS * frames)


def play_patch(patch: Patch, notes: Sequence[PlayedNote], frames: int, seed: int, *, mono: bool = False) -> Loop:
    """Play notes with a patch into a loop ``(2, frames)``. ``mono`` lets notes that touch glide into each other.

    Two equal notes are one rendering, twice; a third is another one.
    """
    out = np.zeros((2, frames), np.float32)
    kept: dict[tuple[object, ...], Loop] = {}
    ordered = sorted(notes, key=lambda note: (note.start_beats, note.pitch))
    for i, note in enumerate(ordered):
        gate = frame_of(note.length_beats, frames)
        gate = max(round(gate / _GATE_STEP), 2) * _GATE_STEP
        band = min(note.velocity * _VELOCITY_BANDS // 128, _VELOCITY_BANDS - 1)
        before = ordered[i - 1]
        glide = None
        if mono and len(ordered) > 1 and before.pitch != note.pitch:
            end = (before.start_beats + before.length_beats) % BEATS
            if abs((end - note.start_beats + 4.0) % BEATS - 4.0) < 0.12:
                glide = float(before.pitch)
        name = (note.pitch, band, gate, glide, i % 2)
        if name not in kept:
            rng = np.random.default_rng([seed, note.pitch, band, i % 2])
            kept[name] = patch.note(Gesture(float(note.pitch), (band + 0.5) / _VELOCITY_BANDS, gate, glide), rng)
        gain = loudness_of_velocity(note.velocity / 127.0)
        kernels.add_circular(out, kept[name], frame_of(note.start_beats, frames), gain, gain)
    return out


def play_soundfont(font: SoundFont, track: Track, frames: int, *, layered: bool = True) -> Loop:
    """Play a track with the soundfont into a loop ``(2, frames)``."""
    strokes = [
        (frame_of(note.start_beats, frames), frame_of(note.length_beats, frames), note.pitch, note.velocity)
        for note in track.notes
    ]
    return font.play((track.bank, track.program), strokes, frames, cents=track.filter_cents, layered=layered)


def kicks_of(track: Track | None, frames: int) -> list[tuple[int, float]]:
    """Frame and strength 0..1 of the kicks that press a sidechain."""
    if track is None:
        return []
    return [
        (frame_of(note.start_beats, frames), min(note.velocity / 105.0, 1.0))
        for note in track.notes
        if note.pitch in (35, 36)
    ]


def play_drums(kit: Kit, track: Track, frames: int) -> tuple[Loop, Loop]:
    """The drums as (dry, what goes to the room), both ``(2, frames)``; a closed hat stops the open one."""
    dry, send = np.zeros((2, frames), np.float32), np.zeros((2, frames), np.float32)
    chokes = sorted(frame_of(note.start_beats, frames) % frames for note in track.notes if note.pitch in (42, 44))
    for i, note in enumerate(sorted(track.notes, key=lambda note: (note.start_beats, note.pitch))):
        place = PLACES.get(note.pitch, ELSEWHERE)
        start = frame_of(note.start_beats, frames)
        sound = kit.stroke(note.pitch, note.velocity / 127.0, i)
        if note.pitch == 46 and chokes:
            sound = _choked(sound, min((choke - start - 1) % frames + 1 for choke in chokes))
        range_db = 16.0 if place.role == "kick" else 24.0
        gain = 10.0 ** (place.level_db / 20.0) * loudness_of_velocity(note.velocity / 127.0, range_db)
        angle = (place.pan + 1.0) * np.pi / 4.0
        left, right = gain * np.cos(angle) * 1.414, gain * np.sin(angle) * 1.414
        kernels.add_circular(dry, sound, start, left, right)
        if place.send:
            kernels.add_circular(send, sound, start, place.send * left, place.send * right)
    return dry, send


def _choked(sound: Loop, after: int) -> Loop:
    if after >= sound.shape[1]:
        return sound
    fade = min(int(0.012 * RATE), sound.shape[1] - after)
    out = sound[:, : after + fade].copy()
    out[:, after:] *= np.linspace(1.0, 0.0, fade, dtype=np.float32)
    return out
