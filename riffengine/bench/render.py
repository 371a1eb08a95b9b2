"""``riffengine bench``: how long a loop takes on this machine, part by part."""

from __future__ import annotations

import os
import platform
import statistics
import time
from typing import Any

import numpy as np

from riffengine.processes.render_request import Point, RenderRequest

PROMPT = "house with piano and synth bass, warm"
SECONDS_8_BEATS = 93.75  # bpm at which 8 beats last 5.12 s, the length that all published figures use


def _spread(values: list[float]) -> dict[str, float]:
    ordered = sorted(values)
    return {
        "median_s": round(statistics.median(ordered), 4),
        "p95_s": round(ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))], 4),
        "min_s": round(ordered[0], 4),
        "max_s": round(ordered[-1], 4),
    }


def run_bench(loops: int = 20, steps: int = 8, threads: int = 1) -> dict[str, Any]:
    """Render ``loops`` different 5.12 s loops; seconds by part with their spread, and a baseline of the same minute.

    The baseline is a fixed matrix product, so that two runs on a noisy machine can be compared by their ratio.
    """
    import torch

    from riffengine.renderer.registry import load_family

    torch.set_num_threads(threads)
    began = time.perf_counter()
    family = load_family("bundled")
    load = time.perf_counter() - began
    costs: dict[str, list[float]] = {part: [] for part in ("text", "denoise", "decode", "phase", "total", "baseline")}
    matrix = torch.randn(768, 768)
    for seed in range(-2, loops):  # two to warm up
        point = Point(PROMPT, seed + 100)
        rendition = family.render(RenderRequest(point, point, steps=steps, bpm=SECONDS_8_BEATS), lambda: None)
        began = time.perf_counter()
        for _ in range(8):
            matrix @ matrix
        baseline = time.perf_counter() - began
        if seed >= 0:
            for part in ("text", "denoise", "decode", "phase", "total"):
                costs[part].append(getattr(rendition.cost, part))
            costs["baseline"].append(baseline)
    seconds = rendition.audio.shape[1] / rendition.request.sample_rate
    return {
        "loop_seconds": round(seconds, 4),
        "loops": loops,
        "steps": steps,
        "threads": threads,
        "load_s": round(load, 3),
        "parts": {part: _spread(values) for part, values in costs.items()},
        "real_time_factor": round(statistics.median(costs["total"]) / seconds, 4),
        "machine": {
            "cpu": _cpu_name(),
            "cores": os.cpu_count(),
            "load_average": [round(x, 2) for x in os.getloadavg()],
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
            "weights": family.weights_digest,
        },
    }


def _cpu_name() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:  # noqa: PTH123
            return next(line.split(":", 1)[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
