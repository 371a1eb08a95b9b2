"""Canvas: how long a loop of whole beats is in latents, what the text says of it, and the tempo that came out."""

from __future__ import annotations

import re

import numpy as np

from riffengine.errors import RendererError
from riffengine.processes.audio import Samples
from riffengine.processes.render_request import MorphEnd, RenderRequest
from riffengine.renderer.beat_tracking import track_beats
from riffengine.renderer.waveform.networks import Networks

MOST_CORRECTION = 0.06
"""A model that was told 120 bpm and plays 113 to 127 meant 120. Farther away it plays something else, which stays."""

_LEAST_CORRECTION = 0.004  # below it the beat tracker cannot tell, and a loop of 8 beats is 15 ms off at most
_TONICS = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
_SHARPS = {"DB": 1, "D#": 3, "GB": 6, "G#": 8, "A#": 10}
_SAYS_TEMPO = re.compile(r"\d\s*bpm", re.IGNORECASE)


def canvas_length(beats: int, bpm: float, networks: Networks) -> int:
    """The number of latents nearest to ``beats`` at ``bpm``. ``RendererError`` where the model has no such canvas."""
    second = networks.sample_rate / networks.hop
    length = round(beats * 60.0 / bpm * second)
    if length != nearest_canvas(beats, bpm, networks):
        raise RendererError(
            f"{beats} beats at {bpm:g} bpm last {beats * 60.0 / bpm:.1f} s; this model generates "
            f"{networks.shortest / second:.2g} to {networks.longest / second:.0f} s: choose another number of beats"
        )
    return length


def nearest_canvas(beats: int, bpm: float, networks: Networks) -> int:
    """``canvas_length``, or the nearest that the model has: what is missing is made up for by stretching the loop."""
    length = round(beats * 60.0 / bpm * networks.sample_rate / networks.hop)
    return min(max(length, networks.shortest), networks.longest)


def told_text(request: RenderRequest, end: MorphEnd) -> str:
    """The prompt of ``end`` with the key and the tempo in words, unless it names a tempo itself."""
    facts = [end.prompt.strip()]
    if request.key:
        facts.append(_transposed(request.key, request.transpose))
    if not _SAYS_TEMPO.search(end.prompt):
        facts.append(f"{request.source_tempo:.0f} BPM")
    return ", ".join(filter(None, facts))


def played_tempo(loop: Samples, sample_rate: int, told_bpm: float) -> float:
    """The tempo of ``loop`` ``(frames, channels)``, where it is clear and near ``told_bpm``; else ``told_bpm``."""
    track = track_beats(np.ascontiguousarray(loop.mean(axis=1), np.float32), sample_rate, told_bpm)
    off = abs(track.bpm / told_bpm - 1.0)
    return track.bpm if track.clear and _LEAST_CORRECTION < off <= MOST_CORRECTION else told_bpm


def _transposed(key: str, semitones: int) -> str:
    tonic, _, mode = key.partition(" ")
    known = {name.upper(): number for number, name in enumerate(_TONICS)} | _SHARPS
    number = known.get(tonic.upper())
    return key if number is None else f"{_TONICS[(number + semitones) % 12]} {mode}".strip()
