"""Patches: for each instrument word a maker that draws one synthesiser setting from its ranges."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from tools.train.studio.synth import Layered, Modal, Operators, Patch, Plucked, Subtractive

Rng = np.random.Generator
Maker = Callable[[Rng], Patch]


def _between(rng: Rng, low: float, high: float) -> float:
    """A number between two, evenly on a logarithmic scale."""
    return float(low * (high / low) ** rng.random())


def _pick(rng: Rng, *options: str) -> str:
    return options[int(rng.integers(len(options)))]


# --- subtractive --------------------------------------------------------------------------------------------------


def saw_lead(rng: Rng) -> Patch:
    """Three to seven saws, brightly filtered, with late vibrato."""
    return Subtractive(
        wave="saw", voices=int(rng.choice((1, 2, 3, 5, 7))), detune_cents=_between(rng, 6, 22), spread=0.6,
        second=_pick(rng, "", "", "square", "saw"), second_semitones=float(rng.choice((-12, -12, 0, 7))),
        second_level=0.4, cutoff_hz=_between(rng, 1800, 6000), filter_octaves=rng.uniform(0.3, 2.0),
        resonance=rng.uniform(0.05, 0.45), drive=float(rng.choice((0.0, 0.0, 0.6))), amp=(0.004, 0.4, 0.8, 0.18),
        filter_env=(0.003, _between(rng, 0.15, 0.8), rng.uniform(0.2, 0.7), 0.2),
        vibrato=(rng.uniform(4.8, 6.0), rng.uniform(5, 22), 0.22),
    )  # fmt: skip


def square_lead(rng: Rng) -> Patch:
    """A hollow square or pulse."""
    return Subtractive(
        wave=_pick(rng, "square", "square", "pulse30", "pulse20"), voices=int(rng.choice((1, 1, 2))), detune_cents=7.0,
        spread=0.5, cutoff_hz=_between(rng, 1500, 6000), filter_octaves=rng.uniform(0.2, 1.5),
        resonance=rng.uniform(0.0, 0.3), amp=(0.003, 0.3, 0.8, 0.12), filter_env=(0.002, 0.3, 0.5, 0.2),
        vibrato=(rng.uniform(5.0, 6.5), rng.uniform(6, 25), 0.18), sub=float(rng.choice((0.0, 0.3))),
    )  # fmt: skip


def pluck(rng: Rng) -> Patch:
    """A short filtered stroke of saws or a digital wave."""
    return Subtractive(
        wave=_pick(rng, "saw", "saw", "square", "random3", "random11"), voices=int(rng.choice((1, 3, 5))),
        detune_cents=_between(rng, 5, 18), spread=0.8, cutoff_hz=_between(rng, 350, 1200),
        filter_octaves=rng.uniform(2.2, 4.0), resonance=rng.uniform(0.1, 0.5), velocity_octaves=1.6,
        amp=(0.002, _between(rng, 0.25, 0.9), 0.0, 0.25), filter_env=(0.001, _between(rng, 0.12, 0.4), 0.0, 0.15),
    )  # fmt: skip


def pad(rng: Rng) -> Patch:
    """Many voices or a slow wavetable behind a low filter."""
    if rng.random() < 0.5:
        return Subtractive(
            wave=_pick(rng, "saw", "saw", "pulse30"), voices=int(rng.choice((5, 7))),
            detune_cents=_between(rng, 10, 26), spread=1.0, cutoff_hz=_between(rng, 600, 2400),
            filter_octaves=rng.uniform(0.2, 1.2), noise=0.02,
            amp=(_between(rng, 0.05, 0.4), 1.0, 0.9, _between(rng, 0.5, 1.4)), filter_env=(0.6, 1.5, 0.6, 0.8),
        )  # fmt: skip
    return Subtractive(
        wave=_pick(rng, "random1", "random5", "vowela", "vowelo"), wave_to=_pick(rng, "random2", "saw", "vowelu"),
        voices=int(rng.choice((3, 5))), detune_cents=_between(rng, 8, 20), spread=1.0, morph_hz=_between(rng, 0.1, 0.5),
        cutoff_hz=_between(rng, 900, 3500), filter_octaves=rng.uniform(0.0, 1.0), noise=0.02,
        amp=(_between(rng, 0.06, 0.45), 1.0, 0.9, _between(rng, 0.6, 1.5)), filter_env=(0.8, 1.5, 0.6, 0.8),
    )  # fmt: skip


def synth_strings(rng: Rng) -> Patch:
    """A string machine: saws with a slow attack."""
    return Subtractive(
        wave=_pick(rng, "saw", "saw", "pulse20"), voices=5, detune_cents=_between(rng, 8, 18), spread=1.0,
        second="saw", second_semitones=12.0, second_level=0.35, cutoff_hz=_between(rng, 2200, 5000),
        filter_octaves=0.2, resonance=0.05, amp=(_between(rng, 0.04, 0.15), 1.0, 0.9, 0.4),
        filter_env=(0.2, 1.0, 0.8, 0.5),
    )  # fmt: skip


def synth_chords(rng: Rng) -> Patch:
    """A supersaw or a stab, with a decaying filter."""
    stab = rng.random() < 0.5
    return Subtractive(
        wave=_pick(rng, "saw", "saw", "square"), voices=int(rng.choice((3, 5, 7))), detune_cents=_between(rng, 8, 24),
        spread=1.0, cutoff_hz=_between(rng, 500, 1600) if stab else _between(rng, 1800, 5000),
        filter_octaves=rng.uniform(1.5, 3.0) if stab else rng.uniform(0.3, 1.2), resonance=rng.uniform(0.05, 0.4),
        amp=(0.002, 0.5, 0.3 if stab else 0.85, 0.16), filter_env=(0.002, _between(rng, 0.12, 0.5), 0.1, 0.2),
    )  # fmt: skip


def synth_brass(rng: Rng) -> Patch:
    """Saws whose filter opens like a mouth."""
    return Subtractive(
        wave="saw", voices=int(rng.choice((2, 3, 4))), detune_cents=_between(rng, 5, 12), spread=0.7,
        cutoff_hz=_between(rng, 500, 1100), filter_octaves=rng.uniform(1.8, 2.8), resonance=0.1, velocity_octaves=1.8,
        amp=(0.015, 0.4, 0.85, 0.15), filter_env=(_between(rng, 0.03, 0.09), 0.5, 0.55, 0.15),
    )  # fmt: skip


def synth_bass(rng: Rng) -> Patch:
    """A saw, a square, a detuned pair or FM, with a sine an octave down or at its pitch."""
    if rng.random() < 0.25:
        return fm_bass(rng)
    return Subtractive(
        wave=_pick(rng, "saw", "saw", "square", "pulse30"), voices=int(rng.choice((1, 1, 2, 3))),
        detune_cents=_between(rng, 5, 16), spread=0.25, sub=rng.uniform(0.5, 1.0),
        sub_octave=int(rng.choice((-1, 0, 0))), cutoff_hz=_between(rng, 180, 700),
        filter_octaves=rng.uniform(0.8, 3.0), resonance=rng.uniform(0.1, 0.5),
        drive=float(rng.choice((0.0, 0.4, 1.0))), amp=(0.002, 0.35, 0.75, 0.05),
        filter_env=(0.002, _between(rng, 0.1, 0.45), rng.uniform(0.1, 0.5), 0.08),
    )  # fmt: skip


def fm_bass(rng: Rng) -> Patch:
    """Two operators, an index that falls."""
    ratio = float(rng.choice((1.0, 2.0, 3.0)))
    return Layered((
        (Operators(((1.0, ratio, rng.uniform(1.5, 4.0), _between(rng, 0.15, 0.6), 0.6, 3.0, 0.15),), release=0.06,
                   chorus_cents=0.0, sustain=0.6), 1.0),
        (Subtractive(wave="sine", cutoff_hz=3000.0, amp=(0.003, 0.3, 0.85, 0.05)), 0.9),
    ))  # fmt: skip


def sub_bass(rng: Rng) -> Patch:
    """A sine or triangle, hardly bent; for one in three with an 808's fall at the start."""
    drop = float(rng.choice((0.0, 0.0, 7.0)))
    return Subtractive(
        wave=_pick(rng, "sine", "sine", "triangle"), cutoff_hz=_between(rng, 300, 900), filter_octaves=0.5,
        sub=float(rng.choice((0.0, 0.3))), drive=float(rng.choice((0.0, 0.6, 1.4))), steep=False,
        amp=(0.004, _between(rng, 0.6, 2.5), 0.75, _between(rng, 0.05, 0.15)), drop_semitones=drop, glide=0.06,
    )  # fmt: skip


def reese(rng: Rng) -> Patch:
    """Two or three saws that beat against each other over a sub."""
    return Subtractive(
        wave="saw", voices=int(rng.choice((2, 3))), detune_cents=_between(rng, 12, 35), spread=0.5, sub=0.9,
        sub_octave=0, cutoff_hz=_between(rng, 250, 900), filter_octaves=0.5, resonance=0.2, drive=0.8,
        amp=(0.005, 0.5, 0.9, 0.08),
    )  # fmt: skip


def acid_bass(rng: Rng) -> Patch:
    """One saw or square through a squelching filter, with slides."""
    return Subtractive(
        wave=_pick(rng, "saw", "saw", "square"), cutoff_hz=_between(rng, 180, 450),
        filter_octaves=rng.uniform(2.2, 4.0), velocity_octaves=2.2, resonance=rng.uniform(0.72, 0.92),
        drive=rng.uniform(0.5, 2.0), track=0.2, sub=0.35,
        sub_octave=0, amp=(0.002, 0.4, 0.6, 0.04),
        filter_env=(0.002, _between(rng, 0.12, 0.35), 0.05, 0.05), glide=0.05,
    )  # fmt: skip


# --- FM, modal, strings -------------------------------------------------------------------------------------------


def electric_piano(rng: Rng) -> Patch:
    """Tines by FM: a warm pair and a short bright one."""
    tine = float(rng.choice((7.0, 11.0, 14.0)))
    return Operators(
        ((1.0, 1.0, rng.uniform(0.6, 1.6), 1.2, 0.7, _between(rng, 2.0, 4.5), 0.1),
         (1.0, tine, rng.uniform(0.15, 0.5), _between(rng, 0.15, 0.5), 0.4, 1.6, 0.0),
         (2.0, 1.0, 0.4, 0.6, rng.uniform(0.0, 0.15), 1.0, 0.0)),
        release=0.18, velocity_index=1.1, chorus_cents=rng.uniform(1.0, 5.0),
    )  # fmt: skip


def bells(rng: Rng) -> Patch:
    """FM bells or a church bell's partials."""
    if rng.random() < 0.5:
        ratio = float(rng.choice((1.41, 3.5, 2.76, 3.14)))
        return Operators(
            ((1.0, ratio, rng.uniform(1.0, 3.0), 1.2, 0.6, _between(rng, 1.5, 3.5), 0.1),
             (2.0, ratio * 2.0, 0.8, 0.5, 0.25, 1.0, 0.0)), release=0.9, velocity_index=0.7,
        )  # fmt: skip
    return Modal(((1.0, 0.8, 2.8), (2.0, 0.5, 2.2), (2.4, 0.35, 1.6), (3.0, 0.25, 1.3), (4.52, 0.2, 0.9),
                  (5.33, 0.15, 0.6), (6.7, 0.1, 0.4)), knock=0.1)  # fmt: skip


def music_box(rng: Rng) -> Patch:
    """A comb of steel."""
    return Modal(
        ((1.0, 0.9, 1.8), (2.0, 0.15, 0.9), (6.27, 0.12, 0.25), (17.5, 0.03, 0.08)), knock=0.12, knock_hz=6000.0
    )


def glockenspiel(rng: Rng) -> Patch:
    """Steel bars."""
    return Modal(((1.0, 0.8, 1.7), (2.76, 0.4, 0.7), (5.4, 0.25, 0.3), (8.93, 0.12, 0.15)), knock=0.2, knock_hz=7000.0)


def vibraphone(rng: Rng) -> Patch:
    """Tuned aluminium bars with turning discs."""
    return Modal(
        ((1.0, 0.9, 2.8), (4.0, 0.25, 0.9), (10.0, 0.1, 0.2)), knock=0.12, knock_hz=2500.0,
        tremolo_hz=rng.uniform(3.5, 6.0), tremolo=float(rng.choice((0.0, 0.15, 0.3))), damped=True, release=0.5,
    )  # fmt: skip


def marimba(rng: Rng) -> Patch:
    """Rosewood bars: short, the upper modes shorter."""
    return Modal(
        ((1.0, 1.0, 0.65), (3.93, 0.25, 0.2), (9.24, 0.1, 0.07)), knock=rng.uniform(0.15, 0.35), knock_hz=1500.0
    )


def kalimba(rng: Rng) -> Patch:
    """A tongue of steel over a hole."""
    return Modal(((1.0, 1.0, 1.1), (2.0, 0.08, 0.5), (5.8, 0.18, 0.12), (11.6, 0.05, 0.06)), knock=0.3, knock_hz=2200.0)


def steel_drums(rng: Rng) -> Patch:
    """Notes of a pan: the octave and the twelfth sing along a little later."""
    return Modal(
        ((1.0, 0.8, 0.9), (2.003, 0.6, 0.7), (3.01, 0.3, 0.4), (4.1, 0.2, 0.25), (5.6, 0.08, 0.15)), knock=0.15
    )


def organ(rng: Rng) -> Patch:
    """Drawbars and the click of the keys; the turning speaker is an effect."""
    setting = _pick(
        rng, "888000004", "888800002", "808808008", "688644323", "838000032", "888888888", "008530000", "888000222"
    )
    return Layered((
        (Subtractive(
            wave="organ" + setting, octave=-1, cutoff_hz=12000.0, filter_octaves=0.0, velocity_octaves=0.3,
            resonance=0.0, steep=False, amp=(0.003, 0.1, 1.0, 0.03), drive=float(rng.choice((0.0, 0.3, 0.8))),
        ), 1.0),
        (Subtractive(
            wave="random7", octave=1, cutoff_hz=3000.0, filter_octaves=0.0, kind=1, amp=(0.0005, 0.015, 0.0, 0.01),
        ), rng.uniform(0.1, 0.4)),
    ))  # fmt: skip


def clavinet(rng: Rng) -> Patch:
    """Struck strings under a pickup."""
    return Plucked(decay=1.4, damping=0.22, place=0.08, brightness=7000.0, pickup=rng.uniform(0.1, 0.3), release=0.04)


def harpsichord(rng: Rng) -> Patch:
    """Quilled strings."""
    return Layered(((Plucked(decay=2.6, damping=0.12, place=0.1, brightness=12000.0, release=0.08), 1.0),
                    (Plucked(decay=2.2, damping=0.12, place=0.14, brightness=12000.0, release=0.08, width=0.5), 0.6),
    ))  # fmt: skip


def harp(rng: Rng) -> Patch:
    """Long gut strings, plucked in the middle."""
    return Plucked(decay=4.0, damping=0.4, place=0.4, brightness=3500.0, release=1.2, width=0.5)


def nylon_guitar(rng: Rng) -> Patch:
    """A guitar with nylon strings."""
    return Plucked(decay=2.4, damping=0.44, place=rng.uniform(0.16, 0.3), brightness=3500.0, release=0.15)


def steel_guitar(rng: Rng) -> Patch:
    """A guitar with steel strings."""
    return Plucked(decay=3.2, damping=0.3, place=rng.uniform(0.1, 0.2), brightness=7500.0, release=0.15)


def banjo(rng: Rng) -> Patch:
    """Short bright strings over a skin."""
    return Plucked(decay=0.9, damping=0.2, place=0.07, brightness=9000.0, release=0.25)


def sitar(rng: Rng) -> Patch:
    """A buzzing bridge."""
    return Plucked(decay=3.0, damping=0.14, place=0.06, brightness=9000.0, buzz=0.4, release=0.4, width=0.4)


def electric_guitar(rng: Rng) -> Patch:
    """Strings over a pickup, without an amplifier."""
    return Plucked(
        decay=3.5, damping=0.3, place=rng.uniform(0.08, 0.2), brightness=_between(rng, 3500, 7000),
        pickup=float(rng.choice((0.08, 0.16, 0.24))), release=0.06, width=0.0, mute_below=0.42,
    )  # fmt: skip


def muted_guitar(rng: Rng) -> Patch:
    """The same with the palm on the strings."""
    return Plucked(decay=0.5, damping=0.42, place=0.1, brightness=4500.0, pickup=0.1, release=0.04, width=0.0)


def pizzicato(rng: Rng) -> Patch:
    """A section of plucked strings: four of them, none quite together."""
    return Plucked(decay=0.55, damping=0.42, place=0.25, brightness=3000.0, release=0.3, width=0.6)


def whistle(rng: Rng) -> Patch:
    """A sine with breath and vibrato."""
    return Subtractive(
        wave="sine", noise=0.03, cutoff_hz=5000.0, filter_octaves=0.0, resonance=0.2, amp=(0.03, 0.3, 0.9, 0.1),
        vibrato=(rng.uniform(4.5, 6.0), rng.uniform(12, 30), 0.15), glide=0.08,
    )  # fmt: skip


def synth_voice(rng: Rng) -> Patch:
    """A vowel that moves, for choir and voice in electronic music."""
    return Subtractive(
        wave="vowel" + _pick(rng, "a", "o", "u"), wave_to="vowel" + _pick(rng, "a", "e", "o"),
        voices=int(rng.choice((3, 5))), detune_cents=_between(rng, 7, 16), spread=0.8, noise=0.03, cutoff_hz=5000.0,
        filter_octaves=0.0, morph_hz=_between(rng, 0.15, 0.8), amp=(0.05, 0.5, 0.9, 0.3),
        vibrato=(5.3, rng.uniform(6, 18), 0.2),
    )  # fmt: skip


# Word → makers, and how often a synthesiser plays it in electronic and in other genres (else the soundfont does).
SYNTHS: dict[str, tuple[tuple[Maker, ...], float, float]] = {
    "saw lead": ((saw_lead,), 1.0, 1.0), "square lead": ((square_lead,), 1.0, 1.0),
    "synth pluck": ((pluck,), 1.0, 1.0), "pad": ((pad,), 1.0, 1.0), "synth strings": ((synth_strings,), 1.0, 1.0),
    "synth chords": ((synth_chords,), 1.0, 1.0), "synth brass": ((synth_brass,), 1.0, 1.0),
    "synth bass": ((synth_bass,), 1.0, 1.0), "sub bass": ((sub_bass,), 1.0, 1.0), "acid bass": ((acid_bass,), 1.0, 1.0),
    "electric piano": ((electric_piano,), 0.85, 0.6), "bells": ((bells,), 0.8, 0.5),
    "music box": ((music_box,), 0.6, 0.4),
    "glockenspiel": ((glockenspiel,), 0.6, 0.4), "vibraphone": ((vibraphone,), 0.6, 0.4),
    "marimba": ((marimba,), 0.6, 0.4), "kalimba": ((kalimba,), 0.7, 0.5), "steel drums": ((steel_drums,), 0.5, 0.4),
    "organ": ((organ,), 0.7, 0.6), "clavinet": ((clavinet,), 0.6, 0.4), "harpsichord": ((harpsichord,), 0.4, 0.2),
    "harp": ((harp,), 0.4, 0.25), "acoustic guitar": ((nylon_guitar, steel_guitar), 0.3, 0.25),
    "banjo": ((banjo,), 0.3, 0.25), "sitar": ((sitar,), 0.4, 0.3), "electric guitar": ((electric_guitar,), 1.0, 1.0),
    "muted guitar": ((muted_guitar,), 0.9, 0.8), "distorted guitar": ((electric_guitar,), 1.0, 1.0),
    "pizzicato": ((pizzicato,), 0.3, 0.2), "whistle": ((whistle,), 0.6, 0.4), "voice": ((synth_voice,), 0.5, 0.15),
    "choir": ((synth_voice,), 0.5, 0.1),
}  # fmt: skip


def patch_for(word: str, genre: str, rng: Rng, *, electronic: bool, beat_frames: float) -> Patch | None:
    """A synthesiser patch for an instrument word, or None where the soundfont plays it this time.

    The basses of dubstep and of some drum and bass wobble in time; a beat has ``beat_frames``.
    """
    if word not in SYNTHS:
        return None
    makers, often, seldom = SYNTHS[word]
    if rng.random() >= (often if electronic else seldom):
        return None
    if word in ("synth bass", "sub bass", "acid bass") and genre in ("drum and bass", "dubstep") and rng.random() < 0.5:
        patch = reese(rng)
    else:
        patch = makers[int(rng.integers(len(makers)))](rng)
    wobbles = {"dubstep": 0.85, "drum and bass": 0.3}.get(genre, 0.0)
    if word in ("synth bass", "acid bass") and isinstance(patch, Subtractive) and rng.random() < wobbles:
        cycle = beat_frames * float(rng.choice((1.0, 0.5, 1.0 / 3.0, 0.25, 2.0)))
        patch = replace(patch, wobble=(cycle, rng.uniform(1.0, 2.2)), cutoff_hz=max(patch.cutoff_hz, 400.0),
                        filter_env=(0.002, 2.0, 0.8, 0.1), sub=max(patch.sub, 0.7))  # fmt: skip
    return patch
