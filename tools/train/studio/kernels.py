"""Loops over samples that NumPy cannot express, compiled by Numba: oscillators, filters, strings, dynamics."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

RATE = 44100
CONTROL = 16  # frames between two values of a control signal (filter cutoff)


@njit(cache=True, fastmath=True)
def unison(table_a, table_b, morph, steps, bend, phases, left, right, out):  # noqa: PLR0913 - one call a note
    """Add detuned voices to ``out (2, frames)``; ``steps`` are periods a frame, ``bend`` scales them in every frame.

    Each voice crosses from ``table_a`` to ``table_b`` by ``morph (frames,)``; tables end with their first value.
    """
    size = table_a.shape[0] - 1
    moving = morph.max() > 0.0
    for voice in range(steps.shape[0]):
        place, step = phases[voice] * size, steps[voice] * size
        gain_left, gain_right = np.float32(left[voice]), np.float32(right[voice])
        for i in range(out.shape[1]):
            k = int(place)
            part = np.float32(place - k)
            value = table_a[k] + part * (table_a[k + 1] - table_a[k])
            if moving:
                other = table_b[k] + part * (table_b[k + 1] - table_b[k])
                value += morph[i] * (other - value)
            out[0, i] += gain_left * value
            out[1, i] += gain_right * value
            place += step * bend[i]
            if place >= size:
                place -= size


@njit(cache=True, fastmath=True)
def state_variable(x, cutoff, resonance, kind, drive, out):
    """One state-variable filter of 12 dB/octave over ``x (frames,)``: ``kind`` 0 low-pass, 1 band-pass, 2 high-pass.

    ``cutoff`` is in Hz, one value every ``CONTROL`` frames. ``resonance`` is 0..1. ``drive`` above 0 bends the input.
    """
    damping = 2.0 - 1.94 * resonance
    first, second = 0.0, 0.0
    a1, a2, a3 = 0.0, 0.0, 0.0
    for i in range(x.shape[0]):
        if i % CONTROL == 0:
            hz = min(max(cutoff[min(i // CONTROL, cutoff.shape[0] - 1)], 15.0), 0.45 * RATE)
            g = math.tan(math.pi * hz / RATE)
            a1 = 1.0 / (1.0 + g * (g + damping))
            a2 = g * a1
            a3 = g * a2
        value = x[i]
        if drive > 0.0:
            value = math.tanh(value * (1.0 + drive)) / (1.0 + 0.5 * drive)
        v3 = value - second
        v1 = a1 * first + a2 * v3
        v2 = second + a2 * first + a3 * v3
        first = 2.0 * v1 - first
        second = 2.0 * v2 - second
        if kind == 0:
            out[i] = v2
        elif kind == 1:
            out[i] = damping * v1
        else:
            out[i] = value - damping * v1 - v2


@njit(cache=True, fastmath=True)
def adsr(frames, gate, attack, decay, sustain, release, out):
    """An envelope: S-shaped attack, exponential decay and release (times in frames, to -60 dB for the last two)."""
    level, turn, fall = 0.0, 0.0, math.exp(-6.9 / max(decay, 1.0))
    leave = math.exp(-6.9 / max(release, 1.0))
    rise = 1.0 / max(attack, 1.0)
    rising = True
    for i in range(frames):
        if i >= gate:
            level *= leave
        elif rising:
            turn += rise
            level = turn * turn * (3.0 - 2.0 * turn)
            if turn >= 1.0:
                level, rising = 1.0, False
        else:
            level = sustain + (level - sustain) * fall
        out[i] = level


@njit(cache=True, fastmath=True)
def modes(frequencies, left, right, decays, phases, out):
    """Add decaying sines to ``out (2, frames)``, with a level for each side.

    ``frequencies`` are in Hz, ``decays`` in seconds to -60 dB. A sine is turned step by step, without sin().
    """
    for m in range(frequencies.shape[0]):
        angle = 2.0 * math.pi * frequencies[m] / RATE
        shrink = math.exp(-6.9 / (decays[m] * RATE))
        cos, sin = math.cos(angle) * shrink, math.sin(angle) * shrink
        re, im = math.cos(phases[m]), math.sin(phases[m])
        frames = min(out.shape[1], int(1.4 * decays[m] * RATE))
        a, b = left[m], right[m]
        for i in range(frames):
            out[0, i] += a * im
            out[1, i] += b * im
            re, im = re * cos - im * sin, re * sin + im * cos


@njit(cache=True, fastmath=True)
def string(excitation, period, damping, loss, gate, release_loss, out):
    """A plucked string (Karplus-Strong): a delay of ``period`` frames in a loop with a two-point average.

    ``damping`` 0..0.5 takes the treble, ``loss`` and after ``gate`` frames ``release_loss`` scale every turn. The
    fraction of the period is an all-pass filter, so that the pitch is exact.
    """
    whole = int(period - damping - 0.1)
    fraction = period - damping - whole
    allpass = (1.0 - fraction) / (1.0 + fraction)
    line = np.zeros(whole, np.float64)
    at, last_in, last_out, previous = 0, 0.0, 0.0, 0.0
    for i in range(out.shape[0]):
        back = line[at]
        mean = (1.0 - damping) * back + damping * previous
        previous = back
        mean *= loss if i < gate else release_loss
        turned = allpass * mean + last_in - allpass * last_out
        last_in, last_out = mean, turned
        value = turned
        if i < excitation.shape[0]:
            value += excitation[i]
        line[at] = value
        at += 1
        if at == whole:
            at = 0
        out[i] = value


@njit(cache=True)
def add_circular(out, sound, start, gain_left, gain_right):
    """Add ``sound (2, n)`` to the loop ``out (2, frames)`` from frame ``start`` on, round its end."""
    frames = out.shape[1]
    at = start % frames
    for i in range(sound.shape[1]):
        out[0, at] += gain_left * sound[0, i]
        out[1, at] += gain_right * sound[1, i]
        at += 1
        if at == frames:
            at = 0


@njit(cache=True, fastmath=True)
def follow(level, attack, release, out):
    """A circular envelope follower over ``level (frames,)``: coefficients a frame, 0..1, in two passes."""
    value = 0.0
    for _ in range(2):
        for i in range(level.shape[0]):
            coefficient = attack if level[i] > value else release
            value += coefficient * (level[i] - value)
            out[i] = value


@njit(cache=True, fastmath=True)
def chorus(x, depth, centre, cycles, phase, out):
    """A delay around ``centre`` frames that sways by ``depth``, ``cycles`` times a loop ``x (frames,)``."""
    frames = x.shape[0]
    turn = 2.0 * math.pi * cycles / frames
    cos, sin = math.cos(turn), math.sin(turn)
    re, im = math.cos(phase), math.sin(phase)
    for i in range(frames):
        place = i - centre - depth * im
        k = math.floor(place)
        part = place - k
        a = int(k) % frames
        b = a + 1 if a + 1 < frames else 0
        z = a - 1 if a > 0 else frames - 1
        c = b + 1 if b + 1 < frames else 0
        # four-point Hermite: a straight line would take treble by the fraction
        c1 = 0.5 * (x[b] - x[z])
        c2 = x[z] - 2.5 * x[a] + 2.0 * x[b] - 0.5 * x[c]
        c3 = 0.5 * (x[c] - x[z]) + 1.5 * (x[a] - x[b])
        out[i] = ((c3 * part + c2) * part + c1) * part + x[a]
        re, im = re * cos - im * sin, re * sin + im * cos


@njit(cache=True, fastmath=True)
def true_peaks(left, right, taps, threshold, out):
    """The larger of both channels in every frame, with three points between frames where it is above ``threshold``.

    ``taps (3, 2 * half)`` are windowed sincs for a quarter, a half and three quarters of a frame.
    """
    frames, half = left.shape[0], taps.shape[1] // 2
    for i in range(frames):
        out[i] = max(abs(left[i]), abs(right[i]))
    for i in range(frames):
        after = i + 1 if i + 1 < frames else 0
        if max(abs(left[i]), abs(right[i]), abs(left[after]), abs(right[after])) < threshold:
            continue
        peak = out[i]
        for p in range(3):
            a, b = 0.0, 0.0
            for t in range(2 * half):
                k = i + t - half + 1
                if k < 0:
                    k += frames
                elif k >= frames:
                    k -= frames
                a += taps[p, t] * left[k]
                b += taps[p, t] * right[k]
            peak = max(peak, abs(a), abs(b))
        out[i] = peak
        out[after] = max(out[after], peak)


@njit(cache=True)
def limiter_gain(peak, ceiling, window, release, out):
    """The gain of a look-ahead limiter over a loop: least in ``window`` frames, released, smoothed."""
    frames = peak.shape[0]
    needed = np.empty(frames, np.float64)
    for i in range(frames):
        needed[i] = min(1.0, ceiling / max(peak[i], 1e-9))
    # The least of the window [i, i + window), by a queue of candidates.
    held = np.empty(frames, np.float64)
    queue = np.empty(frames + window + 1, np.int64)
    first, last = 0, 0
    for j in range(frames + window):
        value = needed[j % frames]
        while last > first and needed[queue[last - 1] % frames] >= value:
            last -= 1
        queue[last] = j
        last += 1
        i = j - window + 1
        if i >= 0 and i < frames:
            while queue[first] < i:
                first += 1
            held[i] = needed[queue[first] % frames]
    value = 1.0
    for _ in range(2):
        for i in range(frames):
            value = held[i] if held[i] < value else value + release * (held[i] - value)
            out[i] = value
    # A straight mean over the window that ends at i: all of it has seen the peak at i.
    source = out.copy()
    total = 0.0
    for j in range(1 - window, 1):
        total += source[j % frames]
    for i in range(frames):
        out[i] = total / window
        total += source[(i + 1) % frames] - source[(i + 1 - window) % frames]
