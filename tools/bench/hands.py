"""Plays a served set with random hands for hours while its renderer is killed again and again, and measures it.

    nice python tools/bench/hands.py --minutes 120 --kill-every 300 --folder /tmp/hands

Starts ``riffengine serve`` on two decks (paced output, a FLAC recording, the web page). Three hands play at random: OSC
datagrams, the page's WebSocket together with all its other routes, and MIDI from a JACK server where there is one. They
change prompts, steps and tempo, but leave alone what silences the set on purpose (panic, mute, solo, closed filters),
so every silence in the recording is a fault. ``looks.csv`` gets a line for each process and look. ``--report FOLDER``
prints the table of a run, also while it goes on.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import json
import os
import platform
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from riffengine.bench.jack_server import JackServer, missing_programs
from riffengine.bench.osc_client import free_port
from riffengine.control.osc.wire import decode, encode

START_SECONDS = 600.0
WARM_MINUTES = 20.0
GAP_SECONDS = 0.02
WORDS = (
    "house", "techno", "jazz", "dub", "ambient", "piano", "acid", "warm", "dark", "driving", "soft", "strings",
    "electronic drums", "upright bass", "organ", "bells", "minimal", "funk", "spacious", "fast",
)  # fmt: skip
CHORDS = ("", "Am7 Fmaj7 C G", "C G Am F", "Dm7 G7 Cmaj7")
PRESET = """\
name: hands
tempo: 120
quantum: bar
crossfader: 0.5
output: {to: paced}
record: {keep_minutes: 5, folder: .}
deck:
  a: {prompt: "house, piano, driving", to: "techno, acid, dark", seed: 3, to_seed: 11}
  b: {prompt: "dub, electric bass, organ, spacious", seed: 8}
midi:
  ports: [hands]
  map:
    - {cc: 0, set: deck/a/gain, low: -12, high: 0}
    - {cc: 1, set: deck/b/gain, low: -12, high: 0}
    - {cc: 2, set: deck/a/alpha}
    - {cc: 3, set: deck/a/density}
    - {cc: 4, set: deck/b/brightness}
    - {cc: 5, set: crossfader}
    - {cc: 6, set: transport/tempo, low: 80, high: 160}
    - {note: 36, set: next}
    - {note: 37, set: undo}
    - {note: 38, set: deck/a/again}
"""
MIDI_NUMBERS = 7


def gesture(rng: random.Random) -> tuple[str, float | int | str]:
    """A random command that leaves the set sounding; one in fifteen is a text or a number that is refused."""
    deck, text = rng.choice("ab"), ", ".join(rng.sample(WORDS, 3))
    if rng.random() < 1 / 15:
        return rng.choice(
            (("steps", 10**9), (f"deck/{deck}/chords", "H#17"), ("transport/quantum", "never"), ("scene/recall", text))
        )
    return rng.choice(
        (
            (f"deck/{deck}/prompt", text), (f"deck/{deck}/prompt", text),
            (f"deck/{deck}/to", text),
            (f"deck/{deck}/seed", rng.randrange(2**31)), (f"deck/{deck}/alpha", rng.random()),
            (f"deck/{deck}/drift", rng.choice((0.0, 0.0, 0.25))), (f"deck/{deck}/guidance", rng.uniform(1, 6)),
            (f"deck/{deck}/negative", rng.choice(WORDS)), (f"deck/{deck}/density", rng.uniform(-0.5, 1)),
            (f"deck/{deck}/transpose", rng.randrange(-6, 7)), (f"deck/{deck}/chords", rng.choice(CHORDS)),
            (f"deck/{deck}/filter", rng.uniform(-0.4, 0.4)), (f"deck/{deck}/again", 1),
            (f"deck/{deck}/gain", rng.uniform(-12, 0)), ("crossfader", rng.random()), ("next", 1), ("undo", 1),
            ("steps", rng.choice((4, 8, 8, 20, 50))), ("draft_steps", rng.choice((2, 4, 8))),
            ("transport/tempo", rng.choice((96.0, 120.0, 128.0, 140.0))),
            ("transport/quantum", rng.choice(("beat", "bar", "2bars"))), ("scene/store", f"scene {rng.randrange(20)}"),
            ("scene/recall", f"scene {rng.randrange(20)}"),
            ("record/save_last", 1) if rng.random() < 0.1 else ("redo", 1),
        )
    )  # fmt: skip


class Hands:
    """The three hands; each has a thread, and counts what it did."""

    def __init__(self, folder: Path, ports: dict[str, int], jack: JackServer | None, seed: int, rest: float) -> None:
        self.folder, self.ports, self.rest, self.seed = folder, ports, rest, seed
        self.jack = jack
        self.counts: dict[str, int] = defaultdict(int)
        self.ended = threading.Event()
        self.threads = [threading.Thread(target=hand, daemon=True) for hand in (self._osc, self._web, self._midi)]

    def start(self) -> None:
        for thread in self.threads:
            thread.start()

    def close(self) -> None:
        self.ended.set()
        for thread in self.threads:
            thread.join(20)

    def _pause(self, rng: random.Random) -> bool:
        return not self.ended.wait(rng.expovariate(1 / self.rest))

    def _osc(self) -> None:
        rng = random.Random(f"{self.seed} osc")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            out.setblocking(False)
            while self._pause(rng):
                path, value = gesture(rng)
                messages = [encode(f"/riff/{path}", value)]
                if rng.random() < 0.1:  # a fader's sweep
                    messages = [encode("/riff/deck/a/alpha", step / 50) for step in range(50)]
                if rng.random() < 0.1:
                    messages.append(rng.randbytes(rng.randrange(200)))
                if rng.random() < 0.02:
                    messages.append(encode(rng.choice(("/riff/help", "/riff/notify", "/riff/*/a/gain")), 1))
                for message in messages:
                    try:
                        out.sendto(message, ("127.0.0.1", self.ports["osc"]))
                        self.counts["osc sent"] += 1
                    except OSError:
                        self.counts["osc unsent"] += 1
                self._drain(out)

    def _drain(self, out: socket.socket) -> None:
        try:
            while True:
                out.recv(65536)
                self.counts["osc answers"] += 1
        except OSError:
            return

    def _web(self) -> None:
        rng = random.Random(f"{self.seed} web")
        while not self.ended.is_set():
            try:
                asyncio.run(self._visit(rng))
            except (OSError, aiohttp.ClientError, TimeoutError):
                self.counts["web visits broken off"] += 1
                self.ended.wait(1.0)

    async def _visit(self, rng: random.Random) -> None:
        """One visitor: some gestures by WebSocket, then each of the other routes, some left in the middle."""
        url = f"http://127.0.0.1:{self.ports['web']}"
        monitor = f"http://127.0.0.1:{self.ports['http']}"
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as client:
            async with client.ws_connect(f"{url}/ws/control", max_msg_size=0) as wire:
                for number in range(rng.randrange(1, 30)):
                    if not self._pause(rng):
                        return
                    path, value = gesture(rng)
                    value = True if value == 1 and "/seed" not in path else value
                    await wire.send_json({"type": "set", "path": path, "value": value, "id": number})
                    if rng.random() < 0.1:
                        await wire.send_str(rng.randbytes(50).hex())
                    self.counts["web commands"] += 1
            for route in (f"{url}/", f"{url}/api/welcome", f"{monitor}/health", f"{monitor}/metrics", f"{url}/nothing"):
                async with client.get(route) as answer:
                    await answer.read()
                    self.counts[f"http {answer.status}"] += 1
            codec = rng.choice(("flac", "ogg", "mp3"))
            async with client.get(f"{url}/stream.{codec}") as answer:
                for _ in range(rng.randrange(1, 20)):
                    await answer.content.readany()
                self.counts[f"listened to {codec}"] += 1

    def _midi(self) -> None:
        if self.jack is None:
            return
        rng = random.Random(f"{self.seed} midi")
        program = Path(__file__).resolve().parents[2] / "tests/wire/pad_box.py"
        while not self.ended.is_set():  # a controller that is plugged in and pulled out again and again
            with subprocess.Popen(
                [sys.executable, program], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
                env=self.jack.environment,
            ) as box:  # fmt: skip
                assert box.stdin is not None

                def ask(what: dict[str, Any], to: Any = box.stdin) -> None:
                    to.write(json.dumps(what) + "\n")
                    to.flush()

                try:
                    ask({"come": "hands"})
                    for _ in range(rng.randrange(100, 600)):
                        if not self._pause(rng):
                            break
                        messages = [[0xB0, rng.randrange(MIDI_NUMBERS), rng.randrange(128)]]
                        if rng.random() < 0.2:
                            key = rng.choice((36, 37, 38, 60))
                            messages = [[0x90, key, 100], [0x80, key, 0]]
                        if rng.random() < 0.1:
                            messages.append([rng.randrange(0x80, 0xF0), rng.randrange(128), rng.randrange(128)])
                        ask({"send": messages})
                        self.counts["midi messages"] += len(messages)
                    ask({"go": 1})
                    box.stdin.close()
                    box.wait(20)
                    self.counts["midi controllers"] += 1
                except (OSError, subprocess.TimeoutExpired):
                    self.counts["midi broken off"] += 1
                    box.kill()


# --- looks -----------------------------------------------------------------------------------------------------------


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
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))


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
    import urllib.request

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


def play(arguments: argparse.Namespace) -> int:
    folder: Path = arguments.folder
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "set.yaml").write_text(PRESET)
    jack = None
    if missing_programs():
        print("no JACK: there is no MIDI", flush=True)
    else:
        jack = JackServer.start(48000, 1024, synchronous=False)
    environment = (jack.environment if jack else dict(os.environ)) | {"XDG_STATE_HOME": str(folder / "state")}
    ports = {name: free_port() for name in ("osc", "http", "web")}
    words = ["serve", "set.yaml", "--fresh", "--record", "set.flac", "--log", "log", "--osc-port", str(ports["osc"]),
             "--http-port", str(ports["http"]), "--web", str(ports["web"])]  # fmt: skip
    with (folder / "output").open("w") as output:
        served = subprocess.Popen(
            [sys.executable, "-m", "riffengine", *words], cwd=folder, env=environment, stdout=output, stderr=output
        )
    hands = Hands(folder, ports, jack, arguments.seed, arguments.rest)
    kills = 0
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, lambda *_: stop.set())
    try:
        wait_until(lambda: bool(metrics(ports["http"]).get("riffengine_sounding")), served)
        asker = Asker(ports["osc"])
        hands.start()
        began = next_kill = time.perf_counter()
        next_kill += arguments.kill_every
        with (folder / "looks.csv").open("w", newline="") as file:
            table = csv.DictWriter(file, COLUMNS, restval="")
            table.writeheader()
            while (seconds := time.perf_counter() - began) < 60 * arguments.minutes and served.poll() is None:
                table.writerows(one_look(seconds, served.pid, ports, asker))
                file.flush()
                if time.perf_counter() >= next_kill:
                    next_kill += arguments.kill_every
                    kills += kill_renderer(asker)
                if stop.wait(arguments.every):
                    break
    finally:
        hands.close()
        below = children(served.pid)
        served.send_signal(signal.SIGTERM)
        try:
            status = served.wait(120)
        except subprocess.TimeoutExpired:
            served.kill()
            status = served.wait()
        if jack is not None:
            jack.stop()
    time.sleep(2.0)
    end = {
        "exit_status": status, "kills": kills, "hands": dict(hands.counts),
        "orphans": [pid for pid in below if Path(f"/proc/{pid}").exists()],
        "tracebacks": sum((folder / name).read_text(errors="replace").count("Traceback") for name in ("output", "log")),
        **{file.name: gaps(file) for file in sorted(folder.glob("set*.flac"))},
    }  # fmt: skip
    (folder / "end.json").write_text(json.dumps(end, indent=1))
    report(folder)
    return int(bool(status))


def kill_renderer(asker: Asker) -> int:
    try:
        pid = int(asker.status().get("renderer_pid", 0))
    except OSError:
        return 0
    if pid:
        os.kill(pid, signal.SIGKILL)
    return int(bool(pid))


def wait_until(condition: Callable[[], bool], served: subprocess.Popen[bytes]) -> None:
    began = time.perf_counter()
    while time.perf_counter() - began < START_SECONDS and served.poll() is None:
        try:
            if condition():
                return
        except OSError:
            pass
        time.sleep(1.0)
    raise SystemExit("the set did not start; see the file output")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=120.0)
    parser.add_argument("--every", type=float, default=30.0, help="seconds between two looks (30)")
    parser.add_argument("--kill-every", type=float, default=300.0, help="seconds between two kills of the renderer")
    parser.add_argument("--rest", type=float, default=1.0, help="mean seconds between two gestures of one hand (1)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="keep everything there (default: a temporary folder)")
    parser.add_argument("--report", type=Path, metavar="FOLDER", help="only print the table of the run in FOLDER")
    arguments = parser.parse_args()
    if arguments.report:
        report(arguments.report)
        return 0
    with tempfile.TemporaryDirectory() as temporary:
        arguments.folder = (arguments.folder or Path(temporary)).resolve()
        return play(arguments)


if __name__ == "__main__":
    sys.exit(main())
