"""Kills and stops every process of served sets at random moments, and judges what is left.

    python tools/bench/kills.py --kills 60 --seed 1 --folder /tmp/kills

Each set records (FLAC and WAV in turn), serves the page, and sends MIDI clock and notes where there is a JACK server.
Its processes are killed or stopped for some seconds, the first within the time in which they load, and after ten of
that the engine itself is killed, or told to end. Counted are: silences inside a recording, how long a dead player was
silent (from the kill to the report of its successor's first block), processes that outlived the engine and by how
much, segments of shared memory that are left, recordings that soundfile, ffmpeg or sox cannot read, and tracebacks.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import soundfile

from riffengine.bench.jack_server import JackServer, missing_programs
from riffengine.bench.osc_client import free_port
from riffengine.clock import SystemClock
from riffengine.output.flac_repair import remove_empty_recording
from tools.bench.looks import Asker, children, gaps

PER_SET = 10
PATIENCE_SECONDS = 120.0
ORPHAN_SECONDS = 20.0  # how long an orphan is waited for
MOST_SECONDS = 2.0  # that a dead player may be silent, or a process outlive the engine
PRESET = """\
name: kills
tempo: 120
quantum: beat
output: {to: paced, fade_out: 0.5}
record: {keep_minutes: 1, folder: .}
midi: {notes_out: true, ports: []}
sync: {clock_out: true}
deck: {a: {prompt: "house, driving", to: "techno, dark", seed: 3, drift: 0.25}}
"""


@dataclass
class Findings:
    """What was done and found; ``notes`` are sentences on what was not as it should be."""

    done: Counter[str] = field(default_factory=Counter)
    player_silent_seconds: list[float] = field(default_factory=list)
    back_seconds: list[float] = field(default_factory=list)
    orphan_seconds: list[float] = field(default_factory=list)
    last_orphans: Counter[str] = field(default_factory=Counter)
    recordings: int = 0
    gaps: int = 0
    unreadable: int = 0
    orphans: int = 0
    segments: int = 0
    tracebacks: int = 0
    late: int = 0
    wrong_ends: int = 0
    notes: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        self.notes.append(text)
        print(text, flush=True)


class KilledSet:
    """One served set and what is done to it."""

    def __init__(self, folder: Path, number: int, rng: random.Random, found: Findings, jack: JackServer | None) -> None:
        self.folder, self.rng, self.found = folder, rng, found
        self.ending = "wav" if number % 2 else "flac"
        ports = {name: free_port() for name in ("osc", "http", "web")}
        folder.mkdir(parents=True)
        preset = PRESET if jack else PRESET.replace("midi: {notes_out: true, ports: []}\nsync: {clock_out: true}\n", "")
        (folder / "set.yaml").write_text(preset)
        words = ["serve", "set.yaml", "--fresh", "--record", f"set.{self.ending}", "--log", "log", "--web",
                 str(ports["web"]), "--osc-port", str(ports["osc"]), "--http-port", str(ports["http"])]  # fmt: skip
        environment = (jack.environment if jack else dict(os.environ)) | {"XDG_STATE_HOME": str(folder / "state")}
        with (folder / "output").open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "riffengine", *words], cwd=folder, env=environment, stdout=output, stderr=output
            )
        self.asker = Asker(ports["osc"])

    def status(self) -> dict[str, Any]:
        try:
            return self.asker.status()
        except OSError:
            return {}

    def harm(self) -> None:
        """Kill a random child, or stop a random process for a while; wait until all is well again."""
        status = self.status()
        known = {int(status.get(f"{name}_pid", 0)): name for name in ("renderer", "player")}
        pids = {pid: known.get(pid) or kind(pid) for pid in children(self.process.pid)}
        if not pids:
            return
        pid = self.rng.choice([*pids, *(p for p in pids if p in known)])  # renderer and player twice as often
        name = pids[pid]
        if self.rng.random() < 0.2:
            pid, name = self.rng.choice([(pid, name), (self.process.pid, "engine")])
            self.found.done[f"stop {name}"] += 1
            send(pid, signal.SIGSTOP)
            time.sleep(self.rng.uniform(0.5, 4.0))
            send(pid, signal.SIGCONT)
            return
        self.found.done[f"kill {name}"] += 1
        killed_at, parts = SystemClock().unix_seconds(), len(self.begun())
        began = time.perf_counter()
        send(pid, signal.SIGKILL)
        if name in ("renderer", "player") and status:
            back = self.wait_for(lambda now: int(now.get(f"{name}_pid", 0)) not in (0, pid))
            if not back:
                self.found.note(f"{self.folder.name}: the {name} did not come back")
            self.found.back_seconds.append(time.perf_counter() - began)
        if name == "player" and parts:
            if self.wait_for(lambda _: len(self.begun()) > parts):
                silent = self.begun()[parts] - killed_at
                self.found.player_silent_seconds.append(silent)
                if silent > MOST_SECONDS:
                    self.found.late += 1
                    self.found.note(f"{self.folder.name}: silent for {silent:.2f} s after the player's death")
            else:
                self.found.note(f"{self.folder.name}: no new part of the recording after the player's death")

    def wait_for(self, condition: Any) -> bool:
        deadline = time.perf_counter() + PATIENCE_SECONDS
        while time.perf_counter() < deadline and self.process.poll() is None:
            if condition(self.status()):
                return True
            time.sleep(0.05)
        return False

    def begun(self) -> list[float]:
        """When each file of the recording began, in Unix time: the log's reports of the first block."""
        try:
            lines = [json.loads(line) for line in (self.folder / "log").read_text().splitlines()]
        except (OSError, ValueError):
            return []
        from datetime import datetime

        return [
            datetime.fromisoformat(line["time"]).timestamp()
            for line in lines
            if str(line.get("text", "")).startswith("recording to ")
        ]

    def play(self, kills: int) -> None:
        time.sleep(self.rng.uniform(0.0, 8.0))  # while it loads
        self.harm()
        self.wait_for(lambda status: bool(status.get("jobs_heard")) and bool(self.begun()))
        for _ in range(kills - 2):
            time.sleep(self.rng.uniform(0.5, 4.0))
            if self.process.poll() is not None:
                self.found.note(f"{self.folder.name}: the set ended by itself with {self.process.returncode}")
                self.found.wrong_ends += 1
                break
            self.harm()
        time.sleep(self.rng.uniform(0.0, 3.0))
        self.end()

    def end(self) -> None:
        status = self.status()
        known = {int(status.get(f"{name}_pid", 0)): name for name in ("renderer", "player")}
        names = {pid: known.get(pid) or kind(pid) for pid in children(self.process.pid)}
        number = self.rng.choice((signal.SIGKILL, signal.SIGTERM, signal.SIGINT))
        self.found.done[f"{number.name} to the engine"] += 1
        send(self.process.pid, number)
        try:
            code = self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.found.note(f"{self.folder.name}: the engine did not end within a minute of {number.name}")
            self.process.kill()
            code = self.process.wait()
        ended, last = time.perf_counter(), ""
        if number != signal.SIGKILL and code:
            self.found.note(f"{self.folder.name}: exit status {code} after {number.name}")
            self.found.wrong_ends += 1
        while (left := [pid for pid in names if alive(pid)]) and time.perf_counter() - ended < ORPHAN_SECONDS:
            last = names[left[-1]]
            time.sleep(0.02)
        self.found.last_orphans[last] += 1
        self.found.orphan_seconds.append(time.perf_counter() - ended)
        if (seconds := self.found.orphan_seconds[-1]) > MOST_SECONDS:
            self.found.late += 1
            self.found.note(f"{self.folder.name}: the {last} outlived the engine by {seconds:.2f} s")
        if left:
            self.found.orphans += len(left)
            self.found.note(f"{self.folder.name}: {len(left)} processes outlived the engine by {ORPHAN_SECONDS:g} s")
        segments = list(Path("/dev/shm").glob(f"riffengine-{self.process.pid}-*"))
        self.found.segments += len(segments)
        self._judge_files()

    def _judge_files(self) -> None:
        for file in (self.folder / "output", self.folder / "log"):
            if file.exists() and (count := file.read_text(errors="replace").count("Traceback")):
                self.found.tracebacks += count
                self.found.note(f"{self.folder.name}: {count} tracebacks in {file.name}")
        for file in sorted(self.folder.glob(f"set*.{self.ending}")):
            self.found.recordings += 1
            if remove_empty_recording(file):  # as the next start of that name does
                continue
            if self.ending == "flac":
                subprocess.run([sys.executable, "-m", "riffengine", "repair", file], capture_output=True, check=False)
            for reader, problem in unreadable(file).items():
                self.found.unreadable += 1
                self.found.note(f"{self.folder.name}/{file.name}: {reader}: {problem}")
            silent = gaps(file)
            self.found.gaps += silent["gaps"]
            if silent["gaps"]:
                self.found.note(f"{self.folder.name}/{file.name}: silences {silent['first_gaps']}")


def unreadable(file: Path) -> dict[str, str]:
    """What each program says that cannot read ``file`` whole."""
    problems = {}
    try:
        frames = soundfile.info(file).frames
        samples = soundfile.read(file, dtype="float32")[0]
        if len(samples) != frames or not np.isfinite(samples).all():
            problems["soundfile"] = f"{len(samples)} of {frames} frames"
    except (soundfile.LibsndfileError, ValueError, MemoryError) as error:
        problems["soundfile"] = str(error)
    for name, command in (
        ("ffmpeg", ["ffmpeg", "-v", "error", "-i", str(file), "-f", "null", "-"]),
        ("sox", ["sox", str(file), "-n", "stat"]),
    ):
        if shutil.which(name) is None:
            continue
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode or (name == "ffmpeg" and done.stderr):
            problems[name] = done.stderr[-300:]
    return problems


def kind(pid: int) -> str:
    """What a child is that the engine's status does not name, by the module that it has loaded."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
        loaded = Path(f"/proc/{pid}/maps").read_text()
    except OSError:
        return "gone"
    if "resource_tracker import main" in words:
        return "tracker"
    libraries = {
        "torch": "loading renderer",
        "aiohttp": "web server",
        "rtmidi": "MIDI sender",
        "soundfile": "waiting player",
    }
    return next((name for library, name in libraries.items() if library in loaded), "starting child")


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def send(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="keep everything there (default: a temporary folder)")
    arguments = parser.parse_args()
    rng, found = random.Random(arguments.seed), Findings()
    jack = None if missing_programs() else JackServer.start(48000, 1024, synchronous=False)
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (arguments.folder or Path(temporary)).resolve()
        try:
            number = 0
            while (left := arguments.kills - sum(found.done.values())) > 0:
                one = KilledSet(folder / f"set-{number}", number, rng, found, jack)
                try:
                    one.play(min(PER_SET, left))
                finally:
                    one.process.kill()
                    one.process.wait()
                number += 1
                print(
                    f"{sum(found.done.values())} of {arguments.kills} after {time.perf_counter() - began:.0f} s",
                    flush=True,
                )
        finally:
            if jack is not None:
                jack.stop()
    report(found)
    return int(bool(found.notes))


def report(found: Findings) -> None:
    machine = f"{platform.platform()}, Python {platform.python_version()}, {os.cpu_count()} cores"
    print(f"{machine}, load {os.getloadavg()[0]:.1f}")
    print(", ".join(f"{count} {what}" for what, count in sorted(found.done.items())))
    for name in ("player_silent_seconds", "back_seconds", "orphan_seconds"):
        values = np.array(getattr(found, name) or [0.0])
        print(f"{name:24} median {np.median(values):.2f}  most {values.max():.2f}  ({len(values)})")
    print("last to end after the engine:", dict(found.last_orphans))
    for name in ("recordings", "gaps", "unreadable", "orphans", "late", "segments", "tracebacks", "wrong_ends"):
        print(f"{name:24} {getattr(found, name)}")


if __name__ == "__main__":
    sys.exit(main())
