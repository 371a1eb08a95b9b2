"""Measures the whole engine on a clocked device while it renders without a pause.

Run it with ``tools/bench/engine_device.py --seconds 180``.

Runs JACK's dummy driver with an idle capture client alone, then with ``riffengine play`` on a preset whose drift needs
new loops all the time. Prints the server's xruns in both, the player's underruns, the loops rendered, and how many of
the captured frames differ from the player's recording.
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
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import soundfile

from riffengine.bench.osc_client import OscClient
from tests.wire.jack_server import Capture, JackServer, build_capture, missing_programs
from tools.bench.xruns import changed_samples

ROOT = Path(__file__).resolve().parents[2]
RATE = 48000
PRESET = """
tempo: 120
deck: {a: {prompt: "techno, driving", to: "ambient, pad", seed: 3, to_seed: 4, drift: 1.0}}
output: {to: device, sample_rate: 48000, block_frames: BLOCK, fade_in: 0.1, fade_out: 0.5}
midi: {enabled: false}
"""


def idle_xruns(server: JackServer, jcap: Path, folder: Path, seconds: float) -> int:
    """The baseline: xruns while only an idle client runs."""
    capture = Capture(jcap, server, folder / "idle.raw", seconds + 10, ("system:capture_1",))
    time.sleep(seconds)
    return capture.finish()[1]


def play(server: JackServer, jcap: Path, folder: Path, arguments: argparse.Namespace) -> dict[str, object]:
    """Play one set on ``server`` and return its figures."""
    (folder / "stage.yaml").write_text(PRESET.replace("BLOCK", str(arguments.block)))
    command = [
        sys.executable,
        "-m",
        "riffengine",
        "play",
        str(folder / "stage.yaml"),
        "--osc-port",
        str(arguments.port),
    ]
    command += ["--record", str(folder / "own.wav"), "--seconds", str(arguments.seconds + 15)]
    with (folder / "play.log").open("w") as log:
        engine = subprocess.Popen(command, cwd=ROOT, env=server.environment, stdout=log, stderr=subprocess.STDOUT)
        try:
            outputs: tuple[str, ...] = ()
            while len(outputs) < 2 and engine.poll() is None:
                outputs = tuple(sorted(p for p in server.ports() if "out_" in p and not p.startswith("system")))
                time.sleep(0.1)
            if engine.poll() is not None:
                raise SystemExit((folder / "play.log").read_text())
            capture = Capture(jcap, server, folder / "heard.raw", arguments.seconds + 30, outputs)
            time.sleep(arguments.seconds)
            client = OscClient(arguments.port)
            figures = next((told for _ in range(10) if (told := client.status())), {})
            engine.wait(60)
        finally:
            engine.kill()
    if engine.returncode != 0:
        raise SystemExit((folder / "play.log").read_text())
    heard, xruns = capture.finish()
    own = soundfile.read(folder / "own.wav", dtype="float32")[0]
    return {
        "xruns": xruns,
        "changed_frames": changed_samples(own, heard),
        "recorded_seconds": len(own) / RATE,
        **{name: figures.get(name) for name in ("underruns", "jobs_heard", "famines", "render_seconds", "load")},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=180.0)
    parser.add_argument("--block", type=int, default=512)
    parser.add_argument("--port", type=int, default=9750, help="UDP port for OSC")
    parser.add_argument("--synchronous", action="store_true", help="jackd -S: the clock waits for late clients")
    parser.add_argument("--realtime", action="store_true", help="jackd -R -P 60: needs the right to real-time priority")
    arguments = parser.parse_args()
    if missing := missing_programs():
        raise SystemExit(f"not installed: {', '.join(missing)}")
    facts: dict[str, object] = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}",
        "jackd": f"{'-R' if arguments.realtime else '-r'}{' -S' if arguments.synchronous else ''} "
        f"-d dummy -r {RATE} -p {arguments.block}",
        "seconds": arguments.seconds,
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        jcap = build_capture(folder)
        for what in ("idle", "play"):
            server = JackServer.start(RATE, arguments.block, arguments.synchronous, arguments.realtime)
            try:
                if what == "idle":
                    facts["xruns_idle"] = idle_xruns(server, jcap, folder, arguments.seconds)
                else:
                    facts |= play(server, jcap, folder, arguments)
            finally:
                server.stop()
    print(json.dumps(facts, indent=1))


if __name__ == "__main__":
    main()
