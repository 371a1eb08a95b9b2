"""Measures what silence after sound costs in a plugin, with denormals and with denormals flushed.

    python tools/bench/denormals.py

Each plugin plays a second of noise and three of silence in blocks of 128 frames, in a thread of its own. The figures
are microseconds: the median of the blocks of noise, and of the eighth of a second of silence that costs most.
"""

from __future__ import annotations

import platform
import sys
import time
from pathlib import Path
from threading import Thread

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from riffengine.plugins.denormals import flush_denormals
from riffengine.plugins.plugin import Position
from riffengine.plugins.registry import open_plugin

RATE, FRAMES = 44100, 128
PLUGINS = (
    "lv2:http://plugin.org.uk/swh-plugins/fourByFourPole",
    "lv2:http://plugin.org.uk/swh-plugins/svf",
    "lv2:urn:ardour:a-eq",
    "lv2:http://drobilla.net/plugins/mda/BeatBox",
    "lv2:http://calf.sourceforge.net/plugins/Reverb",
)


def medians(reference: str, flushed: bool) -> tuple[float, float]:
    """Microseconds of a block with noise, and of one in the slowest eighth of a second after it."""
    if flushed and not flush_denormals():
        raise SystemExit("denormals cannot be flushed on this machine")
    plugin = open_plugin(reference, RATE, FRAMES)
    generator, times = np.random.default_rng(1), []
    for number in range(4 * RATE // FRAMES):
        loud = 0.1 if number * FRAMES < RATE else 0.0
        block = (generator.standard_normal((FRAMES, 2)) * loud).astype(np.float32)
        start = time.perf_counter_ns()
        plugin.run(block, Position(number * FRAMES, 0.0, 120.0))
        times.append((time.perf_counter_ns() - start) / 1e3)
    plugin.close()
    noise, silence = times[: RATE // FRAMES], times[RATE // FRAMES + 1 :]
    window = RATE // 8 // FRAMES
    return float(np.median(noise)), max(
        float(np.median(silence[i : i + window])) for i in range(0, len(silence), window)
    )


def in_a_thread(reference: str, flushed: bool) -> tuple[float, float]:
    """``medians`` in a thread of its own, whose arithmetic ends with it."""
    results: list[tuple[float, float]] = []
    thread = Thread(target=lambda: results.append(medians(reference, flushed)))
    thread.start()
    thread.join()
    return results[0]


def main() -> None:
    """Print the table."""
    print(f"{platform.machine()}, Python {platform.python_version()}, numpy {np.__version__}; us per block of {FRAMES}")
    print(f"{'noise':>8} {'silence':>8} {'flushed: noise':>15} {'silence':>8}")
    for reference in PLUGINS:
        noise, silence = in_a_thread(reference, False)
        noise_flushed, silence_flushed = in_a_thread(reference, True)
        print(f"{noise:8.1f} {silence:8.1f} {noise_flushed:15.1f} {silence_flushed:8.1f}  {reference}")


if __name__ == "__main__":
    main()
