"""What a loop of a spectrogram checkpoint costs, beside plain diffusers: python -m tools.bench.render --random sd15.

For {eager, compiled} x alphas in one bank x steps x {guided, not}: milliseconds by part (text, denoise, decode, phase)
and per loop, median and p95, and peak memory. Below it StableDiffusionImg2ImgPipeline of diffusers on the same weights,
device, precision and scheduler, in the same run, without sound; both begin from a seed image and take every step
(strength 1). ``--random`` makes a checkpoint without any download, ``--model`` takes yours. The machine, versions and
load stand in the table; on a busy or a small machine it says what it says there. ``--out`` writes JSON as well.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from riffengine.renderer.request import Point, RenderRequest
from riffengine.renderer.riffusion.device import DevicePolicy
from riffengine.renderer.riffusion.family import RiffusionFamily
from riffengine.renderer.riffusion.schedules import make_scheduler
from riffengine.renderer.riffusion.seeds import packaged
from riffengine.renderer.riffusion.spec import ModelSpec
from tools.random_checkpoint import SIZES, write_checkpoint

BPM = 93.75  # 8 beats are 512 columns of 10 ms
BANK = tuple(k / 16 for k in range(1, 16, 2))  # the eight alphas that are dreamt together
PARTS = ("text", "denoise", "decode", "phase")
Row = dict[str, Any]


def requests_of(number: int, alphas: int, steps: int, guided: bool, init: str) -> list[RenderRequest]:
    """A bank that nobody has asked for before: other words and other noise for each ``number``."""
    guidance = 7.0 if guided else 1.0
    a = Point(f"funk bassline take {number}", 1000 + number, guidance=guidance)
    b = Point(f"church bells take {number}", 5000 + number, guidance=guidance)
    request = RenderRequest(a, b, steps=steps, bpm=BPM, init=init)
    return [replace(request, alpha=alpha) for alpha in ((0.0,) if alphas == 1 else BANK)]


def measure_ours(family: RiffusionFamily, alphas: int, steps: int, guided: bool, options: argparse.Namespace) -> Row:
    """One row: milliseconds per loop, each part's share, and what memory was needed."""
    totals: list[float] = []
    parts: dict[str, list[float]] = {part: [] for part in PARTS}
    reset_peak(family.policy.device)
    for number in range(-options.warm, options.repeats):
        bank = requests_of(number + 100, alphas, steps, guided, options.init)
        wait(family.policy.device)
        began = time.perf_counter()
        done = family.render_bank(bank, lambda: None)
        wait(family.policy.device)
        took = time.perf_counter() - began
        if number >= 0:
            totals.append(took / len(bank) * 1e3)
            for part in PARTS:
                parts[part].append(getattr(done[0].cost, part) * 1e3)
    row: Row = {"alphas": alphas, "steps": steps, "guided": guided, **spread(totals)}
    row |= {part: round(statistics.median(found), 2) for part, found in parts.items()}
    row["denoise_per_step"] = round(row["denoise"] / steps, 3)
    return row | {"peak_mib": peak_mib(family.policy.device)}


def measure_plain(folder: Path, policy: DevicePolicy, steps: int, guided: bool, options: argparse.Namespace) -> Row:
    """The same picture by diffusers as it comes: eager, one loop at a time, no sound."""
    from diffusers import StableDiffusionImg2ImgPipeline
    from PIL import Image

    variant = {"variant": "fp16"} if any((folder / "unet").glob("*.fp16.safetensors")) else {}
    pipe = StableDiffusionImg2ImgPipeline.from_pretrained(
        folder, safety_checker=None, feature_extractor=None, local_files_only=True,
        requires_safety_checker=False, **variant,
    )  # fmt: skip
    pipe.scheduler = make_scheduler(options.scheduler, dict(pipe.scheduler.config))
    pipe.to(policy.device, policy.dtype)
    pipe.set_progress_bar_config(disable=True)
    picture = Image.open(packaged("seed")["straight"]).convert("RGB")
    totals: list[float] = []
    reset_peak(policy.device)
    for number in range(-options.warm, options.repeats):
        draw = torch.Generator("cpu").manual_seed(1000 + number)
        wait(policy.device)
        began = time.perf_counter()
        pipe(
            f"funk bassline take {number}", image=picture, strength=1.0, num_inference_steps=steps,
            guidance_scale=7.0 if guided else 1.0, generator=draw,
        )  # fmt: skip
        wait(policy.device)
        if number >= 0:
            totals.append((time.perf_counter() - began) * 1e3)
    return {"alphas": 1, "steps": steps, "guided": guided, **spread(totals), "peak_mib": peak_mib(policy.device)}


def spread(milliseconds: list[float]) -> Row:
    return {
        "median_ms": round(statistics.median(milliseconds), 2),
        "p95_ms": round(float(np.percentile(milliseconds, 95)), 2),
    }


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def reset_peak(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def peak_mib(device: torch.device) -> float:
    """Of the device since ``reset_peak``; on a CPU of the process since it began."""
    if device.type == "cuda":
        return round(torch.cuda.max_memory_allocated(device) / 2**20, 1)
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10, 1)


def machine_facts(policy: DevicePolicy) -> Row:
    import diffusers

    gpu = torch.cuda.get_device_name(policy.device) if policy.device.type == "cuda" else "none"
    return {
        "machine": f"{platform.machine()} {platform.system()}, {os.cpu_count()} cores, GPU {gpu}",
        "device": f"{policy.device} {str(policy.dtype).removeprefix('torch.')}, {torch.get_num_threads()} threads",
        "versions": f"python {platform.python_version()}, torch {torch.__version__}, diffusers {diffusers.__version__}",
        "load": round(os.getloadavg()[0], 1),
    }


def show(row: Row, label: str) -> None:
    """One line of the table."""
    numbers = [f"{row.get(part, float('nan')):10.2f}" for part in (*PARTS, "denoise_per_step")]
    print(
        f"{label:9}{row['alphas']:7}{row['steps']:6}{'yes' if row['guided'] else 'no':>7}{row['median_ms']:11.2f}"
        f"{row['p95_ms']:11.2f}{''.join(numbers)}{row['peak_mib']:10.0f}",
        flush=True,
    )


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--random", choices=SIZES, help="a checkpoint with random weights of this size")
    source.add_argument("--model", help="a checkpoint, as in a preset (without options)")
    parser.add_argument("--alphas", type=int, nargs="+", choices=(1, 4, 8), default=[1, 4, 8])
    parser.add_argument("--steps", type=int, nargs="+", default=[4, 20, 50])
    parser.add_argument("--guided", choices=("both", "yes", "no"), default="both")
    parser.add_argument("--compiled", choices=("both", "yes", "no"), help="(both on CUDA, else no)")
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda", "mps"))
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--scheduler", default="ddim", help="of both sides (ddim: as many UNet calls as steps)")
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--warm", type=int, default=2, help="rounds before the measured ones")
    parser.add_argument("--init", default="straight", help="what ours starts from; '' for noise alone")
    parser.add_argument("--plain", choices=("yes", "no"), default="yes", help="measure diffusers' pipeline too")
    parser.add_argument("--threads", type=int, default=0, help="of torch on the CPU (0: as it likes)")
    parser.add_argument("--out", type=Path, help="also write the result as JSON")
    return parser.parse_args(arguments)


def run(folder: Path, options: argparse.Namespace) -> Row:
    """Measure and print everything; the result for programs."""
    text = f"{folder}?device={options.device}&precision={options.precision}&scheduler={options.scheduler}"
    policy = DevicePolicy.choose(ModelSpec.parse(text))
    result: Row = {**machine_facts(policy), "checkpoint": options.random or options.model, "rows": [], "plain": []}
    print("  ".join(f"{name} {value}" for name, value in result.items() if name not in ("rows", "plain")))
    print(
        f"{'':9}{'alphas':>7}{'steps':>6}{'guided':>7}{'loop ms':>11}{'p95':>11}"
        + "".join(f"{name:>10}" for name in (*PARTS, "a step", "peak MiB"))
    )
    compiled = {"yes": (True,), "no": (False,), "both": (False, True)}
    guided = {"yes": (True,), "no": (False,), "both": (True, False)}[options.guided]
    for switch in compiled[options.compiled or ("both" if policy.device.type == "cuda" else "no")]:
        for alphas in options.alphas:
            family = RiffusionFamily.load(f"{text}&batch={alphas}&compile={'yes' if switch else 'no'}")
            for steps in options.steps:
                for guide in guided:
                    row = measure_ours(family, alphas, steps, guide, options) | {"compiled": switch}
                    result["rows"].append(row)
                    show(row, "compiled" if switch else "eager")
            result["remarks"] = family.remarks
            del family
            if policy.device.type == "cuda":
                torch.cuda.empty_cache()
    for steps in options.steps if options.plain == "yes" else ():
        for guide in guided:
            plain = measure_plain(folder, policy, steps, guide, options)
            ours = [r for r in result["rows"] if (r["steps"], r["guided"], r["alphas"]) == (steps, guide, 1)]
            plain["times_faster"] = round(plain["median_ms"] / min(r["median_ms"] for r in ours), 2) if ours else None
            result["plain"].append(plain)
            show(plain, "diffusers")
            print(f"{'':9}ours, with its sound, is {plain['times_faster']} times as fast")
    return result


def main(arguments: list[str] | None = None) -> int:
    """Print the table; 0."""
    options = parse(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory(prefix="riffengine-bench-") as scratch:
        from riffengine.renderer.riffusion.library import Library

        folder = (
            write_checkpoint(Path(scratch) / options.random, options.random, half=options.random == "sd15")
            if options.random
            else Library.standard().locate(options.model)
        )
        result = run(folder, options)
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(result, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
