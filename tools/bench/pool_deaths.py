"""A real set on a pool whose members are killed and stopped: gaps, late landings, hedges, and what they cost.

    python -m tools.bench.pool_deaths --minutes 30 [--renderers 3]
    python -m tools.bench.pool_deaths --minutes 2 --actors 2         actors of a Ray cluster of its own, on this machine

``riffengine serve`` with the bundled model and the output ``paced``. Every ten seconds one renderer of the pool is
killed and another is stopped for ten seconds, in turn; every ``--gesture`` seconds a prompt changes by OSC. The figures
are those of ``/metrics`` at the end. Beside it plays a set that changes nothing and whose renderer is left alone: its
underruns are those of the machine.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

from pythonosc.osc_message_builder import OscMessageBuilder

_PROMPTS = ("ambient piano", "dub techno", "acid house", "drum and bass", "jazz trio", "lofi hip hop")
SHOWN = (
    *("underruns_total", "famines_total", "landing_error_frames_max", "landings_moved_total", "launches_total"),
    *("late_messages_total", "renderer_deaths_total", "player_deaths_total"),
)


def descendants(pid: int) -> list[int]:
    """Process ids of all children of all threads of ``pid``, and of theirs."""
    children: list[int] = []
    for thread in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            children += [int(child) for child in thread.read_text().split()]
    return [*children, *(below for child in children for below in descendants(child))]


def members(engine: int) -> list[int]:
    """The renderer processes of the engine's pool: spawned by a process that was spawned itself."""
    found = []
    for child in descendants(engine):
        for below in descendants(child):
            try:
                if b"spawn_main" in Path(f"/proc/{below}/cmdline").read_bytes():
                    found.append(below)
            except OSError:
                continue
    return found


def actors(engine: int) -> list[int]:
    """The processes of actors that Ray has started for a pool below ``engine``."""
    found = []
    for below in descendants(engine):
        with contextlib.suppress(OSError):
            if Path(f"/proc/{below}/cmdline").read_bytes().startswith(b"ray::ClusterActor"):
                found.append(below)
    return found


def free_ports() -> tuple[int, int, int]:
    """Two TCP ports and a UDP port that nobody uses: two of these programs do not disturb each other."""
    with socket.socket() as http, socket.socket() as idle, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as osc:
        for each in (http, idle, osc):
            each.bind(("127.0.0.1", 0))
        return http.getsockname()[1], idle.getsockname()[1], osc.getsockname()[1]


def metrics(port: int) -> dict[str, float]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        lines = [line for line in answer.read().decode().splitlines() if line.startswith("riffengine_")]
    pairs = (line.rsplit(" ", 1) for line in lines)
    return {name.removeprefix("riffengine_"): float(value) for name, value in pairs}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--renderers", type=int, default=3)
    parser.add_argument("--actors", type=int, default=0)
    parser.add_argument("--blow", type=float, default=10.0, help="seconds from one to the next")
    parser.add_argument("--gesture", type=float, default=7.0)
    parser.add_argument("--calm", action="store_true", help="neither kill nor stop: the baseline")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        preset = Path(folder) / "set.yaml"
        ray = f"ray: {{address: local, actors: {{least: {arguments.actors}, most: {arguments.actors}}}}}"
        pool = f"renderers: 0, {ray}" if arguments.actors else f"renderers: {arguments.renderers}"
        preset.write_text(
            f"pool: {{{pool}}}\nmidi: {{enabled: false}}\noutput: {{to: paced}}\n"
            "deck: {a: {prompt: ambient piano, to: dub techno, drift: 0.1}}\n"
        )
        environment = {**os.environ, "XDG_STATE_HOME": folder}
        http, idle, osc = free_ports()
        ports = ("--http-port", str(http), "--osc-port", str(osc), "--fresh")
        with idle_set(Path(folder), environment, idle):
            log = (Path(folder) / "log").open("w")
            engine = subprocess.Popen(
                [sys.executable, "-m", "riffengine", "serve", str(preset), *ports], env=environment, stdout=log
            )
            kills = stops = gestures = 0
            try:
                wait_ready(http)
                began, stopped, loads = time.perf_counter(), 0, list[float]()
                found, beside = metrics(http), metrics(idle)
                next_blow, next_gesture = began + arguments.blow, began + 5.0
                sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                while time.perf_counter() - began < arguments.minutes * 60.0:
                    time.sleep(0.05)
                    now = time.perf_counter()
                    if now >= next_gesture:
                        next_gesture += arguments.gesture
                        gestures += 1
                        message = OscMessageBuilder("/riff/deck/a/prompt")
                        message.add_arg(_PROMPTS[gestures % len(_PROMPTS)])
                        sender.sendto(message.build().dgram, ("127.0.0.1", osc))
                    if now >= next_blow:
                        loads.append(os.getloadavg()[0])
                        with contextlib.suppress(OSError):  # the machine is busy: the next ones are read
                            found, beside = metrics(http), metrics(idle)
                            shown = ", ".join(f"{name} {found.get(name, float('nan')):g}" for name in SHOWN)
                            print(
                                f"{now - began:.0f} s: {shown}; idle player {beside['underruns_total']:g}", flush=True
                            )
                        next_blow += arguments.blow
                        if arguments.calm:
                            continue
                        if stopped:
                            continue_process(stopped)
                        there = actors(engine.pid) if arguments.actors else members(engine.pid)
                        there = [pid for pid in there if pid != stopped]
                        if there:
                            os.kill(there[kills % len(there)], signal.SIGKILL)
                            kills += 1
                            rest = [pid for pid in there if pid != there[(kills - 1) % len(there)]]
                            stopped = rest[stops % len(rest)] if rest else 0
                            if stopped:
                                os.kill(stopped, signal.SIGSTOP)
                                stops += 1
                if stopped:
                    continue_process(stopped)
            finally:
                engine.terminate()
                engine.wait(60)
        text = (Path(folder) / "log").read_text()
    print(f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {arguments}")
    print(f"{kills} killed, {stops} stopped for ten seconds, {gestures} gestures")
    print(", ".join(f"{name} {found.get(name, float('nan')):g}" for name in SHOWN))
    print(f"underruns of the idle player beside it: {beside['underruns_total']:g}")
    print(f"load: median {statistics.median(loads):.1f}, {min(loads):.1f} to {max(loads):.1f}")
    print(", ".join(f"{name} {value:g}" for name, value in found.items() if name.startswith("pool_")))
    worked, wasted = found["pool_worked_seconds_total"], found["pool_wasted_seconds_total"]
    hedges, delivered = found["pool_hedges_total"], found["pool_delivered_total"]
    print(f"hedge rate {hedges / max(1.0, delivered):.1%}, wasted {wasted / max(1e-9, worked):.1%} of the work")
    print(f"log: {sum('error' in line for line in text.splitlines())} lines with an error")


@contextlib.contextmanager
def idle_set(folder: Path, environment: Mapping[str, str], port: int) -> Iterator[None]:
    """A set beside the other that changes nothing."""
    preset = folder / "idle.yaml"
    preset.write_text(
        "midi: {enabled: false}\nosc: {enabled: false}\noutput: {to: paced}\ndeck: {a: {prompt: ambient piano}}\n"
    )
    command = [sys.executable, "-m", "riffengine", "serve", str(preset), "--http-port", str(port), "--fresh"]
    state = {**environment, "XDG_STATE_HOME": str(folder / "idle")}
    engine = subprocess.Popen(command, env=state, stdout=subprocess.DEVNULL)
    try:
        wait_ready(port)
        yield
    finally:
        engine.terminate()
        engine.wait(60)


def wait_ready(port: int) -> None:
    for _ in range(600):
        time.sleep(0.2)
        try:
            if metrics(port).get("sounding") == 1.0:
                return
        except OSError:
            continue
    raise SystemExit("the set did not begin within two minutes")


def continue_process(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGCONT)
    except ProcessLookupError:
        return


if __name__ == "__main__":
    main()
