"""Measures a loop of a spectrogram checkpoint, and plain diffusers: python -m tools.bench.render --random sd15.

For {eager, compiled} x alphas in one bank x steps x {guided, not}: milliseconds by part (text, denoise, decode, phase)
and per loop, median and p95, and peak memory. The same run also measures diffusers' StableDiffusionImg2ImgPipeline.
Both sides have the same weights, device, precision, scheduler, picture to start from (``--init``), strength, and number
of UNet calls; words and noise are new in every round. Ours ends with sound and caches the latents of the start picture;
diffusers' pipeline ends with a picture and encodes the start picture each time.

``--demands`` measures the rows for which there is a demand and prints whether it is met. ``--random`` makes a
checkpoint without a download, ``--model`` uses yours. The table names machine, versions and load: figures from a busy
or small machine hold for that machine only. ``--out`` also writes JSON, after every row.
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

from riffengine.processes.render_request import MorphEnd, RenderRequest
from riffengine.renderer.checkpoints.noise_schedulers import first_step_index, make_scheduler
from riffengine.renderer.riffusion.checkpoint import CODEC_FILE
from riffengine.renderer.riffusion.codec import COLUMNS_PER_BEAT
from riffengine.renderer.riffusion.device_policy import DevicePolicy
from riffengine.renderer.riffusion.family import RiffusionFamily
from riffengine.renderer.riffusion.init_image import InitSource
from riffengine.renderer.riffusion.model_spec import ModelSpec
from tools.random_checkpoint import SIZES, write_checkpoint

TINY_BANDS = 64  # of the toy: an eighth of the picture, a 64th of its attention
BPM = 93.75  # 8 beats are 512 columns of 10 ms
BANK = tuple(k / 16 for k in range(1, 16, 2))  # the eight alphas that are rendered in one batch
PARTS = ("text", "denoise", "decode", "phase")
Row = dict[str, Any]


LIMITS: tuple[tuple[str, int, int, bool, float, float], ...] = (
    # what, alphas, steps, guided, milliseconds at most for a loop, goal; on one H200
    ("50 steps guided", 1, 50, True, 700.0, 450.0),
    ("4 steps, guidance 1", 1, 4, False, 60.0, 20.0),
    ("8 alphas in one batch, 4 steps, per alpha", 8, 4, False, 25.0, 8.0),
)
LEAST_TIMES_FASTER, GOAL_TIMES_FASTER = 2.0, 4.0


def requests_of(number: int, alphas: int, steps: int, guided: bool, options: argparse.Namespace) -> list[RenderRequest]:
    """A bank that has not been rendered before: other words and other noise for each ``number``."""
    shared = {"guidance": 7.0 if guided else 1.0, "strength": options.strength}
    a = MorphEnd(f"funk bassline take {number}", 1000 + number, **shared)
    b = MorphEnd(f"church bells take {number}", 5000 + number, **shared)
    request = RenderRequest(a, b, steps=steps, bpm=BPM, init=options.init)
    return [replace(request, alpha=alpha) for alpha in ((0.0,) if alphas == 1 else BANK)]


def measure_ours(family: RiffusionFamily, alphas: int, steps: int, guided: bool, options: argparse.Namespace) -> Row:
    """One row: milliseconds per loop, the share of each part, and the peak memory."""
    totals: list[float] = []
    parts: dict[str, list[float]] = {part: [] for part in PARTS}
    reset_peak(family.policy.device)
    for number in range(-options.warm, options.repeats):
        bank = requests_of(number + 100, alphas, steps, guided, options)
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
    row["calls"] = calls_of(steps, options.strength)
    row["denoise_per_step"] = round(row["denoise"] / row["calls"], 3)
    return row | {"peak_mib": peak_mib(family.policy.device)}


def calls_of(steps: int, strength: float) -> int:
    """UNet calls for each loop, with a scheduler that makes one call a step."""
    return steps - first_step_index(steps, strength, steps, 1)


def measure_plain(
    folder: Path, policy: DevicePolicy, bands: int, steps: int, guided: bool, options: argparse.Namespace
) -> Row:
    """The same picture of ``bands`` rows by unchanged diffusers: eager, one loop at a time, no sound."""
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
    picture = Image.open(InitSource.parse(options.init).file).convert("RGB").resize((8 * COLUMNS_PER_BEAT, bands))
    totals: list[float] = []
    calls = 0

    def count(_: object, step: int, __: object, kept: Row) -> Row:
        nonlocal calls
        calls = step + 1
        return kept

    reset_peak(policy.device)
    for number in range(-options.warm, options.repeats):
        draw = torch.Generator("cpu").manual_seed(1000 + number)
        wait(policy.device)
        began = time.perf_counter()
        pipe(
            f"funk bassline take {number}", image=picture, strength=options.strength,
            num_inference_steps=steps, guidance_scale=7.0 if guided else 1.0,
            generator=draw, callback_on_step_end=count,
        )  # fmt: skip
        wait(policy.device)
        if number >= 0:
            totals.append((time.perf_counter() - began) * 1e3)
    row: Row = {"alphas": 1, "steps": steps, "guided": guided, "calls": calls, **spread(totals)}
    return row | {"peak_mib": peak_mib(policy.device)}


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
    """The peak of the device since ``reset_peak``; on a CPU, that of the process since its start."""
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
    parser.add_argument("--init", default="straight", help="the picture that both sides start from, a file or a seed")
    parser.add_argument("--strength", type=float, default=1.0, help="of both sides")
    parser.add_argument("--demands", action="store_true", help="only the rows that the demands name")
    parser.add_argument("--plain", choices=("yes", "no"), default="yes", help="measure diffusers' pipeline too")
    parser.add_argument("--threads", type=int, default=0, help="of torch on the CPU (0: as it likes)")
    parser.add_argument("--out", type=Path, help="also write the result as JSON")
    return parser.parse_args(arguments)


def run(folder: Path, options: argparse.Namespace) -> Row:
    """Measure and print everything; return the result for programs."""
    text = f"{folder}?device={options.device}&precision={options.precision}&scheduler={options.scheduler}"
    policy = DevicePolicy.choose(ModelSpec.parse(text))
    result: Row = {**machine_facts(policy), "checkpoint": options.random or options.model}
    result |= {"init": options.init, "strength": options.strength, "scheduler": options.scheduler}
    print("  ".join(f"{name} {value}" for name, value in result.items()))
    result |= {"rows": [], "plain": [], "remarks": []}
    print(
        f"{'':9}{'alphas':>7}{'steps':>6}{'guided':>7}{'loop ms':>11}{'p95':>11}"
        + "".join(f"{name:>10}" for name in (*PARTS, "a step", "peak MiB"))
    )
    compiled = {"yes": (True,), "no": (False,), "both": (False, True)}
    guided = {"yes": (True,), "no": (False,), "both": (True, False)}[options.guided]
    rows = [(alphas, steps, guide) for alphas in options.alphas for steps in options.steps for guide in guided]
    if options.demands:
        rows = [(alphas, steps, guide) for _, alphas, steps, guide, *_ in LIMITS]
    for switch in compiled[options.compiled or ("both" if policy.device.type == "cuda" else "no")]:
        for alphas in dict.fromkeys(row[0] for row in rows):
            family = RiffusionFamily.load(f"{text}&batch={alphas}&compile={'yes' if switch else 'no'}")
            for _, steps, guide in (row for row in rows if row[0] == alphas):
                row = measure_ours(family, alphas, steps, guide, options) | {"compiled": switch}
                result["rows"].append(row)
                show(row, "compiled" if switch else "eager")
                save(result, options)
            result["remarks"] += family.remarks
            bands = family.params.num_frequencies
            del family
            if policy.device.type == "cuda":
                torch.cuda.empty_cache()
    for steps, guide in dict.fromkeys(row[1:] for row in rows) if options.plain == "yes" else ():
        plain = measure_plain(folder, policy, bands, steps, guide, options)
        ours = [r for r in result["rows"] if (r["steps"], r["guided"], r["alphas"]) == (steps, guide, 1)]
        plain["times_faster"] = round(plain["median_ms"] / min(r["median_ms"] for r in ours), 2) if ours else None
        result["plain"].append(plain)
        show(plain, "diffusers")
        print(f"{'':9}ours, with its sound, is {plain['times_faster']} times as fast")
        save(result, options)
    result["demands"] = judged(result)
    for told in result["demands"]:
        print(told)
    save(result, options)
    return result


def judged(result: Row) -> list[str]:
    """Each demand whose row was measured: figure, limit, and whether it is met."""
    told = []
    for what, alphas, steps, guided, most, goal in LIMITS:
        asked = (alphas, steps, guided)
        found = [r["median_ms"] for r in result["rows"] if (r["alphas"], r["steps"], r["guided"]) == asked]
        if found:
            verdict = "met" if min(found) <= most else "MISSED"
            told.append(f"{what}: {min(found):.1f} ms (at most {most:g}, goal {goal:g}): {verdict}")
    for plain in result["plain"]:
        if (plain["steps"], plain["guided"]) == (50, True) and plain["times_faster"]:
            times = plain["times_faster"]
            verdict = "met" if times >= LEAST_TIMES_FASTER else "MISSED"
            least = f"at least {LEAST_TIMES_FASTER:g}, goal {GOAL_TIMES_FASTER:g}"
            told.append(f"plain diffusers, 50 steps: {times} times as fast ({least}): {verdict}")
    if told and (not result["device"].startswith("cuda") or result["checkpoint"] != "sd15"):
        told.append("these figures do not count: the demands are for --random sd15 on one H200")
    return told


def save(result: Row, options: argparse.Namespace) -> None:
    """Write the rows measured so far."""
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(result, indent=2) + "\n")


def main(arguments: list[str] | None = None) -> int:
    """Print the table and return 0."""
    options = parse(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory(prefix="riffengine-bench-") as scratch:
        from riffengine.renderer.checkpoints.model_library import Library

        folder = (
            write_checkpoint(Path(scratch) / options.random, options.random, half=options.random == "sd15")
            if options.random
            else Library.standard().locate(options.model)
        )
        if options.random == "tiny":
            (folder / CODEC_FILE).write_text(json.dumps({"num_frequencies": TINY_BANDS}))
        run(folder, options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
