"""Looks at a served set from outside: memory, threads and descriptors of its processes, silences in recordings."""

from __future__ import annotations

import csv
import os
import platform
import socket
import urllib.request
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from prometheus_client.parser import text_string_to_metric_families

from riffengine.control.osc.wire import decode, encode

WARM_MINUTES = 20.0
GAP_SECONDS = 0.02


def children(pid: int) -> list[int]:
    """All processes below ``pid``."""
    parents: dict[int, list[int]] = defaultdict(list)
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(path.read_text().rpartition(")")[2].split()[1])].append(int(path.parent.name))
        except OSError:
            continue
    found, todo = [], [pid]
    while todo:
        below = parents[todo.pop()]
        found += below
        todo += below
    return found


def private_bytes(pid: int) -> int:
    """What ``pid`` has written; not what it reads of files that no other process has mapped (anymore)."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith("Private_Dirty"))


def look(name: str, pid: int) -> dict[str, Any]:
    """Figures of one process; without those that cannot be read."""
    folder = Path(f"/proc/{pid}")
    try:
        stat = (folder / "stat").read_text().rpartition(")")[2].split()
        return {
            "process": name, "pid": pid, "private": private_bytes(pid), "threads": int(stat[17]),
            "descriptors": len(list((folder / "fd").iterdir())), "cpu": (int(stat[11]) + int(stat[12])) / 100,
        }  # fmt: skip
    except OSError:
        return {"process": name, "pid": pid}


def metrics(port: int) -> dict[str, float]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
        families = text_string_to_metric_families(answer.read().decode())
        return {"/".join([s.name, *s.labels.values()]): s.value for family in families for s in family.samples}


class Asker:
    """Asks the engine for its status by OSC."""

    def __init__(self, port: int) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.settimeout(2.0)
        self._port = port

    def status(self) -> dict[str, Any]:
        self._socket.sendto(encode("/riff/status"), ("127.0.0.1", self._port))
        for _ in range(20):
            for request in decode(self._socket.recv(65536)):
                if request.address == "/riff/status.reply":
                    values = tuple(request.arguments)
                    return dict(zip(map(str, values[::2]), values[1::2], strict=True))
        return {}


FIGURES = (
    "underruns_total", "late_messages_total", "famines_total", "faults_total", "renderer_deaths_total",
    "player_deaths_total", "renders_total/heard", "renders_total/failed", "landing_error_frames_max",
    "log_lines_lost_total", "shared_bytes", "shared_segments", "saves_total", "recordings_failed_total",
)  # fmt: skip
COLUMNS = ("seconds", "load", "process", "pid", "private", "threads", "descriptors", "cpu", *FIGURES)


def one_look(seconds: float, pid: int, ports: dict[str, int], asker: Asker) -> list[dict[str, Any]]:
    status: dict[str, Any] = {}
    try:
        status = asker.status()
        figures = metrics(ports["http"])
    except OSError:
        figures = {}
    names = {pid: "engine", int(status.get("renderer_pid", 0)): "renderer", int(status.get("player_pid", 0)): "player"}
    rows = [look(name, number) for number, name in names.items() if number]
    for number, child in enumerate(sorted(set(children(pid)) - set(names))):
        rows.append(look(f"child {number}", child))
    shared = {name: figures.get(f"riffengine_{name}", "") for name in FIGURES}
    return [{"seconds": round(seconds, 1), "load": os.getloadavg()[0], **row, **shared} for row in rows]


def report(folder: Path) -> None:
    """Print what a run measured so far: memory, descriptors and threads by process with their slopes, and the gaps."""
    with (folder / "looks.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["private"]]
    last = float(rows[-1]["seconds"]) / 60
    loads = np.array([float(row["load"]) for row in rows])
    machine = f"{platform.platform()}, Python {platform.python_version()}, {os.cpu_count()} cores"
    print(f"{machine}, load {np.median(loads):.1f}")
    print(f"{last:.1f} min, slopes from minute {min(WARM_MINUTES, last / 2):.0f} on (± 95 %)")
    columns = "".join(f"{name:>9}" for name in ("first", "lowest", "median", "highest", "last"))
    print(f"{'process':12}{'what':12}{columns}{'an hour':>12}{'±':>8}")
    for name in sorted({row["process"] for row in rows}):
        mine = [row for row in rows if row["process"] == name]
        late = [row for row in mine if float(row["seconds"]) / 60 >= min(WARM_MINUTES, last / 2)]
        for what, scale in (("private", 1e6), ("descriptors", 1.0), ("threads", 1.0)):
            values = np.array([float(row[what]) / scale for row in mine])
            shown = (values[0], values.min(), np.median(values), values.max(), values[-1])
            line = f"{name:12}{what:12}" + "".join(f"{value:9.0f}" for value in shown)
            if len(late) > 4:
                hours = np.array([float(row["seconds"]) / 3600 for row in late])
                slope, spread = fitted(hours, np.array([float(row[what]) / scale for row in late]))
                line += f"{slope:12.2f}{spread:8.2f}"
            print(line)
    with_figures = [row for row in rows if row[FIGURES[0]]]
    for name in FIGURES:
        print(f"{name:34}{float(with_figures[0][name]):14.0f}{float(with_figures[-1][name]):14.0f}")
    if (folder / "end.json").is_file():
        print((folder / "end.json").read_text())


def fitted(hours: np.ndarray, values: np.ndarray) -> tuple[float, float]:
    """Slope of a straight line, and 1.96 standard errors that allow for how slowly the noise changes (lag 1)."""
    slope, start = np.polyfit(hours, values, 1)
    left = values - slope * hours - start
    around = np.sum((hours - hours.mean()) ** 2)
    noise = float(np.sum(left**2) / (len(hours) - 2))
    lag = float(np.clip(np.sum(left[1:] * left[:-1]) / max(np.sum(left**2), 1e-30), 0.0, 0.99))
    return float(slope), float(1.96 * np.sqrt(noise / around * (1 + lag) / (1 - lag)))


def gaps(file: Path) -> dict[str, Any]:
    """Digital silences longer than ``GAP_SECONDS`` between the first and the last sound of a recording."""
    found: list[tuple[float, float]] = []
    with soundfile.SoundFile(file) as sound:
        rate, at, began, sounded = sound.samplerate, 0, -1, False
        for block in sound.blocks(blocksize=rate * 10, always_2d=True, dtype="float32"):
            quiet = np.all(block == 0.0, axis=1)
            edges = np.flatnonzero(np.diff(np.concatenate([[began >= 0], quiet]).astype(np.int8)))
            for edge in edges:
                if quiet[edge]:
                    began = at + int(edge)
                else:
                    if sounded and began >= 0 and at + edge - began > GAP_SECONDS * rate:
                        found.append((began / rate, (at + int(edge) - began) / rate))
                    began, sounded = -1, True
            sounded = sounded or not quiet.all()
            at += len(block)
    return {"recorded_seconds": at / rate, "gaps": len(found), "first_gaps": found[:10]}
