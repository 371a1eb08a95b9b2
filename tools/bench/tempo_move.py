"""Measures a large change of tempo with the bundled model: ``python tools/bench/tempo_move.py --to 138``.

Prints the time of a synthesis from the stored mel and of a new render, and whether the swap in phase can be found in
the samples. For this it compares the largest step between two samples, where the grid bends and where the loops are
swapped, with the largest step and the 99.99th percentile of the rest, and the level of the crossfade with the level of
the same frames without one.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import torch
from numpy.typing import NDArray

from riffengine.playback.mixer import Mixer
from riffengine.processes.player_messages import FADE, LaunchBank, LoopRef, PlaceLoop, SetControl, SetGrid
from riffengine.processes.render_request import MorphEnd, RenderRequest
from riffengine.renderer.family import Family
from riffengine.renderer.registry import load_family
from riffengine.transport.beat_grid import BeatGrid

RATE = 44100
FADE_FRAMES = 2048
PROMPTS = ("techno, driving", "jazz, upright bass, piano", "ambient, pad, choir", "funk, clavinet, drums")


def timed(family: Family, request: RenderRequest) -> tuple[NDArray[np.float32], float]:
    """The loop and the seconds it took."""
    start = time.perf_counter()
    audio = family.render(request, lambda: None).audio
    return audio, time.perf_counter() - start


def steps(signal: NDArray[np.float32], first: int, last: int) -> float:
    """The largest step between two samples in these frames."""
    return float(np.abs(np.diff(signal[first:last], axis=0)).max())


def swap(loops: list[NDArray[np.float32]], slow: float, fast: float) -> dict[str, float]:
    """Both loops through the real mixer: the grid moves from ``slow`` to ``fast`` in mid-bar, the loop follows a beat
    later."""

    def mixer(grid: BeatGrid, first: int) -> Mixer:
        made = Mixer(RATE, grid, lambda ref: loops[ref.slot], ("a",), 2)
        ref = reference(first)
        for message in (SetControl(FADE, 1.0, None, 0), PlaceLoop("a", 1, 0.0, ref), LaunchBank("a", 1, 0, 0)):
            made.schedule(message)
        return made

    def reference(slot: int) -> LoopRef:
        stems, frames, channels = loops[slot].shape
        return LoopRef(slot + 1, slot, frames, channels, tuple(f"s{n}" for n in range(stems)), 8)

    grid = BeatGrid(RATE, slow)
    bend = grid.frame_at(9.3)
    bent = grid.with_tempo(fast, bend)
    swapped = bent.frame_at(11.0)
    played = mixer(grid, 0)
    for message in (
        SetGrid(bent, bend),
        PlaceLoop("a", 2, 0.0, reference(1)),
        LaunchBank("a", 2, swapped, FADE_FRAMES),
    ):
        played.schedule(message)
    length = bent.frame_at(24.0)
    heard = np.concatenate([played.pull(512) for _ in range(length // 512)])
    plain = mixer(bent, 1)  # the fast loop alone, on the same grid
    alone = np.concatenate([plain.pull(512) for _ in range(length // 512)])
    fade = slice(swapped, swapped + FADE_FRAMES)
    rest = np.abs(np.diff(np.concatenate([heard[4096 : bend - 64], heard[swapped + 2 * FADE_FRAMES :]]), axis=0))
    level = 20 * np.log10(np.sqrt((heard[fade] ** 2).mean()) / max(1e-9, float(np.sqrt((alone[fade] ** 2).mean()))))
    return {
        "step_bend": steps(heard, bend - 16, bend + 2 * FADE_FRAMES),
        "step_swap": steps(heard, swapped - 16, swapped + FADE_FRAMES + 16),
        "step_rest_max": float(rest.max()),
        "step_rest_p9999": float(np.quantile(rest, 0.9999)),
        "level_db": float(level),
    }


def main() -> int:
    """Measure and print; the status is 1 when a swap can be found in the samples."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--from", dest="slow", type=float, default=120.0)
    parser.add_argument("--to", type=float, default=138.0)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    family = load_family("bundled")
    rows = []
    for seed, prompt in enumerate(PROMPTS):
        point = MorphEnd(prompt, seed)
        slow = RenderRequest(point, point, steps=8, bpm=arguments.slow, sample_rate=RATE)
        first, rendered = timed(family, slow)
        second, synthesised = timed(family, replace(slow, bpm=arguments.to, source_bpm=arguments.slow))
        row = {"prompt": prompt, "render_s": rendered, "synthesis_s": synthesised}
        rows.append({**row, **swap([first, second], arguments.slow, arguments.to)})
    found = [row for row in rows if max(row["step_swap"], row["step_bend"]) > row["step_rest_max"]]
    if arguments.json:
        print(json.dumps({"machine": platform.processor() or platform.machine(), "rows": rows, "found": len(found)}))
        return 1 if found else 0
    print(f"{arguments.slow:g} to {arguments.to:g} bpm, torch {torch.__version__} on one thread")
    for row in rows:
        print(
            f"{row['prompt']:28} render {row['render_s']:.2f} s, synthesis {row['synthesis_s']:.2f} s; largest step at "
            f"the bend {row['step_bend']:.3f}, at the swap {row['step_swap']:.3f}, else {row['step_rest_max']:.3f} "
            f"(99.99th percentile {row['step_rest_p9999']:.3f}); level in the fade {row['level_db']:+.1f} dB"
        )
    print("no swap is larger than the music's own steps" if not found else f"{len(found)} swaps can be found")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
