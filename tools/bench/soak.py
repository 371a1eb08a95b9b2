"""Measures a long-running installation from outside: memory, descriptors, threads, shared memory, underruns.

    nice python tools/bench/soak.py presets/ambient-endless.yaml --minutes 30 --every 30

Starts ``riffengine serve`` on the preset, reads /metrics and /proc, and at the end prints a table and the slope of
every process' memory over the second half (before that the model warms up and the buffer of the last minutes fills).
SIGTERM ends it, and its exit status is this command's.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from prometheus_client.parser import text_string_to_metric_families

PROCESSES = ("engine", "renderer", "player")
START_SECONDS = 600.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def figures(port: int) -> dict[str, float]:
    """Every sample of /metrics by its name and its labels' values."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
        families = text_string_to_metric_families(answer.read().decode())
        return {"/".join([s.name, *s.labels.values()]): s.value for family in families for s in family.samples}


def slope_mb_an_hour(rows: list[dict[str, float]], name: str) -> float:
    later = rows[len(rows) // 2 :]
    if len(later) < 3:
        return float("nan")
    hours = np.array([row["seconds"] for row in later]) / 3600
    return float(np.polyfit(hours, [row.get(name, np.nan) / 1e6 for row in later], 1)[0])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("preset", type=Path)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--every", type=float, default=30.0, help="seconds between two looks (30)")
    parser.add_argument("--json", type=Path, help="every look, as JSON lines, to this file")
    arguments = parser.parse_args()
    port, rows = free_port(), []
    with tempfile.TemporaryDirectory() as folder:
        serve = subprocess.Popen(
            [sys.executable, "-m", "riffengine", "serve", str(arguments.preset.resolve()), "--output", "paced",
             "--no-midi", "--no-osc", "--fresh", "--http-port", str(port), "--log", f"{folder}/log"],
            env=os.environ | {"XDG_STATE_HOME": folder},
        )  # fmt: skip
        try:
            began = time.perf_counter()
            while time.perf_counter() - began < START_SECONDS:
                time.sleep(1.0)
                try:
                    if figures(port).get("riffengine_sounding"):
                        break
                except OSError:
                    if serve.poll() is not None:
                        print(Path(folder, "log").read_text())
                        return 1
            began = time.perf_counter()
            while (seconds := time.perf_counter() - began) < 60 * arguments.minutes and serve.poll() is None:
                row = {"seconds": seconds, "machine_load": os.getloadavg()[0], **figures(port)}
                rows.append(row)
                if arguments.json:
                    with arguments.json.open("a") as file:
                        file.write(json.dumps(row) + "\n")
                time.sleep(min(arguments.every, max(0.0, 60 * arguments.minutes - seconds)))
        finally:
            serve.send_signal(signal.SIGTERM)
            status = serve.wait(120)
    report(rows)
    print(f"exit status {status}")
    return status


def report(rows: list[dict[str, float]]) -> None:
    first, middle, last = rows[0], rows[len(rows) // 2], rows[-1]
    print(f"{platform.platform()}, Python {platform.python_version()}, {os.cpu_count()} cores")
    print(
        f"{len(rows)} looks in {last['seconds'] / 60:.1f} min, load {np.median([r['machine_load'] for r in rows]):.1f}"
    )
    print(f"{'':34}{'first':>10}{'middle':>10}{'last':>10}{'MB an hour, second half':>26}")
    for process in PROCESSES:
        for what, scale in (("resident_bytes", 1e6), ("private_bytes", 1e6), ("descriptors", 1), ("threads", 1)):
            name = f"riffengine_process_{what}/{process}"
            shown = "".join(f"{row.get(name, float('nan')) / scale:10.0f}" for row in (first, middle, last))
            slope = f"{slope_mb_an_hour(rows, name):26.1f}" if scale > 1 else ""
            label = f"{process} {what.replace('_bytes', ' MB')}"
            print(f"{label:34}{shown}{slope}")
    for name in (
        "shared_segments", "underruns_total", "late_messages_total", "famines_total", "renders_total/heard",
        "renderer_deaths_total", "faults_total", "landing_error_frames_max", "log_lines_lost_total",
    ):  # fmt: skip
        values = "".join(f"{row.get(f'riffengine_{name}', 0):10.0f}" for row in (first, middle, last))
        print(f"{name:34}{values}")


if __name__ == "__main__":
    sys.exit(main())
