"""Memory of the renderer over hundreds of loops that all differ: ``python -m tools.bench.renderer_memory``.

    python -m tools.bench.renderer_memory --seconds 3600 --seed 1

One renderer process gets jobs without a pause, each with another prompt, seed, step count, tempo, length, key, density
and place between two sounds: what a set of hours asks for in minutes. Its private memory is read between two jobs,
after it has given free memory back. Printed are median and extremes by fifty loops, and the slope after the first
hundred (or the first third, if that is less), with 1.96 standard errors.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import select
import sys
import time

import numpy as np

from riffengine.processes.loop_store import LoopStore
from riffengine.processes.render_messages import Alive, Delivery, Failed, FromRenderer, Ready, Render
from riffengine.processes.render_request import MorphEnd, RenderRequest
from riffengine.renderer.process import RendererOptions, RendererProcess
from tools.bench.looks import fitted, private_bytes

SLOTS, FLOATS = 2, 3 * 32 * 44100 * 2
PATIENCE_SECONDS = 300.0
REST_SECONDS = 0.1  # after an answer the renderer gives free memory back, which takes it some 20 ms
BY = 50
WORDS = ("techno", "jazz", "dub", "house", "ambient", "dark", "bright", "piano", "bells", "driving", "calm", "acid")
KEYS = ("", "A minor", "C major", "F# minor", "Bb major")


def any_request(rng: random.Random) -> RenderRequest:
    """A request like those of a performer who changes everything."""
    start, end = (MorphEnd(", ".join(rng.sample(WORDS, rng.randint(1, 4))), rng.randrange(1 << 31)) for _ in range(2))
    return RenderRequest(
        start,
        end,
        alpha=rng.choice((0.0, 1.0, round(rng.random(), 2))),
        steps=rng.choice((1, 2, 4, 8, 8, 16, 50)),
        bpm=round(rng.uniform(70.0, 180.0), 1),
        beats=rng.choice((4, 8, 16)),
        key=rng.choice(KEYS),
        density=round(rng.uniform(-1.0, 1.0), 2),
        transpose=rng.randint(-6, 6),
    )


def answer(renderer: RendererProcess) -> FromRenderer:
    """Its next message that is no sign of life; ``SystemExit`` where it has died or is silent."""
    while select.select([renderer.fileno()], [], [], PATIENCE_SECONDS)[0]:
        messages, connected = renderer.receive()
        for message in messages:
            if not isinstance(message, Alive):
                return message
        if not connected:
            break
    raise SystemExit("the renderer is gone, or says nothing")


def print_fifty(private_mb: list[float]) -> None:
    """A line about the last loops that have none yet."""
    first = (len(private_mb) - 1) // BY * BY
    some = np.array(private_mb[first:])
    print(
        f"{first:5}-{len(private_mb):5}{some.min():9.1f}{np.median(some):9.1f}{some.max():9.1f}",
        flush=True,
    )


def print_slope(private_mb: list[float]) -> None:
    warm = min(100, len(private_mb) // 3)
    later = np.array(private_mb[warm:])
    if len(later) > 4:
        slope, spread = fitted(np.arange(len(later)) / 100.0, later)
        print(f"slope after {warm} loops: {slope:.2f} ± {spread:.2f} MB for 100 loops")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3600.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--model", default=RendererOptions.model)
    arguments = parser.parse_args()
    rng, private_mb, failed = random.Random(arguments.seed), [], 0
    store = LoopStore.create(SLOTS, FLOATS)
    renderer = RendererProcess(RendererOptions(store.name, SLOTS, FLOATS, arguments.model, niceness=0))
    try:
        renderer.start()
        if not isinstance(first := answer(renderer), Ready):
            raise SystemExit(str(first))
        pid, began = renderer.pid or 0, time.perf_counter()
        machine = f"{platform.platform()}, Python {platform.python_version()}, {os.cpu_count()} cores"
        print(f"{machine}, load {os.getloadavg()[0]:.1f}; {private_bytes(pid) / 1e6:.0f} MB when the model was loaded")
        print(f"{'loops':>11}{'lowest':>9}{'median':>9}{'highest':>9}  MB private", flush=True)
        while time.perf_counter() - began < arguments.seconds:
            renderer.send(Render(len(private_mb), any_request(rng), slot=len(private_mb) % SLOTS))
            message = answer(renderer)
            if isinstance(message, Failed):
                failed += 1
                print(message.reason)
            elif not isinstance(message, Delivery):
                raise SystemExit(str(message))
            time.sleep(REST_SECONDS)
            private_mb.append(private_bytes(pid) / 1e6)
            if len(private_mb) % BY == 0:
                print_fifty(private_mb)
        if len(private_mb) % BY:
            print_fifty(private_mb)
        print(f"{len(private_mb)} loops in {time.perf_counter() - began:.0f} s, {failed} failed")
        print_slope(private_mb)
    finally:
        renderer.stop()
        store.close()
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
