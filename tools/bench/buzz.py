"""What phase reconstruction does to noise and strokes: ``python -m tools.bench.buzz [--loops 24]``.

Stems of the teacher pass through each stem's codec, once with predicted phases alone and once as the bundled model
decodes them, beside the original. Generated loops have no original. Whole loops pass through Riffusion's pictures in
the same two ways. Medians of

- buzz: the envelope above 5 kHz at the frame rate, above the median of its neighbours (dB), and its share above 15 dB,
- LSD up to 16 kHz (dB),
- pre-echo: level from 26 to 6 ms before the strokes, above the original (dB),
- rise from 10 to 90 % at the strokes, 1 to 5 kHz (snare) and above 7 kHz (hats), in ms.
"""

from __future__ import annotations

import argparse
import platform
from collections import defaultdict
from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from riffengine.processes.render_request import MorphEnd, RenderRequest
from riffengine.renderer.bundled.descriptor import envelope_weights
from riffengine.renderer.bundled.family import PHASE_ITERATIONS, BundledModel
from riffengine.renderer.bundled.latent_codec import LatentCodec, StemShape
from riffengine.renderer.bundled.score import BEATS
from riffengine.renderer.bundled.stem_decoder import StemDecoder
from riffengine.renderer.codec import Codec
from riffengine.renderer.codec.envelopes import load_envelope_net
from riffengine.renderer.riffusion.codec import COLUMNS_PER_BEAT, NOISE_FROM_HZ, RiffusionCodec
from tools.train.compose.composition import compose
from tools.train.compose.render import Band, find_soundfont

RATE = 44100
PROMPTS = (
    "house, driving", "jazz, piano", "drum and bass", "ambient, pad", "trance, strings, organ", "rock, guitar",
    "techno, dark", "funk, clavinet", "hip hop, 808 drums", "lo-fi, electric piano", "reggae", "synthwave",
    "ambient, choir", "classical, violin", "metal",
)  # fmt: skip
Loop = NDArray[np.float32]
Decode = Callable[[int, Tensor, int], Loop]
TeacherLoop = tuple[float, NDArray[np.float32]]  # tempo, stems (3, frames)


def band(loop: Loop, low: float, high: float = np.inf) -> NDArray[np.float64]:
    """A loop between two frequencies in Hz, by a circular filter without delay."""
    hz = np.maximum(np.fft.rfftfreq(len(loop), 1 / RATE), 1e-3)
    gain = 1 / np.sqrt(1 + (low / hz) ** 12) / np.sqrt(1 + (hz / high) ** 12)
    return np.fft.irfft(np.fft.rfft(loop) * gain, len(loop))


def level(signal: NDArray[np.floating], seconds: float) -> NDArray[np.float64]:
    """The level of a loop around every sample, through a window of ``seconds``."""
    width = int(seconds * RATE)
    window = np.zeros(len(signal))
    window[:width] = np.hanning(width + 2)[1:-1] / np.hanning(width + 2).sum()
    power = np.fft.irfft(np.fft.rfft(signal**2) * np.fft.rfft(np.roll(window, -(width // 2))), len(signal))
    return np.sqrt(np.maximum(power, 1e-14))


def buzz_db(loop: Loop, frame_hz: float) -> float:
    """The spectral line of the envelope above 5 kHz at the codec's frame rate, above the median of its neighbours."""
    envelope = np.abs(band(loop, 5000.0))
    spectrum = np.abs(np.fft.rfft((envelope - envelope.mean()) * np.hanning(len(loop))))
    line = round(frame_hz * len(loop) / RATE)
    near = np.concatenate([spectrum[line - 60 : line - 8], spectrum[line + 9 : line + 61]])
    return float(20 * np.log10(spectrum[line - 2 : line + 3].max() / np.median(near)))


def spectral_distance(one: Loop, other: Loop) -> float:
    """The log-spectral distance of two loops up to 16 kHz, in dB."""
    starts = np.arange(0, len(one) - 2048, 512)[:, None] + np.arange(2048)
    levels = [
        10 * np.log10(np.abs(np.fft.rfft(x[starts] * np.hanning(2048)))[:, :744] ** 2 + 1e-6) for x in (one, other)
    ]
    return float(np.sqrt(((levels[0] - levels[1]) ** 2).mean(axis=1)).mean())


def strokes(original: Loop, low: float, high: float = np.inf) -> list[int]:
    """Frames of the strong strokes of a band: within 18 dB of the loudest, 10 dB above what was 5 to 30 ms before."""
    decibels = 20 * np.log10(level(band(original, low, high), 0.002) + 1e-6)
    before = np.minimum.reduce([np.roll(decibels, shift) for shift in range(220, 1323, 220)])
    found: list[int] = []
    taken = np.zeros(len(original), bool)
    for frame in np.argsort(-decibels)[::20]:
        if decibels[frame] < decibels.max() - 18.0:
            break
        if not taken[frame]:
            taken[np.arange(frame - 3969, frame + 3969) % len(original)] = True
            if decibels[frame] - before[frame] > 10.0:
                found.append(int(frame))
    return found


def rises_ms(loop: Loop, at: list[int], low: float, high: float = np.inf) -> list[float]:
    """The time from 10 to 90 % of the highest level around each stroke."""
    levels, found = level(band(loop, low, high), 0.001), []
    for frame in at:
        piece = levels[np.arange(frame - 1764, frame + 1102) % len(loop)]
        until_top = piece[: piece.argmax() + 1]
        first, last = (np.flatnonzero(until_top < share * piece.max()) for share in (0.1, 0.9))
        found.append((max(last, default=0) - max(first, default=0)) / RATE * 1000)
    return found


def pre_echo_db(loop: Loop, original: Loop, at: list[int]) -> list[float]:
    """The level from 26 to 6 ms before each stroke, above 200 Hz, over that of the original."""
    powers = [band(x, 200.0) ** 2 + 1e-10 for x in (loop, original)]
    before = [np.arange(frame - 1146, frame - 264) % len(loop) for frame in at]
    return [float(10 * np.log10(powers[0][where].mean() / powers[1][where].mean())) for where in before]


def teacher_stems(count: int) -> Iterator[tuple[float, NDArray[np.float32]]]:
    """Tempo and stems ``(3, frames)`` of loops that no training saw."""
    studio = Band(find_soundfont())
    for seed in range(7_000_000, 7_000_000 + count):
        piece = compose(seed)
        yield piece.bpm, studio.render(piece)


def measure(
    decode: Decode, loops: list[tuple[float, NDArray[np.float32]]], index: int, shape: StemShape
) -> dict[str, list[float]]:
    """All measures of one stem of the loops after ``decode``."""
    rows: dict[str, list[float]] = defaultdict(list)
    encoder = Codec(shape.codec)
    for bpm, stems in loops:
        original = stems[index]
        if np.abs(original).max() < 1e-3:
            continue
        made = decode(index, encoder.encode(torch.from_numpy(original)[None]), len(original))
        rows["buzz"].append(buzz_db(made, shape.codec.frames / BEATS * bpm / 60))
        rows["LSD"].append(spectral_distance(original, made))
        snares = strokes(original, 1000.0, 5000.0)
        rows["pre-echo"] += pre_echo_db(made, original, snares)
        rows["snare rise"] += rises_ms(made, snares, 1000.0, 5000.0)
        rows["hat rise"] += rises_ms(made, strokes(original, 7000.0), 7000.0)
    return rows


def picture_buzz(loops: list[TeacherLoop], noise_from_hz: float | None) -> float:
    """The buzz of whole loops that have been Riffusion pictures, at the rate of their columns or of half of them."""
    codec, found = RiffusionCodec(noise_from_hz=noise_from_hz), []
    for bpm, stems in loops:
        mix = torch.from_numpy(stems.sum(axis=0))[None, None]
        columns = BEATS * COLUMNS_PER_BEAT
        made = codec.decode(codec.encode(mix, columns), mix.shape[2])[0, 0].numpy()
        found.append(max(buzz_db(made, share * COLUMNS_PER_BEAT * bpm / 60) for share in (0.5, 1.0)))
    return float(np.median(found))


def generated_mels(model: BundledModel, bpm: float) -> Iterator[tuple[list[Tensor], tuple[str, ...]]]:
    """The mel images of the stems of every prompt, and its silent stems."""
    for seed, prompt in enumerate(PROMPTS):
        end = MorphEnd(prompt, seed)
        loop = model._sampler.sample(
            RenderRequest(end, end, bpm=bpm).canonical(), lambda: None, None, model._encode_init
        )
        yield model._codec.decode(loop.latents), loop.silent


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--loops", type=int, default=24, help="of the teacher")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{platform.processor() or platform.machine()}, torch {torch.__version__}, {options.loops} loops")
    model = BundledModel.load()
    shapes = model._codec.shapes
    codecs = [Codec(shape.codec) for shape in shapes]
    decoder = StemDecoder(LatentCodec(shapes), load_envelope_net(envelope_weights()))

    def predicted(index: int, mel: Tensor, frames: int) -> Loop:
        return codecs[index].decode(mel, frames, iterations=PHASE_ITERATIONS)[0].numpy()

    def shipped(index: int, mel: Tensor, frames: int) -> Loop:
        mels = [mel if i == index else torch.zeros(1, s.codec.frames, s.codec.n_mels) for i, s in enumerate(shapes)]
        silent = [shape.name for i, shape in enumerate(shapes) if i != index]
        return decoder.audio(mels, frames, PHASE_ITERATIONS, silent)[index].numpy()

    loops, bpm = list(teacher_stems(options.loops)), 124.0
    generated = list(generated_mels(model, bpm))
    for index, shape in enumerate(shapes):
        for name, decode in (("predicted", predicted), ("as shipped", shipped)):
            rows = measure(decode, loops, index, shape)
            frames, frame_hz = round(BEATS * 60 * RATE / bpm), shape.codec.frames / BEATS * bpm / 60
            buzzes = [
                buzz_db(decode(index, m[index], frames), frame_hz)
                for m, silent in generated
                if shape.name not in silent
            ]
            found = ", ".join(f"{key} {np.median(values):.2f}" for key, values in rows.items())
            share = np.mean(np.array(buzzes) > 15.0)
            print(
                f"{shape.name:8} {name:11} {found}; generated: buzz {np.median(buzzes):.1f}, {share:.2f} above 15 dB",
                flush=True,
            )
        audible = [(bpm, stems[index]) for bpm, stems in loops if np.abs(stems[index]).max() > 1e-3]
        values = [
            [buzz_db(stem, shape.codec.frames / BEATS * tempo / 60) for tempo, stem in audible],
            [rise for _, stem in audible for rise in rises_ms(stem, strokes(stem, 1000.0, 5000.0), 1000.0, 5000.0)],
            [rise for _, stem in audible for rise in rises_ms(stem, strokes(stem, 7000.0), 7000.0)],
        ]
        buzz, snare, hat = (float(np.median(column)) for column in values)
        print(f"{shape.name:8} original    buzz {buzz:.2f}, snare rise {snare:.2f}, hat rise {hat:.2f}", flush=True)
    for name, noise_from_hz in (("predicted", None), ("as shipped", NOISE_FROM_HZ)):
        print(f"pictures {name:11} buzz {picture_buzz(loops, noise_from_hz):.1f}", flush=True)


if __name__ == "__main__":
    main()
