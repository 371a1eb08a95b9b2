"""``riffengine bench osc``: from a sent OSC message to its answer, alone and while another client floods the engine.

The real engine plays on the paced output in its own processes. This process sends real datagrams and waits for
``/riff/ok``, which the engine sends after applying the parameter, so the figures include the way back. Another process
sends the flood. The engine's own figures are not used for the latencies.
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

from riffengine.bench.osc_client import OscClient, running_engine

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
    """``changes`` gestures alone, then gestures during a flood of ``flood_rate`` messages/s for ``flood_seconds``."""

    changes: int = 1000
    flood_rate: int = 10_000
    flood_seconds: float = 20.0
    seed: int = 0


def run_osc_bench(plan: OscBenchPlan, say: Callable[[str], None] = lambda _: None) -> dict[str, Any]:
    """Measure, and return the figures for ``print_json``: p50_ms, p99_ms, max_ms and lost, alone and in the flood."""
    with tempfile.TemporaryDirectory() as name, running_engine(_PRESET, Path(name), _is_playing) as (client, port):
        say(f"alone: {plan.changes} changes")
        alone = _gestures(client, plan.changes, plan.seed)
        before = client.status()
        say(f"with {plan.flood_rate} messages a second from another client: {plan.flood_seconds:g} s")
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
    client: OscClient, changes: int | None, seed: int, until: Callable[[], bool] = lambda: False
) -> dict[str, float | int]:
    """Changes one at a time, at times that are independent of the engine's ticks."""
    latencies_ms: list[float] = []
    rng, lost = random.Random(seed), 0
    while not until() and (changes is None or len(latencies_ms) + lost < changes):
        path = rng.choice(("master/gain", "crossfader", "deck/a/alpha", "deck/a/filter"))
        value = round(rng.uniform(0.0, 1.0), 4)
        milliseconds, reply = client.ask(f"/riff/{path}", value, answer="/riff/ok", path=path)
        lost += reply is None
        if reply is not None:
            latencies_ms.append(milliseconds)
        time.sleep(rng.uniform(0.002, 0.03))
    ranked = sorted(latencies_ms) or [0.0]
    return {
        "changes": len(latencies_ms) + lost,
        "lost": lost,
        "p50_ms": round(ranked[len(ranked) // 2], 3),
        "p99_ms": round(ranked[min(len(ranked) - 1, len(ranked) * 99 // 100)], 3),
        "max_ms": round(ranked[-1], 3),
    }


def _is_playing(status: dict[str, Any]) -> bool:
    return bool(status["jobs_heard"] and status["coverage"])
