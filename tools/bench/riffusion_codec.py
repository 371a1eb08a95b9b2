"""Compares our way from picture to audio with Riffusion's own: python -m tools.bench.riffusion_codec [--loops N].

Composed loops of 5.12 s become pictures of 512 x 512 with 8 bits a pixel, by each side's own encoder; each side decodes
its own. Theirs is written from its published parameters with the parts of torchaudio: Spectrogram 17640/4410/441,
MelScale 512 HTK 0..10 kHz, InverseMelScale (least squares, the one that torchaudio still has), GriffinLim 32 rounds,
momentum 0.99. LSD (dB, floor -80 dB) and SC compare a 2048/512 spectrogram 0..10 kHz with the original's after matching
the RMS, without the first and last 0.2 s, because theirs is not a loop. MAE compares the picture of the decoded sound,
in 255ths.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from riffengine.renderer.riffusion.codec import DECODE_MAX, RiffusionCodec, RiffusionParams, frames_of_columns
from riffengine.renderer.torchaudio_import import import_torchaudio
from tools.train.compose.composition import compose
from tools.train.compose.render import Band, find_soundfont

RATE, WIDTH, SEAM_BPM = 44100, 512, 93.75
Way = Callable[[Tensor], Tensor]  # (L,) audio to picture (512, 512), or picture to audio


def composed_loops(count: int, soundfont: str | None) -> list[Tensor]:
    """Loops ``(225792,)`` of different genres at 93.75 bpm, peak 0.7."""
    band = Band(find_soundfont(soundfont))
    sounds = [band.render(replace(compose(seed * 7 + 3), bpm=SEAM_BPM)).sum(axis=0) for seed in range(count)]
    return [torch.from_numpy(sound * np.float32(0.7 / np.abs(sound).max())) for sound in sounds]


class Theirs:
    """Riffusion's recipe. One column less than ours: 511 hops of 441 samples are 225,351."""

    name = "Riffusion's recipe"

    def __init__(self, rounds: int) -> None:
        transforms = import_torchaudio().transforms
        size = {"n_fft": 17640, "win_length": 4410, "hop_length": 441}
        mel = {"n_mels": 512, "sample_rate": RATE, "f_min": 0, "f_max": 10000, "n_stft": 8821, "norm": None}
        self._spectrogram = transforms.Spectrogram(**size, power=1.0)
        self._mel = transforms.MelScale(**mel, mel_scale="htk")
        self._inverse = transforms.InverseMelScale(**mel, mel_scale="htk")
        self._griffin_lim = transforms.GriffinLim(**size, n_iter=rounds, power=1.0, momentum=0.99)

    def encode(self, loop: Tensor) -> Tensor:
        bands = self._mel(self._spectrogram(loop * 32767.0))[:, :WIDTH]
        return (255.0 * (1.0 - (bands / bands.max()) ** 0.25)).to(torch.uint8) / 255.0

    def decode(self, picture: Tensor) -> Tensor:
        return self._griffin_lim(self._inverse((1.0 - picture) ** 4 * DECODE_MAX)) / 32767.0


class Ours:
    """The engine's codec with Riffusion's parameters."""

    name = "ours"

    def __init__(self, rounds: int) -> None:
        self._codec, self._rounds = RiffusionCodec(RiffusionParams()), rounds

    def encode(self, loop: Tensor) -> Tensor:
        return (self._codec.encode(loop[None, None], WIDTH)[0, 0] * 255.0).round() / 255.0

    def decode(self, picture: Tensor) -> Tensor:
        frames = frames_of_columns(WIDTH, self._codec.params)
        return self._codec.decode(picture[None, None], frames, iterations=self._rounds)[0, 0]


def distance(before: Tensor, after: Tensor) -> tuple[float, float]:
    """LSD in dB and SC of 2048/512 spectrograms, 0..10 kHz."""
    length, rim = min(len(before), len(after)), RATE // 5
    window, images = torch.hann_window(2048), []
    for sound in (before, after):
        cut = sound[rim : length - rim].double()
        spectra = torch.stft((cut / cut.square().mean().sqrt()).float(), 2048, 512, window=window, return_complex=True)
        images.append(spectra.abs()[: round(10000 * 2048 / RATE)])
    floor = images[0].max() * 1e-4
    db = [20 * torch.log10(image.clamp_min(floor)) for image in images]
    lsd = (db[0] - db[1]).square().mean(0).sqrt().mean()
    return float(lsd), float((images[0] - images[1]).norm() / images[0].norm())


def measure(way: Ours | Theirs, loops: list[Tensor], repeats: int) -> dict[str, float]:
    rows, seconds, encoding, cores = [], [], [], []
    for loop in loops:
        begin = time.perf_counter()
        picture = way.encode(loop)
        encoding.append(time.perf_counter() - begin)
        for _ in range(repeats):
            begin, busy = time.perf_counter(), time.process_time()
            sound = way.decode(picture)
            seconds.append(time.perf_counter() - begin)
            cores.append(time.process_time() - busy)
        again = way.encode(torch.nn.functional.pad(sound, (0, max(0, len(loop) - len(sound)))))
        rows.append((*distance(loop, sound), float((again - picture)[:, 20:-20].abs().mean() * 255)))
    lsd, sc, mae = np.mean(rows, axis=0)
    return {
        "decode_median_s": statistics.median(seconds),
        "decode_p95_s": float(np.percentile(seconds, 95)),
        "decode_cpu_s": statistics.median(cores),
        "encode_median_s": statistics.median(encoding),
        "lsd_db": float(lsd),
        "lsd_db_sd": float(np.std(rows, axis=0)[0]),
        "sc": float(sc),
        "mae_255": float(mae),
        "samples": len(sound),
    }


def main(arguments: list[str] | None = None) -> int:
    """Print the table; the status is 1 if the demand is not met: 0.5 s a picture, and an LSD that is not worse."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--loops", type=int, default=6)
    parser.add_argument("--repeats", type=int, default=3, help="decodes of each picture by ours")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, nargs="+", default=[16], help="Griffin-Lim rounds of ours")
    parser.add_argument("--their-rounds", type=int, default=32)
    parser.add_argument("--soundfont")
    parser.add_argument("--out", type=Path, help="also write the result as JSON")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    loops = composed_loops(options.loops, options.soundfont)
    machine = {
        "machine": f"{platform.machine()} {platform.system()}, {os.cpu_count()} cores",
        "threads": options.threads,
        "load": os.getloadavg()[0],
        "versions": f"python {platform.python_version()}, torch {torch.__version__}, {options.loops} loops",
    }
    print("  ".join(f"{name} {value}" for name, value in machine.items()))
    print(
        f"{'':28}{'decode s':>9}{'p95':>7}{'cpu s':>7}{'encode':>8}{'LSD dB':>8}{'sd':>6}{'SC':>7}{'MAE/255':>9}"
        f"{'samples':>9}"
    )
    results = {}
    with torch.no_grad():
        ways: list[Ours | Theirs] = [Theirs(options.their_rounds), *(Ours(rounds) for rounds in options.rounds)]
        for way, rounds in zip(ways, [options.their_rounds, *options.rounds], strict=True):
            label = f"{way.name}, {rounds} rounds"
            row = results[label] = measure(way, loops, options.repeats if isinstance(way, Ours) else 1)
            print(
                f"{label:28}{row['decode_median_s']:9.3f}{row['decode_p95_s']:7.2f}{row['decode_cpu_s']:7.2f}{row['encode_median_s']:8.3f}"
                f"{row['lsd_db']:8.2f}{row['lsd_db_sd']:6.2f}{row['sc']:7.3f}{row['mae_255']:9.2f}{row['samples']:9.0f}",
                flush=True,
            )
    theirs, *ours = results.values()
    met = ours[0]["decode_median_s"] <= 0.5 and ours[0]["lsd_db"] <= theirs["lsd_db"]
    print(f"at most 0.5 s and no worse LSD: {'met' if met else 'MISSED'}")
    if options.out:
        options.out.write_text(json.dumps({**machine, "results": results, "met": met}, indent=2) + "\n")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
