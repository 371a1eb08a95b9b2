"""Plays a served set with random hands for hours while its renderer is killed again and again, and measures it.

    nice python tools/bench/hands.py --minutes 120 --kill-every 300 --folder /tmp/hands

Starts ``riffengine serve`` on two decks (paced output, a FLAC recording, the web page). Three hands play at random: OSC
datagrams, the page's WebSocket together with all its other routes, and MIDI from a JACK server where there is one. They
change prompts, steps and tempo, but leave alone what silences the set on purpose (panic, mute, solo, closed filters, a
crossfader all the way to one deck), so every silence in the recording is a fault. ``looks.csv`` gets a line for each
process and look. ``--report FOLDER`` prints the table of a run, also while it goes on.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from riffengine.bench.jack_server import JackServer, missing_programs
from riffengine.bench.osc_client import free_port
from tools.bench.looks import COLUMNS, Asker, children, gaps, metrics, one_look, report
from tools.bench.random_hands import Hands

START_SECONDS = 600.0
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
    - {cc: 5, set: crossfader, low: 0.2, high: 0.8}
    - {cc: 6, set: transport/tempo, low: 80, high: 160}
    - {note: 36, set: next}
    - {note: 37, set: undo}
    - {note: 38, set: deck/a/again}
"""


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
