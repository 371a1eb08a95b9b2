"""A real set from the actors of a Ray cluster that grows and shrinks while it plays: gaps, late landings, scaling.

    python -m tools.bench.pool_cluster --minutes 24 [--folder FOLDER]

``riffengine serve`` with the bundled model and the output ``paced``, on a cluster of nodes with one CPU each, all on
this machine. It has one node at first; ``PLAN`` adds and kills others. Every ``--kill`` seconds an actor's process is
killed, every ``--stop`` seconds one is stopped for 20 s. Random gestures by OSC, ``--rest`` seconds apart on average.
Each change of the number of actors is printed with the seconds since what was done to the cluster last. Beside it plays
a set that changes nothing and whose renderer is left alone: its underruns are those of the machine.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import platform
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from riffengine.control.osc.wire import encode
from tools.bench.pool_deaths import SHOWN, continue_process, free_ports, idle_set, metrics, wait_ready
from tools.bench.random_hands import gesture
from tools.bench.ray_nodes import RayNodes

PLAN = ((3.0, "add"), (6.0, "kill"), (8.0, "add"), (11.0, "add"), (14.0, "kill"), (17.0, "kill"), (19.0, "add"))
"""Minutes, and what happens to the cluster then; killed is the oldest node that is not the head."""

_STOP_SECONDS = 20.0
_LOOK_SECONDS = 1.0
_PRESET = """\
pool: {{renderers: 0, ray: {{address: "{address}", actors: {{least: 1, most: {most}}}, token: {token}}}}}
midi: {{enabled: false}}
output: {{to: paced}}
record: {{folder: .}}
deck:
  a: {{prompt: ambient piano, to: dub techno, drift: 0.1}}
  b: {{prompt: "dub, electric bass, organ, spacious", seed: 8}}
"""


class Course:
    """What was done and seen, in seconds since the set began to play; ``http`` and ``idle`` are the sets' ports."""

    def __init__(self, http: int, idle: int) -> None:
        self._http, self._idle = http, idle
        self._began = time.perf_counter()
        self._did, self._did_at = "the set began", 0.0
        self._found = self._first = metrics(http)
        self._beside = self._beside_first = metrics(idle)["underruns_total"]
        self._shape = (-1.0, -1.0)  # actors that are ready, and that are wanted
        self._looks: Counter[float] = Counter()  # by how many actors were ready
        self._unanswered = 0
        self._loads: list[float] = []

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self._began

    def did(self, what: str) -> None:
        self._did, self._did_at = what, self.seconds
        print(f"{self.seconds:7.1f} s  {what}", flush=True)

    def look(self) -> None:
        """Read the set's figures, and print a change in the number of its actors."""
        try:
            self._found = metrics(self._http)
        except OSError:
            self._unanswered += 1
            return
        shape = (self._found.get("pool_members", 0.0), self._found.get("pool_wanted", 0.0))
        self._looks[shape[0]] += 1
        if shape != self._shape:
            self._shape = shape
            print(f"{self.seconds:7.1f} s      {shape[0]:g} ready of {shape[1]:g} wanted, "
                  f"{self.seconds - self._did_at:.1f} s after: {self._did}", flush=True)  # fmt: skip

    def line(self) -> None:
        """Print the figures so far."""
        self._loads.append(os.getloadavg()[0])
        with contextlib.suppress(OSError):
            self._beside = metrics(self._idle)["underruns_total"]
        print(f"{self.seconds:7.1f} s  {self._figures()}", flush=True)

    def print(self) -> None:
        """The figures at the end."""
        print(self._figures())
        print(f"{sum(self._looks.values())} looks a second apart, {self._unanswered} unanswered; with so many actors "
              "ready: " + ", ".join(f"{ready:g}: {count}" for ready, count in sorted(self._looks.items())))  # fmt: skip
        if self._loads:
            loads = sorted(self._loads)
            print(f"load: median {loads[len(loads) // 2]:.1f}, {loads[0]:.1f} to {loads[-1]:.1f}")
        print(", ".join(f"{name} {value:g}" for name, value in self._found.items() if name.startswith("pool_")))

    def _figures(self) -> str:
        """Those of the set, counters since the bench began to look, and the underruns of the idle one."""
        first = {name: value for name, value in self._first.items() if name.endswith("_total")}
        counted = [f"{name} {self._found.get(name, math.nan) - first.get(name, 0.0):g}" for name in SHOWN]
        return f"{', '.join(counted)}; underruns of the idle player {self._beside - self._beside_first:g}"


class Blows:
    """Kills and stops of actors, and the plan of the nodes."""

    def __init__(self, nodes: RayNodes, course: Course, kill: float, stop: float, rng: random.Random) -> None:
        self._nodes, self._course, self._rng = nodes, course, rng
        self._kill, self._stop = kill, stop
        self._next_kill, self._next_stop = kill, stop + kill / 2
        self._plan = list(PLAN)
        self._others: list[int] = []  # nodes beside the head
        self._stopped, self._stopped_at, self._next_tend = 0, 0.0, 0.0
        self.kills = self.stops = 0

    def step(self) -> None:
        now = self._course.seconds
        if now >= self._next_tend:
            self._next_tend = now + 1.0
            for number in self._nodes.tend():
                self._course.did(f"node {number} ended by itself, started again")
        if self._plan and now >= 60.0 * self._plan[0][0]:
            self._change(self._plan.pop(0)[1])
        if self._stopped and now - self._stopped_at >= _STOP_SECONDS:
            self.release()
        if now >= self._next_kill:
            self._next_kill += self._kill
            pid = self._one()
            if pid:
                os.kill(pid, signal.SIGKILL)
                self.kills += 1
                self._course.did("an actor killed")
        if now >= self._next_stop:
            self._next_stop += self._stop
            self._stopped, self._stopped_at = self._one(), now
            if self._stopped:
                os.kill(self._stopped, signal.SIGSTOP)
                self.stops += 1
                self._course.did("an actor stopped")

    def release(self) -> None:
        if self._stopped:
            continue_process(self._stopped)
            self._course.did("the stopped actor goes on")
        self._stopped = 0

    def _one(self) -> int:
        there = [pid for pid in self._nodes.actors() if pid != self._stopped]
        return self._rng.choice(there) if there else 0

    def _change(self, what: str) -> None:
        if what == "add":
            self._others.append(self._nodes.add(1))
            self._course.did(f"node {self._others[-1]} started")
        else:
            number = self._others.pop(0)
            self._course.did(f"node {number} {'killed' if self._nodes.kill(number) else 'was not up yet'}")


def play(arguments: argparse.Namespace, folder: Path) -> None:
    """Run the set with its cluster in ``folder``, and print what happened."""
    nodes = RayNodes(folder)
    nodes.add(1)
    preset = folder / "set.yaml"
    preset.write_text(_PRESET.format(address=nodes.address, most=arguments.most, token=nodes.token))
    environment = {**os.environ, "XDG_STATE_HOME": str(folder / "state")}
    http, idle, osc = free_ports()
    command = [sys.executable, "-m", "riffengine", "serve", str(preset), "--fresh", "--http-port", str(http)]
    try:
        with idle_set(folder, environment, idle), (folder / "log").open("w") as log:
            engine = subprocess.Popen(
                [*command, "--osc-port", str(osc)], cwd=folder, env=environment, stdout=log, stderr=log
            )
            try:
                wait_ready(http)
                course = Course(http, idle)
                blows = Blows(nodes, course, arguments.kill, arguments.stop, random.Random(arguments.seed))
                gestures = perform(arguments, engine, course, blows, osc)
                status = engine.poll()
            finally:
                engine.terminate()
                engine.wait(60)
    finally:
        nodes.close()
    text = (folder / "log").read_text()
    print(f"{platform.machine()}, {os.cpu_count()} cores; {arguments}")
    print("the set played to the end" if status is None else f"the set ended early with {status}")
    print(f"{blows.kills} actors killed, {blows.stops} stopped for {_STOP_SECONDS:g} s, {gestures} gestures")
    course.print()
    print(f"log: {sum('error' in line for line in text.splitlines())} lines with an error, "
          f"{text.count('Traceback')} tracebacks")  # fmt: skip


def perform(
    arguments: argparse.Namespace, engine: subprocess.Popen[bytes], course: Course, blows: Blows, port: int
) -> int:
    """Play for the given minutes, or until ``engine`` ends; how many gestures that were."""
    rng, sender = random.Random(arguments.seed), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    gestures, next_gesture, next_look, next_line = 0, 5.0, 0.0, 60.0
    while course.seconds < 60.0 * arguments.minutes and engine.poll() is None:
        time.sleep(0.05)
        blows.step()
        if course.seconds >= next_gesture:
            next_gesture += rng.expovariate(1.0 / arguments.rest)
            gestures += 1
            path, value = gesture(rng)
            sender.sendto(encode(f"/riff/{path}", value), ("127.0.0.1", port))
        if course.seconds >= next_look:
            next_look = course.seconds + _LOOK_SECONDS
            course.look()
        if course.seconds >= next_line:
            next_line += 60.0
            course.line()
    blows.release()
    return gestures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=24.0)
    parser.add_argument("--most", type=int, default=3, help="actors")
    parser.add_argument("--kill", type=float, default=60.0, help="seconds from one killed actor to the next")
    parser.add_argument("--stop", type=float, default=120.0, help="seconds from one stopped actor to the next")
    parser.add_argument("--rest", type=float, default=7.0, help="mean seconds between two gestures")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="what to keep the logs in; without it, they are not kept")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what was started ends with this program
    if arguments.folder is not None:
        arguments.folder.mkdir(parents=True, exist_ok=True)
        play(arguments, arguments.folder.resolve())
        return
    with tempfile.TemporaryDirectory() as folder:
        play(arguments, Path(folder))


if __name__ == "__main__":
    main()
