"""A performer's gestures while hundreds of senders flood the engine: ``python -m tools.bench.osc_flood``.

    python -m tools.bench.osc_flood --senders 400 --rate 30000 --seconds 60

Plays a real set (paced). First the performer's gestures are answered alone, and the underruns of that time are counted;
then as long while ``--senders`` sockets in another process send ``--rate`` messages a second together.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from riffengine.bench.osc import _PRESET, _gestures, _is_playing
from riffengine.bench.osc_client import OscClient, running_engine

_FLOOD = """
import socket, sys, time
from riffengine.control.osc.wire import encode
port, senders, rate, seconds = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
wires = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(senders)]
for wire in wires:
    wire.setblocking(False)
messages = [encode("/riff/deck/a/gain", -20.0 * n / 100) for n in range(100)]
began, sent, lost = time.perf_counter(), 0, 0
while (passed := time.perf_counter() - began) < seconds:
    due = round(passed * rate)
    while sent + lost < due:
        try:
            wires[(sent + lost) % senders].sendto(messages[sent % 100], ("127.0.0.1", port))
            sent += 1
        except OSError:
            lost += 1
    time.sleep(0.0005)
print(sent)
"""


def counted(client: OscClient, measure: Callable[[], dict[str, float | int]]) -> dict[str, Any]:
    """What ``measure`` returns, with the underruns meanwhile."""
    before, began = client.status(), time.perf_counter()
    found: dict[str, Any] = dict(measure())
    seconds = time.perf_counter() - began
    after = client.status()
    return {
        **found,
        "seconds": round(seconds, 1),
        "underruns": after["underruns"] - before["underruns"],
        "famines": after["famines"] - before["famines"],
        "received": after["received"] - before["received"],
        "dropped": after["dropped"] - before["dropped"],
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--senders", type=int, default=400)
    parser.add_argument("--rate", type=int, default=30_000, help="messages a second, of all senders together")
    parser.add_argument("--seconds", type=float, default=60.0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, running_engine(_PRESET, Path(name), _is_playing) as (client, port):
        until = time.perf_counter() + arguments.seconds
        alone = counted(client, lambda: _gestures(client, None, 1, until=lambda: time.perf_counter() > until))
        words = [port, arguments.senders, arguments.rate, arguments.seconds]
        flood = subprocess.Popen([sys.executable, "-c", _FLOOD, *map(str, words)], stdout=subprocess.PIPE, text=True)
        flooded = counted(client, lambda: _gestures(client, None, 1, until=lambda: flood.poll() is not None))
        flooded["sent"] = int(flood.communicate()[0])
    machine = {"system": platform.platform(), "cores": os.cpu_count(), "load": os.getloadavg()[0]}
    print(json.dumps({"alone": alone, "flooded": flooded, "machine": machine}, indent=1))
    return int(bool(flooded["lost"]))


if __name__ == "__main__":
    sys.exit(main())
