"""An engine whose sound says its own beat, as a program that can be killed: ``run_ramp_engine.py SOCKET AHEAD LOG``.

LOG gets, five times a second, a line of JSON for each plugin: how often it had no music, and what it has said.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

from riffengine.clock import SystemClock
from riffengine.daw.ramp_engine import Instance, RampEngine


def row(instance: Instance) -> str:
    return json.dumps(
        {
            "instance": instance.ring.instance,
            "asked": instance.hello.instance,
            "wants": instance.hello.wants,
            "state": instance.hello.state,
            "underruns": instance.ring.underruns,
            "silent": instance.ring.silent_frames,
            "parameters": instance.parameters,
            "midi": [event.data.hex() for event in instance.midi],
            "host": asdict(instance.host) if instance.host is not None else None,
        }
    )


def main(path: Path, ahead: int, log_path: Path) -> None:
    clock = SystemClock()
    engine = RampEngine(path, clock, ahead)
    told: set[int] = set()
    due_ns = 0
    print("ready", flush=True)
    with log_path.open("a", buffering=1) as log:
        while True:
            engine.serve(0.001)
            engine.fill()
            for instance in engine.instances:
                if instance.host is not None and id(instance) not in told:
                    told.add(id(instance))
                    engine.save("cHJlc2V0OiB0ZWNobm8=")
            if clock.now_ns() >= due_ns:
                due_ns = clock.now_ns() + 200_000_000
                for instance in engine.instances:
                    log.write(row(instance) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
