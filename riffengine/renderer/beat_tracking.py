"""Beat tracking: finds tempo, beats and bar lines of a piece of audio, and cuts a loop of whole beats out of it.

Onsets are increases of energy in 24 bands (spectral flux). The tempo is the lag at which onsets repeat, also at two,
three, four and eight times that lag (autocorrelation). Only the octave around an expected tempo is searched, because a
loop of 70 bpm is also one of 140. Uses numpy only; any thread.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from riffengine.processes.audio import Samples
from riffengine.transport.beat_grid import BEATS_PER_BAR

Curve = NDArray[np.float64]

ENVELOPE_HZ = 200.0
"""Onset strengths per second: one every 5 ms. Beats are located more finely, between them."""

LEAST_CONFIDENCE = 0.1
"""Below this there is no beat: pads, speech and noise stay under 0.06, drums and strummed chords reach 0.2 to 0.9."""

_WINDOW_SECONDS = 0.023
_BANDS = 24
_LOWEST_HZ, _HIGHEST_HZ = 40.0, 10_000.0
_LOW_BAND_HZ = 160.0  # kick and bass onsets tell beats from off-beats and the first beat of a bar from the others
_FLOOR = 1e-4  # relative to the loudest band: 40 dB below it, nothing counts as an onset
_MULTIPLES = (1, 2, 3, 4, 8)  # of the period, at which the onsets must repeat too
_ATTACK_SECONDS = 0.004  # the cut is this long before the beat, so that the attack is complete
SEAM_SECONDS = 0.012
_WHOLE_SHARE = 0.004  # a file whose length differs by less than this share from whole bars counts as a finished loop


@dataclass(frozen=True)
class BeatTrack:
    """The result: tempo, time of the first beat and of the first bar line in seconds, ``confidence`` 0 to 1."""

    bpm: float
    first_beat: float
    first_bar: float
    confidence: float

    @property
    def clear(self) -> bool:
        """Whether there is a beat."""
        return self.confidence >= LEAST_CONFIDENCE


def track_beats(samples: Samples, sample_rate: int, expected_bpm: float = 120.0) -> BeatTrack:
    """The beat of mono ``samples`` ``(frames,) float32`` at ``sample_rate`` Hz, assumed to be steady.

    The tempo is within half an octave of ``expected_bpm``. At least two seconds of audio are needed: shorter or silent
    audio gets confidence 0 and the expected tempo.
    """
    nothing = BeatTrack(expected_bpm, 0.0, 0.0, 0.0)
    if len(samples) < sample_rate * max(2.0, 2.0 * 60.0 / expected_bpm * np.sqrt(2.0)):
        return nothing
    onsets, low = onset_strengths(samples, sample_rate)
    strength = onsets / (onsets.max() or 1.0) + 2.0 * low / (low.max() or 1.0)
    strength = np.maximum(strength - _smooth(strength, round(ENVELOPE_HZ)), 0.0)
    if not strength.any():
        return nothing
    period, confidence = _period(strength, expected_bpm)
    period = _refined(strength, period)
    first = _first_beat(strength, period)
    bar = _first_bar(first, period, low, _changes(samples, sample_rate, first, period))
    return BeatTrack(60.0 / period, first, bar, confidence)


def beat_loop(samples: Samples, sample_rate: int, beats: int, expected_bpm: float) -> tuple[Samples, BeatTrack]:
    """``beats`` whole beats of ``samples``, from a bar line on, as a seamless loop at the recording's own tempo.

    ``samples`` are ``(frames,)`` or ``(frames, channels)``; the beat is tracked in the mean of the channels. The result
    has the same shape, ``float32``. It is not stretched: its length gives the tempo, and the codec can change the
    tempo. Audio that is too short repeats its longest run of 8, 4, 2 or 1 beats. If no beat is found, the first
    ``beats`` beats at ``expected_bpm`` are taken.
    """
    track = track_beats(samples if samples.ndim == 1 else samples.mean(axis=1), sample_rate, expected_bpm)
    seconds, sides = len(samples) / sample_rate, samples.shape[1:]
    if not track.clear:
        frames = round(beats * 60.0 / expected_bpm * sample_rate)
        return np.resize(samples, (frames, *sides)).astype(np.float32), track
    period = 60.0 / track.bpm
    whole = round(seconds / period / BEATS_PER_BAR) * BEATS_PER_BAR
    if whole and abs(seconds - whole * period) < _WHOLE_SHARE * seconds and _near(track.first_beat, period) < 0.03:
        begin, period = 0.0, seconds / whole  # the file is a finished loop: keep its start and end
    else:
        begin = max(0.0, track.first_bar - _ATTACK_SECONDS)
        if seconds - begin < beats * period:  # less than a loop is left from the bar line: start at an earlier beat
            begin = max(0.0, track.first_beat - _ATTACK_SECONDS)
    run = beats
    while run > 1 and begin + run * period > seconds + 0.5 * _WINDOW_SECONDS:
        run = run // 2
    frames = round(run * period * sample_rate)
    cut = seamless(samples, round(begin * sample_rate), frames, round(SEAM_SECONDS * sample_rate))
    return np.tile(cut, (beats // run, *(1 for _ in sides)))[: round(beats * period * sample_rate)], track


def onset_strengths(samples: Samples, sample_rate: int) -> tuple[Curve, Curve]:
    """Onset strength of mono ``samples``, ``ENVELOPE_HZ`` values per second: of all bands, and of the lowest alone."""
    window_frames = 2 * (round(_WINDOW_SECONDS * sample_rate) // 2)
    hop = sample_rate / ENVELOPE_HZ
    count = int(len(samples) / hop)
    window = np.hanning(window_frames + 2)[1:-1].astype(np.float32)
    frequencies = np.fft.rfftfreq(window_frames, 1.0 / sample_rate)
    edges = np.geomspace(_LOWEST_HZ, min(_HIGHEST_HZ, sample_rate / 2), _BANDS + 1)
    band = np.clip(np.searchsorted(edges, frequencies) - 1, 0, _BANDS - 1)
    padded = np.concatenate((np.zeros(window_frames // 2, np.float32), samples, np.zeros(window_frames, np.float32)))
    powers = np.zeros((count, _BANDS))
    for begin in range(0, count, 2048):  # one minute at once would need 100 MB
        starts = np.round(np.arange(begin, min(begin + 2048, count)) * hop).astype(np.int64)
        spectra = np.fft.rfft(padded[starts[:, None] + np.arange(window_frames)] * window)
        for index in range(_BANDS):
            if (inside := band == index).any():
                powers[begin : begin + len(starts), index] = (np.abs(spectra[:, inside]) ** 2).sum(axis=1)
    levels = np.log(powers + _FLOOR * (powers.max() or 1.0))
    # The difference is over two steps, because the window spreads an attack over four or five.
    rises = np.maximum(levels - np.concatenate((np.tile(levels.min(axis=0), (2, 1)), levels[:-2]))[:count], 0.0)
    return rises.mean(axis=1), rises[:, edges[:-1] < _LOW_BAND_HZ].mean(axis=1)


def _period(strength: Curve, expected_bpm: float) -> tuple[float, float]:
    """The length of a beat in seconds, to within one step, and its confidence."""
    size = 1 << (2 * len(strength)).bit_length()
    spectrum = np.fft.rfft(strength - strength.mean(), size)
    repeats = np.fft.irfft(np.abs(spectrum) ** 2)[: len(strength)]
    repeats /= repeats[0] * np.arange(len(strength), 0, -1) / len(strength)
    expected = 60.0 / expected_bpm
    periods = np.arange(expected / np.sqrt(2.0), expected * np.sqrt(2.0), 0.25 / ENVELOPE_HZ)
    lags = np.arange(len(repeats))
    scores, weights = np.zeros(len(periods)), np.zeros(len(periods))
    for multiple in _MULTIPLES:
        places = periods * multiple * ENVELOPE_HZ
        valid = places < 0.75 * len(repeats)  # a lag of nearly the whole piece has too little data
        scores += np.where(valid, np.interp(places, lags, repeats), 0.0)
        weights += valid
    scores /= np.maximum(weights, 1.0)
    # Tempi near the expected one are preferred; the curve is flat enough for clear music to override it.
    weighted = scores * np.exp(-0.5 * (np.log2(periods / expected) / 0.6) ** 2)
    best = int(np.argmax(weighted))
    return float(periods[best]), float(np.clip(scores[best], 0.0, 1.0))


def _refined(strength: Curve, period: float) -> float:
    """The period near ``period`` at which the onsets of the whole piece align best."""
    seconds = np.arange(len(strength)) / ENVELOPE_HZ
    for spread in (0.012, 0.002):
        candidates = period * (1.0 + np.linspace(-spread, spread, 49))
        phasors = np.exp(2j * np.pi * seconds[None, :] / candidates[:, None])
        power = sum(np.abs((phasors**harmonic) @ strength) for harmonic in (1, 2, 4))
        period = float(candidates[int(np.argmax(power))])
    return period


def _first_beat(strength: Curve, period: float) -> float:
    """The time of the first beat in seconds: where most onsets fall when the piece is folded to one beat."""
    steps = np.arange(len(strength))
    offsets = np.arange(0.0, period, 0.001)
    beats = np.arange(int(len(strength) / ENVELOPE_HZ / period))
    places = (offsets[:, None] + beats[None, :] * period) * ENVELOPE_HZ
    smooth = np.convolve(strength, np.hanning(9)[1:-1], "same")  # ±20 ms, because people do not play exactly on time
    return float(offsets[int(np.argmax(np.interp(places, steps, smooth).sum(axis=1)))])


def _first_bar(first: float, period: float, low: Curve, changes: Curve) -> float:
    """The time of the first bar line in seconds: where bass notes start and the harmony changes."""
    near = np.maximum.reduce([np.roll(low, shift) for shift in range(-4, 5)]) / (low.max() or 1.0)
    beats = first + period * np.arange(len(changes))
    heights = near[np.minimum((beats * ENVELOPE_HZ).round().astype(np.int64), len(near) - 1)] + 2.0 * changes
    # Two bars, if there are enough: at twice the real tempo, bar lines are that far apart.
    spacing = 2 * BEATS_PER_BAR if len(heights) >= 4 * BEATS_PER_BAR else BEATS_PER_BAR
    if len(heights) < 2 * spacing:
        return first
    scores = [float(heights[start::spacing].mean()) for start in range(spacing)]
    scores[0] *= 1.15  # most files start on the first beat of a bar: only clear accents override that
    return first + period * int(np.argmax(scores))


def _changes(samples: Samples, sample_rate: int, first: float, period: float) -> Curve:
    """How much the pitch classes of each whole beat differ from those of the beat before, 0 to 1."""
    frames = int(period * sample_rate)
    frequencies = np.fft.rfftfreq(frames, 1.0 / sample_rate)
    pitched = (frequencies > 60.0) & (frequencies < 1000.0)
    classes = np.round(12.0 * np.log2(frequencies[pitched] / 440.0)).astype(np.int64) % 12
    window = np.hanning(frames).astype(np.float32)
    rows = []
    for beat in range(int((len(samples) / sample_rate - first) / period)):
        begin = round((first + beat * period) * sample_rate)
        if begin + frames > len(samples):
            break
        power = np.abs(np.fft.rfft(samples[begin : begin + frames] * window))[pitched]
        row = np.bincount(classes, power, 12)
        rows.append(row / (np.linalg.norm(row) or 1.0))
    if not rows:
        return np.zeros(0)
    chroma = np.array(rows)
    changes = 1.0 - (chroma * np.roll(chroma, 1, axis=0)).sum(axis=1)
    changes[0] = 0.0  # what came before is unknown
    return np.asarray(changes)


def _near(seconds: float, period: float) -> float:
    """Distance in seconds to the nearest multiple of ``period``."""
    return min(seconds % period, period - seconds % period)


def seamless(samples: Samples, begin: int, frames: int, seam: int) -> Samples:
    """``frames`` from ``begin`` on. The audio after the end is crossfaded into the start, so the loop is seamless."""
    cut = np.zeros((frames, *samples.shape[1:]), np.float32)
    available = samples[begin : begin + frames]
    cut[: len(available)] = available
    after = samples[begin + frames : begin + frames + min(seam, frames)]
    fade = np.linspace(0.0, 1.0, len(after), endpoint=False, dtype=np.float32).reshape(
        -1, *(1 for _ in samples.shape[1:])
    )
    cut[: len(after)] = cut[: len(after)] * fade + after * (1.0 - fade)
    return cut


def _smooth(curve: Curve, width: int) -> Curve:
    """The moving average over ``width`` steps."""
    return np.convolve(curve, np.ones(width) / width, "same")
