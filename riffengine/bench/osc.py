"""``riffengine bench osc``: from a sent OSC message to its answer, alone and while another client floods the engine.

The real engine plays on the paced output, in processes of its own; this process sends real datagrams and waits for
``/riff/ok``, which comes after the parameter was applied: the way back is in the figure. The flood comes from a process
of its own. Nothing the engine says about itself enters the latencies.
"""

from __future__ import annotations

import os
import platform
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from riffengine.bench.osc_player import OscPlayer, playing

_PRESET = """
tempo: 120
deck: {a: {prompt: "techno, driving", to: "ambient, pad", seed: 3, to_seed: 4, drift: 0.1}}
output: {to: paced, fade_in: 0.02, fade_out: 0.1}
midi: {enabled: false}
"""
_FLOOD = """
import socket, sys, time
from riffengine.control.osc.wire import encode
port, rate, seconds = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
wire = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
began, sent, total = time.perf_counter(), 0, round(rate * seconds)
while sent < total:
    due = min(total, round((time.perf_counter() - began) * rate))
    while sent < due:
        sent += 1
        wire.sendto(encode("/riff/deck/a/gain", -20.0 * sent / total), ("127.0.0.1", port))
    time.sleep(0.001)
print(sent)
"""


@dataclass(frozen=True)
class OscBenchPlan:
    """``changes`` gestures, ``flood_rate`` messages a second for ``flood_seconds`` beside the same again."""

    changes: int = 1000
    flood_rate: int = 10_000
    flood_seconds: float = 20.0
    seed: int = 0


def run_osc_bench(plan: OscBenchPlan, say: Callable[[str], None] = lambda _: None) -> dict[str, Any]:
    """Measure, and return the figures for ``print_json``: p50_ms, p99_ms, max_ms and lost, alone and in the flood."""
    with tempfile.TemporaryDirectory() as name, playing(_PRESET, Path(name), _sounds) as (client, port):
        say(f"alone: {plan.changes} changes")
        alone = _gestures(client, plan.changes, plan.seed)
        before = client.status()
        say(f"beside {plan.flood_rate} messages a second from another client, {plan.flood_seconds:g} s")
        arguments = [str(port), str(plan.flood_rate), str(plan.flood_seconds)]
        flood = subprocess.Popen([sys.executable, "-c", _FLOOD, *arguments], stdout=subprocess.PIPE, text=True)
        flooded = _gestures(client, None, plan.seed, until=lambda: flood.poll() is not None)
        sent, _ = flood.communicate()
        time.sleep(0.5)
        after = client.status()
        _, last = client.ask("/riff/deck/a/gain", answer="/riff/deck/a/gain")
        return {
            "alone": alone,
            "flooded": flooded,
            "flood": {
                "sent": int(sent),
                "latest_value_won": last is not None and last.arguments[0] == -20.0,
                **{
                    key: after[key] - before[key]
                    for key in ("received", "superseded", "dropped", "underruns", "famines")
                },
            },
            "machine": {
                "cores": os.cpu_count(),
                "load_average": [round(x, 2) for x in os.getloadavg()],
                "python": platform.python_version(),
            },
        }


def _gestures(
    client: OscPlayer, changes: int | None, seed: int, until: Callable[[], bool] = lambda: False
) -> dict[str, float | int]:
    """Changes at moments that keep no step with the engine's ticks, one at a time."""
    taken: list[float] = []
    chance, lost = random.Random(seed), 0
    while not until() and (changes is None or len(taken) + lost < changes):
        path = chance.choice(("master/gain", "crossfader", "deck/a/alpha", "deck/a/filter"))
        value = round(chance.uniform(0.0, 1.0), 4)
        milliseconds, reply = client.ask(f"/riff/{path}", value, answer="/riff/ok", path=path)
        lost += reply is None
        if reply is not None:
            taken.append(milliseconds)
        time.sleep(chance.uniform(0.002, 0.03))
    ranked = sorted(taken) or [0.0]
    return {
        "changes": len(taken) + lost,
        "lost": lost,
        "p50_ms": round(ranked[len(ranked) // 2], 3),
        "p99_ms": round(ranked[min(len(ranked) - 1, len(ranked) * 99 // 100)], 3),
        "max_ms": round(ranked[-1], 3),
    }


def _sounds(status: dict[str, Any]) -> bool:
    return bool(status["jobs_heard"] and status["coverage"])
