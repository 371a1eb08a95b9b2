"""Synthesisers: a patch renders one note as ``(2, frames) float32``, the same for equal random generators."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tools.train.studio import kernels
from tools.train.studio.kernels import CONTROL, RATE
from tools.train.studio.wavetables import table

Sound2 = NDArray[np.float32]


@dataclass(frozen=True)
class Gesture:
    """What is played: ``pitch`` in semitones (MIDI), ``velocity`` 0..1, ``gate`` in frames."""

    pitch: float
    velocity: float
    gate: int
    glide_from: float | None = None


class Patch(Protocol):
    """An instrument that plays single notes."""

    def note(self, gesture: Gesture, rng: np.random.Generator) -> Sound2:
        """One note with its release, ``(2, frames)``."""


def hertz(pitch: float) -> float:
    """The frequency of a MIDI pitch."""
    return float(440.0 * 2.0 ** ((pitch - 69.0) / 12.0))


def faded(sound: Sound2, seconds: float = 0.004) -> Sound2:
    """The same array with its last moment faded to nothing."""
    n = min(int(seconds * RATE), sound.shape[-1])
    sound[..., sound.shape[-1] - n :] *= np.linspace(1.0, 0.0, n, dtype=np.float32)
    return sound


def envelope(frames: int, gate: int, times: tuple[float, float, float, float]) -> NDArray[np.float32]:
    """An ADSR envelope from (attack, decay, sustain level, release), seconds."""
    out = np.empty(frames, np.float32)
    attack, decay, sustain, release = times
    kernels.adsr(frames, gate, attack * RATE, decay * RATE, sustain, release * RATE, out)
    return out


@dataclass(frozen=True)
class Subtractive:
    """Detuned band-limited voices, a sub oscillator and noise through a filter of 12 or 24 dB with its own envelope.

    ``amp`` and ``filter_env`` are (attack, decay, sustain, release) in seconds; ``filter_octaves`` is what the filter
    envelope adds to ``cutoff_hz``, ``velocity_octaves`` what a full stroke adds against the softest; ``track`` is how
    far the cutoff follows the pitch. ``wave_to`` is where a wavetable moves to. ``wobble`` is a filter LFO of
    (frames a cycle, octaves), begun with the note; ``vibrato`` is (hertz, cents, delay in seconds).
    """

    wave: str = "saw"
    wave_to: str = ""
    voices: int = 1
    detune_cents: float = 12.0
    spread: float = 0.7
    octave: int = 0
    second: str = ""
    second_semitones: float = 0.0
    second_level: float = 0.6
    sub: float = 0.0
    sub_octave: int = -1
    sub_wave: str = "sine"
    noise: float = 0.0
    cutoff_hz: float = 4000.0
    filter_octaves: float = 1.5
    velocity_octaves: float = 1.2
    track: float = 0.5
    resonance: float = 0.2
    steep: bool = True
    kind: int = 0
    drive: float = 0.0
    amp: tuple[float, float, float, float] = (0.003, 0.3, 0.7, 0.2)
    filter_env: tuple[float, float, float, float] = (0.002, 0.35, 0.3, 0.3)
    wobble: tuple[float, float] = (0.0, 0.0)
    vibrato: tuple[float, float, float] = (0.0, 0.0, 0.0)
    drop_semitones: float = 0.0
    glide: float = 0.05
    morph_hz: float = 0.2

    def note(self, gesture: Gesture, rng: np.random.Generator) -> Sound2:
        """One note; voices start at random phases, a single one where a saw is 0: the same every time."""
        frames = gesture.gate + int((self.amp[3] + 0.01) * RATE)
        hz = hertz(gesture.pitch)
        bend = self._bend(frames, gesture)
        out = np.zeros((2, frames), np.float32)
        self._oscillators(out, hz, bend, gesture, rng)
        if self.noise:
            out += self.noise * rng.standard_normal((2, frames)).astype(np.float32) * np.float32(0.3)
        self._filter(out, hz, gesture)
        if self.sub:  # beside the filter, in the middle, not bent by drive
            sub = np.zeros((2, frames), np.float32)
            at = hz * 2.0**self.sub_octave
            wave = table(self.sub_wave, at)
            flat = np.zeros(frames, np.float32)
            kernels.unison(wave, wave, flat, np.array([at / RATE]), bend, np.zeros(1), np.ones(1), np.ones(1), sub)
            out += np.float32(self.sub) * sub
        out *= envelope(frames, gesture.gate, self.amp)
        return faded(out)

    def _bend(self, frames: int, gesture: Gesture) -> NDArray[np.float32]:
        if not (self.vibrato[1] or gesture.glide_from is not None or self.drop_semitones):
            return np.ones(frames, np.float32)
        time = np.arange(frames, dtype=np.float32) / RATE
        semitones = np.zeros(frames, np.float32)
        if self.vibrato[1]:
            hz, cents, delay = self.vibrato
            depth = cents / 100.0 * np.clip((time - delay) / 0.25, 0.0, 1.0)
            semitones += depth * np.sin(2.0 * np.pi * hz * np.maximum(time - delay, 0.0))
        if gesture.glide_from is not None:
            semitones += (gesture.glide_from - gesture.pitch) * np.exp(-4.0 * time / self.glide)
        if self.drop_semitones:
            semitones += self.drop_semitones * np.exp(-time / 0.02)
        return np.exp2(semitones / 12.0).astype(np.float32)

    def _oscillators(self, out: Sound2, hz: float, bend: NDArray[np.float32], gesture: Gesture,
                     rng: np.random.Generator) -> None:  # fmt: skip
        frames = out.shape[1]
        main = hz * 2.0**self.octave
        highest = main * float(bend.max()) * 1.02
        wave = table(self.wave, highest)
        goal = table(self.wave_to, highest) if self.wave_to else wave
        morph = np.zeros(frames, np.float32)
        if self.wave_to:
            turn = 2.0 * np.pi * (self.morph_hz * np.arange(frames, dtype=np.float32) / RATE + rng.random())
            morph = (0.5 - 0.5 * np.cos(turn)).astype(np.float32)
        n = self.voices
        offsets = np.linspace(-1.0, 1.0, n) if n > 1 else np.zeros(1)
        cents = self.detune_cents * (offsets + (rng.uniform(-0.15, 0.15, n) if n > 1 else 0.0))
        steps = main / RATE * 2.0 ** (cents / 1200.0)
        phases = rng.random(n) if n > 1 else np.full(1, 0.5)
        # Neighbours in pitch sit on opposite sides, the outer ones wider.
        sides = self.spread * offsets * np.where(np.arange(n) % 2 == 0, 1.0, -1.0)
        level = 1.0 / np.sqrt(n)
        left, right = level * np.cos((sides + 1) * np.pi / 4) * 1.414, level * np.sin((sides + 1) * np.pi / 4) * 1.414
        kernels.unison(wave, goal, morph, steps, bend, phases, left, right, out)
        if self.second:
            at = main * 2.0 ** (self.second_semitones / 12.0) * 2.0 ** (3.0 / 1200.0)
            other = table(self.second, at * float(bend.max()))
            gain = np.full(1, self.second_level)
            kernels.unison(other, other, morph, np.array([at / RATE]), bend, rng.random(1), gain, gain, out)

    def _filter(self, out: Sound2, hz: float, gesture: Gesture) -> None:
        frames = out.shape[1]
        base = self.cutoff_hz * (hz / 220.0) ** self.track * 2.0 ** (self.velocity_octaves * (gesture.velocity - 0.75))
        contour = envelope(frames, gesture.gate, self.filter_env)[::CONTROL]
        octaves = self.filter_octaves * contour
        if self.wobble[0]:
            octaves = octaves + self.wobble[1] * np.sin(2 * np.pi * CONTROL * np.arange(len(contour)) / self.wobble[0])
        cutoff = (base * np.exp2(octaves)).astype(np.float32)
        mono = self.voices == 1 and not self.noise
        for channel in out[:1] if mono else out:
            filtered = np.empty(frames, np.float32)
            kernels.state_variable(channel, cutoff, self.resonance, self.kind, self.drive, filtered)
            if self.steep and self.kind == 0:
                kernels.state_variable(filtered, cutoff, 0.1, 0, 0.0, channel)
            else:
                channel[:] = filtered
        if mono:
            out[1] = out[0]


@dataclass(frozen=True)
class Operators:
    """FM: pairs of carrier and modulator; every pair is (carrier ratio, modulator ratio, index, index decay in seconds,
    level, decay in seconds, share of the index that stays)."""

    pairs: tuple[tuple[float, float, float, float, float, float, float], ...]
    attack: float = 0.002
    release: float = 0.15
    velocity_index: float = 0.8
    chorus_cents: float = 3.0
    key_scaling: float = 0.4
    sustain: float = 0.0

    def note(self, gesture: Gesture, rng: np.random.Generator) -> Sound2:
        """One note; left and right are the same operators, detuned against each other."""
        hz = hertz(gesture.pitch)
        frames = gesture.gate + int((self.release + 0.01) * RATE)
        time = np.arange(frames, dtype=np.float32) / np.float32(RATE)
        scale = (220.0 / max(hz, 220.0)) ** self.key_scaling
        shine = scale * (1.0 - self.velocity_index * (1.0 - gesture.velocity))
        out = np.zeros((2, frames), np.float32)
        for n, (carrier, modulator, index, index_decay, level, decay, kept) in enumerate(self.pairs):
            if carrier * hz > 16000.0:
                continue
            # Carson: the side bands reach index + 1 modulator frequencies from the carrier.
            most = max((19000.0 - carrier * hz) / (modulator * hz) - 1.0, 0.0) if modulator else 0.0
            depth = min(index * shine, most)
            contour = (kept + (1.0 - kept) * np.exp(-6.9 * time / index_decay)) * np.float32(depth)
            fall = self.sustain + (1.0 - self.sustain) * np.exp(-6.9 * time / decay)
            for channel, side in zip(out, (-1.0, 1.0), strict=True):
                cents = side * self.chorus_cents * (0.5 + 0.5 * (n % 2))
                turn = np.float32(2.0 * np.pi * hz * 2.0 ** (cents / 1200.0)) * time
                channel += np.float32(level) * fall * np.sin(carrier * turn + contour * np.sin(modulator * turn))
        out *= envelope(frames, gesture.gate, (self.attack, 1.0, 1.0, self.release))
        return faded(out)


@dataclass(frozen=True)
class Modal:
    """Struck bars, tines and bells: (ratio, level, decay in seconds at 440 Hz) of the partials, and a knock."""

    partials: tuple[tuple[float, float, float], ...]
    knock: float = 0.2
    knock_hz: float = 3000.0
    damped: bool = False
    release: float = 0.3
    tremolo_hz: float = 0.0
    tremolo: float = 0.0
    spread: float = 0.3

    def note(self, gesture: Gesture, rng: np.random.Generator) -> Sound2:
        """One note; it rings on after the gate unless it is ``damped``."""
        hz = hertz(gesture.pitch)
        longest = max(decay for _, _, decay in self.partials) * (440.0 / hz) ** 0.5
        frames = gesture.gate + int(self.release * RATE) if self.damped else int(min(longest, 4.0) * RATE)
        heard = [(r * hz, a, d) for r, a, d in self.partials if r * hz < 19000.0]
        soft = 1.0 - gesture.velocity
        side = rng.uniform(-self.spread, self.spread, len(heard))
        side[0] *= 0.3
        out = np.zeros((2, frames), np.float32)
        frequencies = np.array([f for f, _, _ in heard])
        levels = np.array([a * np.exp(-1.6 * soft * np.log(max(f / hz, 1.0))) for f, a, _ in heard])
        decays = np.array([d * (440.0 / hz) ** 0.5 for _, _, d in heard])
        phases = rng.uniform(0.0, 0.4, len(heard))
        kernels.modes(frequencies, levels * (1.0 - side), levels * (1.0 + side), decays, phases, out)
        if self.knock:
            n = int(0.012 * RATE)
            burst = rng.standard_normal(n) * np.exp(-np.arange(n) / (0.002 * RATE))
            smooth = np.empty(n, np.float32)
            kernels.state_variable(burst.astype(np.float32), np.full(1, self.knock_hz, np.float32), 0.3, 1, 0.0, smooth)
            out[:, : min(n, frames)] += self.knock * gesture.velocity * smooth[: min(n, frames)]
        if self.tremolo:
            time = np.arange(frames) / RATE
            sway = self.tremolo * np.sin(2.0 * np.pi * self.tremolo_hz * time)
            out *= np.stack((1.0 + sway, 1.0 - sway)).astype(np.float32)
        rise = np.minimum(np.arange(frames) / (0.0008 * RATE), 1.0).astype(np.float32)
        out *= rise
        if self.damped:
            out *= envelope(frames, gesture.gate, (0.0005, 1.0, 1.0, self.release))
        return faded(out)


@dataclass(frozen=True)
class Plucked:
    """A plucked string: decay in seconds at 220 Hz, ``damping`` of the treble, and the ``place`` where it is plucked.

    ``pickup`` is where a magnetic pickup listens (0: no pickup). ``width`` is how far another ear hears another string,
    ``buzz`` a bridge that rattles. Strokes softer than ``mute_below`` are muted by the palm.
    """

    decay: float = 3.0
    damping: float = 0.35
    place: float = 0.13
    brightness: float = 6000.0
    pickup: float = 0.0
    release: float = 0.12
    width: float = 0.15
    buzz: float = 0.0
    mute_below: float = 0.0

    def note(self, gesture: Gesture, rng: np.random.Generator) -> Sound2:
        """One note."""
        hz = hertz(gesture.pitch)
        period = RATE / hz
        frames = gesture.gate + int((self.release + 0.02) * RATE)
        burst = self._excitation(int(period) + 1, gesture.velocity, rng)
        muted = gesture.velocity < self.mute_below
        seconds = self.decay * (220.0 / hz) ** 0.6 * (0.07 if muted else 1.0)
        loss = 10.0 ** (-3.0 / (hz * seconds))
        stop = 10.0 ** (-3.0 / (hz * self.release))
        mono = np.empty(frames, np.float32)
        damping = min(self.damping * (1.3 if muted else 1.0) * (220.0 / hz) ** 0.5, 0.49)
        kernels.string(burst, period, damping, loss, gesture.gate, min(stop, loss), mono)
        if self.pickup:
            mono = self._comb(mono, self.pickup * period)
        if self.buzz:
            mono = mono + self.buzz * np.abs(mono)
            mono -= mono.mean()
        out = np.stack((mono, mono))
        if self.width:  # a second ear position: the same string through another delay
            shift = int(0.0004 * RATE * (1 + rng.random()))
            out[1, shift:] = (1.0 - self.width) * out[1, shift:] + self.width * mono[:-shift]
        return faded(out)

    def _excitation(self, frames: int, velocity: float, rng: np.random.Generator) -> NDArray[np.float32]:
        noise = rng.uniform(-1.0, 1.0, frames).astype(np.float32)
        smooth = np.empty_like(noise)
        cutoff = np.full(1, self.brightness * 2.0 ** (2.0 * (velocity - 0.8)), np.float32)
        kernels.state_variable(noise, cutoff, 0.05, 0, 0.0, smooth)
        smooth -= smooth.mean()
        smooth = self._comb(smooth, self.place * frames)
        return (smooth / (np.sqrt(np.mean(smooth**2)) + 1e-9) * 0.5).astype(np.float32)

    @staticmethod
    def _comb(x: NDArray[np.float32], delay: float) -> NDArray[np.float32]:
        n = max(round(delay), 1)
        out = x.copy()
        out[n:] -= 0.9 * x[:-n] if n < len(x) else 0.0
        return out


@dataclass(frozen=True)
class Layered:
    """Several patches at once: (patch, level)."""

    layers: tuple[tuple[Patch, float], ...]

    def note(self, gesture: Gesture, rng: np.random.Generator) -> Sound2:
        """The sum of the layers, as long as the longest."""
        sounds = [np.float32(level) * patch.note(gesture, rng) for patch, level in self.layers]
        out = np.zeros((2, max(sound.shape[1] for sound in sounds)), np.float32)
        for sound in sounds:
            out[:, : sound.shape[1]] += sound
        return out
