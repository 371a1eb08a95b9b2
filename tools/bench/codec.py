"""Measures the cost and the losses of the codec on General MIDI loops.

Run it with ``python tools/bench/codec.py [--grid] [--soundfont F]``.

Prints tables: machine and versions, accuracy for each setting, cost of each part with its spread. It is not a test. SC
and LSD compare mel images before and after (linear magnitude; dB with a floor of -80 dB). "fine" does the same in an
independent 2048/128/512 image. "in tune" is the share of spectral peaks within 20 cents of the semitone grid.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from riffengine.renderer.codec import Codec, CodecParams
from riffengine.renderer.codec.phase import griffin_lim, predicted_phase
from riffengine.renderer.levelling import level

RATE = 44100
TEMPI = (60, 75, 90, 100, 120, 128, 140, 165, 180)
SOUNDFONT = Path("/usr/share/sounds/sf3/MuseScore_General_Lite.sf3")
GRID = ((4096, 256, 256), (4096, 256, 512), (3072, 256, 384), (2048, 256, 512), (4096, 320, 256))
Note = tuple[float, int, int, int, float]  # beat, channel, pitch, velocity, beats


def compose(number: int, rng: np.random.Generator) -> list[Note]:
    """Two bars of drums (channel 9), bass (0), chords (1) and lead (2) on a minor scale."""
    root, notes = int(rng.integers(28, 40)), []
    for step in range(32):
        beat, bar_root = step / 4, root + (0, 5, 3, 7)[step // 8]
        if step % 8 == 0:
            notes.append((beat, 9, 36, 110, 0.2))
        if step % 8 == 4:
            notes.append((beat, 9, 38, 105, 0.2))
        if step % 2 == 0 or rng.random() < 0.3:
            notes.append((beat, 9, 42, int(rng.integers(50, 90)), 0.1))
        if step % 4 == 0 or rng.random() < 0.3:
            notes.append((beat, 0, bar_root, 100, 0.4))
        if rng.random() < 0.35:
            pitch = root + 36 + (0, 3, 5, 7, 10, 12)[int(rng.integers(6))]
            notes.append((beat, 2, pitch, 95, float(rng.choice([0.25, 0.5, 1.0]))))
        if step % 8 == (0 if number % 2 else 2):
            notes.extend((beat, 1, bar_root + 24 + third, 80, 1.4) for third in (0, 3, 7))
    return notes


def render_loops(soundfont: Path, count: int) -> list[Tensor]:
    """Loops ``(1, L)``, played twice; the second pass is kept, so that tails wrap around the end."""
    import fluidsynth  # only this tool needs it

    synth = fluidsynth.Synth(samplerate=RATE, gain=0.5)
    font = synth.sfload(str(soundfont))
    rng, loops = np.random.default_rng(1), []
    for number in range(count):
        synth.system_reset()
        programs = ((33, 38, 32, 35)[number % 4], (0, 4, 48, 89, 16, 27)[number % 6], (80, 73, 11, 81)[number // 2 % 4])
        for channel, program in enumerate(programs):
            synth.program_select(channel, font, 0, program)
        synth.program_select(9, font, 128, 0)
        beat_frames = 60 / TEMPI[number % len(TEMPI)] * RATE
        length = round(8 * beat_frames)
        events = []
        for beat, channel, pitch, velocity, beats in compose(number, rng):
            for start in (0, length):
                events.append((start + round(beat * beat_frames), 1, channel, pitch, velocity))
                events.append((start + round((beat + beats) * beat_frames) - 1, 0, channel, pitch, 0))
        sound, position = [], 0
        for frame, on, channel, pitch, velocity in [*sorted(events), (2 * length, 0, 9, 0, 0)]:
            if min(frame, 2 * length) > position:
                sound.append(synth.get_samples(min(frame, 2 * length) - position))
                position = min(frame, 2 * length)
            if on:
                synth.noteon(channel, pitch, velocity)
            else:
                synth.noteoff(channel, pitch)
        loop = np.concatenate(sound).reshape(-1, 2).mean(1)[length:].astype(np.float32)
        loops.append(torch.from_numpy(loop * (0.7 / np.abs(loop).max()))[None])
    return loops


def stored_loops(folder: Path, count: int) -> list[Tensor]:
    """Evenly chosen loops from ``*.npz`` with ``audio`` (int16, concatenated) and ``offsets``; stems are summed."""
    loops = []
    with np.load(sorted(folder.glob("*.npz"))[0]) as stored:
        audio, offsets = stored["audio"], stored["offsets"]
    for number in np.linspace(0, len(offsets) - 2, count).astype(int):
        loop = audio[offsets[number] : offsets[number + 1]].astype(np.float32) / 32768
        loops.append(torch.from_numpy(loop.reshape(len(loop), -1).mean(1))[None])
    return loops


def closeness(judge: Codec, before: Tensor, after: Tensor) -> tuple[float, float]:
    """SC and LSD in dB of two loops, as images of ``judge``."""
    wanted, found = (judge.encode(x).double() ** (1 / judge.params.power) for x in (before, after))
    floor = wanted.max() * 1e-4
    distance = (20 * torch.log10(wanted.clamp_min(floor)) - 20 * torch.log10(found.clamp_min(floor))).square()
    return float((wanted - found).norm() / wanted.norm()), float(distance.mean(-1).sqrt().mean())


def in_tune(loop: NDArray[np.float32], size: int = 16384) -> float:
    """Share of peak magnitude, 100 .. 2000 Hz, within 20 cents of equal temperament at 440 Hz."""
    inside = total = 0.0
    around = np.concatenate([loop, loop[:size]])
    for start in range(0, len(loop), size // 4):
        spectrum = np.abs(np.fft.rfft(around[start : start + size] * np.hanning(size))) + 1e-9
        bins = np.flatnonzero((spectrum[1:-1] > spectrum[:-2]) & (spectrum[1:-1] >= spectrum[2:])) + 1
        bins = bins[(bins * RATE > 100 * size) & (bins * RATE < 2000 * size) & (spectrum[bins] > 0.01 * spectrum.max())]
        low, mid, high = (np.log(spectrum[bins + shift]) for shift in (-1, 0, 1))
        hz = (bins + 0.5 * (low - high) / (low - 2 * mid + high)) * RATE / size
        cents = (1200 * np.log2(hz / 440) + 50) % 100 - 50
        inside += float(spectrum[bins][np.abs(cents) < 20].sum())
        total += float(spectrum[bins].sum())
    return inside / total


def bass_cents(decode: Callable[[Tensor], Tensor]) -> tuple[float, float]:
    """Median and 90th percentile of |cents| of the fundamentals of 16 bass notes between 55 and 104 Hz at 120 bpm."""
    length, loop, errors = 4 * RATE, np.zeros(4 * RATE), []
    t = np.arange(length // 16) / RATE
    fade = np.exp(-3 * t) * np.minimum(1, t / 0.005) * np.minimum(1, t[::-1] / 0.01)
    pitches = [55 * 2 ** ((number * 5 % 12) / 12) for number in range(16)]
    for number, hz in enumerate(pitches):
        note = sum(np.sin(2 * np.pi * hz * partial * t) / partial for partial in range(1, 9)) * fade * 0.3
        loop[number * len(t) : (number + 1) * len(t)] = note
    found = decode(torch.from_numpy(loop.astype(np.float32))[None])[0].numpy()
    for number, hz in enumerate(pitches):
        note = found[number * len(t) : (number + 1) * len(t)]
        spectrum = np.abs(np.fft.rfft(note * np.hanning(len(note)), 1 << 17))
        axis = np.arange(len(spectrum)) * RATE / (1 << 17)
        near = np.flatnonzero(np.abs(np.log2(np.maximum(axis, 1) / hz)) < 0.7 / 12)
        errors.append(abs(1200 * np.log2(axis[near[spectrum[near].argmax()]] / hz)))
    return float(np.median(errors)), float(np.percentile(errors, 90))


def pre_echo_db(decode: Callable[[Tensor], Tensor]) -> float:
    """Energy 32 .. 2 ms before a lone noise burst (a snare), against the 30 ms after its start."""
    rng, loop, before, after = np.random.default_rng(0), np.zeros(4 * RATE, np.float32), 0.0, 0.0
    hits = [RATE // 2 + RATE * number for number in range(4)]
    for hit in hits:
        t = np.arange(round(0.15 * RATE))
        loop[hit : hit + len(t)] = 0.3 * rng.standard_normal(len(t)) * np.exp(-40 * t / RATE)
    found = decode(torch.from_numpy(loop)[None])[0].numpy()
    width, gap = round(0.03 * RATE), round(0.002 * RATE)
    for hit in hits:
        before += float((found[hit - gap - width : hit - gap] ** 2).sum())
        after += float((found[hit : hit + width] ** 2).sum())
    return 10 * float(np.log10(before / after + 1e-12))


def print_accuracy(loops: list[Tensor], settings: tuple[tuple[int, int, int], ...], rounds: tuple[int, ...]) -> None:
    judge = Codec(CodecParams(n_fft=2048, n_mels=128, frames=512))
    print(f"original: in tune {statistics.mean(in_tune(x[0].numpy()) for x in loops):.3f}")
    print("n_fft/n_mels/T    GL     SC          LSD dB       fine SC/LSD  in tune bass cents  pre-echo  s per loop")
    for n_fft, n_mels, frames in settings:
        codec = Codec(CodecParams(n_fft=n_fft, n_mels=n_mels, frames=frames))
        for iterations in rounds:
            rows = []
            for loop in (x for x in loops if x.shape[1] <= codec.params.longest_loop):
                mel = codec.encode(loop)
                begin = time.perf_counter()
                after = codec.decode(mel, loop.shape[1], iterations=iterations)
                seconds = time.perf_counter() - begin
                rows.append(
                    (*closeness(codec, loop, after), *closeness(judge, loop, after), in_tune(after[0].numpy()), seconds)
                )
            sc, lsd, fine_sc, fine_lsd, tune, seconds = np.mean(rows, axis=0)
            sc_spread, lsd_spread = np.std(rows, axis=0)[:2]

            def again(x: Tensor, codec: Codec = codec, iterations: int = iterations) -> Tensor:
                return codec.decode(codec.encode(x), x.shape[1], iterations=iterations)

            median, ninth = bass_cents(again)
            print(
                f"{n_fft}/{n_mels}/{frames:<6} {iterations:4d}  {sc:.3f} ±{sc_spread:.3f} {lsd:5.2f} ±{lsd_spread:.2f}",
                f"{fine_sc:.3f}/{fine_lsd:.2f}   {tune:.3f}   {median:4.1f} (p90 {ninth:4.1f})",
                f"{pre_echo_db(again):6.1f} dB  {seconds:.3f}",
                sep="  ",
                flush=True,
            )


def print_costs(loop: Tensor, repeats: int) -> None:
    codec, length = Codec(CodecParams()), loop.shape[1]
    frames, bank, mel = codec._stft(length), codec._filterbank, codec.encode(loop)
    bands = codec._bands_of(mel)
    magnitudes = codec._magnitudes(bands)
    start = torch.polar(magnitudes, predicted_phase(magnitudes, frames))
    stereo = np.repeat(loop.numpy()[:, :, None], 2, axis=2)
    neighbour = codec.decode(mel, length)
    parts: dict[str, Callable[[], object]] = {
        "geometry of a new tempo": lambda: Codec(CodecParams())._stft(length),
        "encode": lambda: codec.encode(loop),
        "mel inversion": lambda: codec._magnitudes(bands),
        "predicted phase": lambda: predicted_phase(magnitudes, frames),
        "one Griffin-Lim round": lambda: griffin_lim(start, bands, bank, frames, 1, 0.99),
        "decode, 12 rounds": lambda: codec.decode(mel, length),
        "decode, warm, 6 rounds": lambda: codec.decode(mel, length, phase_from=neighbour, iterations=6),
        "level (1 stem, stereo)": lambda: level(stereo, -16.0, RATE),
    }
    print(f"\ncost in ms of a loop of {length / RATE:.2f} s, {torch.get_num_threads()} thread(s), {repeats} repeats")
    for name, part in parts.items():
        part()
        times = []
        for _ in range(repeats):
            begin = time.perf_counter()
            part()
            times.append((time.perf_counter() - begin) * 1e3)
        print(f"  {name:26} median {statistics.median(times):7.1f}  min {min(times):7.1f}  max {max(times):7.1f}")


def main() -> None:
    """Print every table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--soundfont", type=Path, default=SOUNDFONT)
    parser.add_argument("--data", type=Path, help="folder of *.npz loops instead of rendering some")
    parser.add_argument("--loops", type=int, default=18)
    parser.add_argument("--grid", action="store_true", help="all settings, not only the default")
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(f"{platform.processor() or platform.machine()}, {platform.system()}, {torch.get_num_threads()} thread(s)")
    print(f"python {sys.version.split()[0]}, torch {torch.__version__}, numpy {np.__version__}")
    if options.data:
        loops = stored_loops(options.data, options.loops)
    else:
        loops = render_loops(options.soundfont, options.loops)
    default = CodecParams()
    one = ((default.n_fft, default.n_mels, default.frames),)
    print_accuracy(loops, GRID if options.grid else one, (4, 8, 12, 16) if options.grid else (8, 12))
    print_costs(torch.nn.functional.interpolate(loops[0][None], round(5.12 * RATE))[0], options.repeats)


if __name__ == "__main__":
    main()
