"""How loud and how wide generated loops are: ``python -m tools.bench.levels [--words 116]``.

Every word of the vocabulary, up to ``--words``, is a prompt of its own. Printed are the loudness (mean, spread, the
largest jump between two prompts), the highest true peak, the level of the side against the mid, and the most that an
octave loses in mono.
"""

from __future__ import annotations

import argparse
import platform

import numpy as np
import torch

from riffengine.processes.render_request import MorphEnd, RenderRequest
from riffengine.renderer.bundled.family import BundledModel
from riffengine.renderer.loudness import loop_loudness
from tools.train.mix_measures import mono_loss_db, side_db, true_peak_db
from tools.train.stroke_measures import RATE


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--words", type=int, default=116, help="how many")
    options = parser.parse_args()
    torch.set_num_threads(1)
    model = BundledModel.load()
    loudness, peaks, sides, losses = [], [], [], []
    for seed, word in enumerate(model.vocabulary[: options.words]):
        end = MorphEnd(word, seed)
        mix = model.render(RenderRequest(end, end, bpm=120.0), lambda: None).audio.sum(axis=0)
        loudness.append(loop_loudness(mix, RATE))
        peaks.append(true_peak_db(mix.T))
        sides.append(side_db(mix.T))
        losses.append(mono_loss_db(mix.T))
    print(f"{platform.machine()}, torch {torch.__version__}, weights {model.weights_digest}, {len(loudness)} words")
    print(f"loudness: mean {np.mean(loudness):.2f} LUFS, spread {np.std(loudness):.3f}, jump {np.ptp(loudness):.2f} LU")
    print(f"highest true peak {max(peaks):.2f} dBTP")
    print(f"side against mid: median {np.median(sides):.1f} dB, {min(sides):.1f} to {max(sides):.1f}")
    print(f"loss of an octave in mono: at most {max(losses):.2f} dB")


if __name__ == "__main__":
    main()
