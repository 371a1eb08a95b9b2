"""``riffengine bench``: the time to render a loop on this machine, by stage."""

from __future__ import annotations

import os
import platform
import statistics
import time
from typing import Any

import numpy as np

from riffengine.processes.render_request import DEFAULT_MODEL, MorphEnd, RenderRequest
from riffengine.renderer.family import NAME_DIGITS

PROMPT = "house with piano and synth bass, warm"
BENCH_BPM = 93.75  # bpm at which 8 beats last 5.12 s, as in all published figures


def _spread(values: list[float]) -> dict[str, float]:
    ordered = sorted(values)
    return {
        "median_s": round(statistics.median(ordered), 4),
        "p95_s": round(ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))], 4),
        "min_s": round(ordered[0], 4),
        "max_s": round(ordered[-1], 4),
    }


def run_bench(loops: int = 20, steps: int = 8, threads: int = 1) -> dict[str, Any]:
    """Render ``loops`` different 5.12 s loops; return seconds by stage with their spread, and a baseline.

    The baseline is a fixed matrix product timed between renders, so that runs on a noisy machine can be compared.
    """
    import torch

    from riffengine.renderer.registry import load_family

    torch.set_num_threads(threads)
    began = time.perf_counter()
    family = load_family(DEFAULT_MODEL)
    load = time.perf_counter() - began
    costs: dict[str, list[float]] = {stage: [] for stage in ("text", "denoise", "decode", "phase", "total", "baseline")}
    matrix = torch.randn(768, 768)
    for seed in range(-2, loops):  # the first two warm up
        point = MorphEnd(PROMPT, seed + 100)
        rendition = family.render(RenderRequest(point, point, steps=steps, bpm=BENCH_BPM), lambda: None)
        began = time.perf_counter()
        for _ in range(8):
            matrix @ matrix
        baseline = time.perf_counter() - began
        if seed >= 0:
            for stage in ("text", "denoise", "decode", "phase", "total"):
                costs[stage].append(getattr(rendition.cost, stage))
            costs["baseline"].append(baseline)
    seconds = rendition.audio.shape[1] / rendition.request.sample_rate
    return {
        "loop_seconds": round(seconds, 4),
        "loops": loops,
        "steps": steps,
        "threads": threads,
        "load_s": round(load, 3),
        "parts": {stage: _spread(values) for stage, values in costs.items()},
        "real_time_factor": round(statistics.median(costs["total"]) / seconds, 4),
        "machine": {
            "cpu": _cpu_name(),
            "cores": os.cpu_count(),
            "load_average": [round(x, 2) for x in os.getloadavg()],
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
            "weights": family.weights_digest[:NAME_DIGITS],
        },
    }


def _cpu_name() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:  # noqa: PTH123
            return next(line.split(":", 1)[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
