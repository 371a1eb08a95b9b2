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
from tools.train.stroke_measures import (
    HAT_HZ,
    RATE,
    SNARE_HZ,
    Loop,
    buzz_db,
    pre_echo_db,
    rises_ms,
    spectral_distance,
    strokes,
)
from tools.train.studio.soundfont import find_soundfont
from tools.train.studio.studio import Studio

PROMPTS = (
    "house, driving", "jazz, piano", "drum and bass", "ambient, pad", "trance, strings, organ", "rock, guitar",
    "techno, dark", "funk, clavinet", "hip hop, 808 drums", "lo-fi, electric piano", "reggae", "synthwave",
    "ambient, choir", "classical, violin", "metal",
)  # fmt: skip
Decode = Callable[[int, Tensor, int], Loop]
TeacherLoop = tuple[float, NDArray[np.float32]]  # tempo, stems (3, frames)


def teacher_stems(count: int) -> Iterator[tuple[float, NDArray[np.float32]]]:
    """Tempo and stems ``(3, frames)`` of loops that no training saw."""
    studio = Studio(find_soundfont())
    for seed in range(7_000_000, 7_000_000 + count):
        piece = compose(seed)
        yield piece.bpm, studio.render(piece).mean(axis=1)


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
        snares = strokes(original, *SNARE_HZ)
        rows["pre-echo"] += pre_echo_db(made, original, snares)
        rows["snare rise"] += rises_ms(made, snares, *SNARE_HZ)
        rows["hat rise"] += rises_ms(made, strokes(original, *HAT_HZ), *HAT_HZ)
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
            [rise for _, stem in audible for rise in rises_ms(stem, strokes(stem, *SNARE_HZ), *SNARE_HZ)],
            [rise for _, stem in audible for rise in rises_ms(stem, strokes(stem, *HAT_HZ), *HAT_HZ)],
        ]
        buzz, snare, hat = (float(np.median(column)) for column in values)
        print(f"{shape.name:8} original    buzz {buzz:.2f}, snare rise {snare:.2f}, hat rise {hat:.2f}", flush=True)
    for name, noise_from_hz in (("predicted", None), ("as shipped", NOISE_FROM_HZ)):
        print(f"pictures {name:11} buzz {picture_buzz(loops, noise_from_hz):.1f}", flush=True)


if __name__ == "__main__":
    main()
