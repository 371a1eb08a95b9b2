"""Measures a loop of a checkpoint of waveforms: python -m tools.bench.waveform --random full.

For every kind (Stable Audio, Small, 3, Dance Diffusion, MusicGen) and some numbers of steps: milliseconds of a
loop by part, median and spread, and seconds of sound made in a second. ``--random`` makes checkpoints without a
download, ``--model`` uses yours. Prompt and noise are new in every round; the tempo is told and not measured, which
would render some loops twice. Figures hold for the machine that the first line names.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import tempfile
import time
from pathlib import Path

import torch

from riffengine.processes.render_request import MorphEnd, RenderRequest
from riffengine.renderer.family import Family
from riffengine.renderer.registry import load_family
from tools.random_waveforms import KINDS, SIZES, WRITERS

BPM, BEATS = 120.0, 8
PARTS = ("text", "denoise", "decode", "phase")
ROWS = {
    "stable-audio": ((50, 7.0), (8, 7.0)), "stable-audio-small": ((8, 1.0), (4, 1.0)),
    "stable-audio-3": ((8, 1.0), (4, 1.0)), "dance-diffusion": ((50, 1.0),),
    "musicgen": ((1, 3.0),), "musicgen-stereo": ((1, 3.0),),
}  # fmt: skip


def measure(family: Family, steps: int, guidance: float, repeats: int) -> str:
    """One row of the table; the first loop warms up."""
    walls: list[float] = []
    parts: dict[str, list[float]] = {part: [] for part in PARTS}
    for number in range(repeats + 1):
        end = MorphEnd(f"funk bassline take {number}", number, guidance=guidance)
        began = time.perf_counter()
        cost = family.render(RenderRequest(end, end, steps=steps, bpm=BPM, beats=BEATS), lambda: None).cost
        if number:
            walls.append(1000.0 * (time.perf_counter() - began))
            for part in PARTS:
                parts[part].append(1000.0 * getattr(cost, part))
    median = statistics.median(walls)
    told = "".join(f"{statistics.median(values):11.1f}" for values in parts.values())
    seconds = BEATS * 60.0 / BPM
    spread = f"{min(walls):.1f} to {max(walls):.1f}"
    return f"{steps:6}{guidance:7.1f}{median:11.1f}{spread:>22}{told}{1000 * seconds / median:9.2f}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--random", choices=SIZES, help="checkpoints with random weights of this size")
    parser.add_argument("--kind", choices=KINDS, action="append", help="only this kind; may be repeated")
    parser.add_argument("--model", help="a checkpoint of yours instead, with its options")
    parser.add_argument("--options", default="", help="of the model, such as device=cuda&precision=float16")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    device = torch.cuda.get_device_name(0) if torch.cuda.is_available() else platform.processor() or platform.machine()
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    print(f"{device}, torch {torch.__version__}, {torch.get_num_threads()} threads{load}; {BEATS} beats at {BPM:g} bpm")
    heads = "".join(f"{part:>11}" for part in PARTS)
    print(f"{'steps':>6}{'guide':>7}{'loop ms':>11}{'spread':>22}{heads}{'x real':>9}")
    with tempfile.TemporaryDirectory(prefix="riffengine-waveform-") as scratch:
        models = [("", options.model)] if options.model else []
        if not models:
            for kind in options.kind or KINDS:
                folder = WRITERS[kind](Path(scratch) / kind, options.random or "tiny", half=options.random == "full")
                models.append((kind, f"{folder}?tempo=told&{options.options}"))
        for kind, model in models:
            print(kind or model)
            family = load_family(model)
            for steps, guidance in ROWS.get(kind, ((50, 7.0), (8, 1.0))):
                print(measure(family, steps, guidance, options.repeats), flush=True)


if __name__ == "__main__":
    main()
