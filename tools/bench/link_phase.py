"""Measures in captured sound how far loops are from a Link peer's beat.

Run it with ``python tools/bench/link_phase.py --minutes 10``.

A JACK server with the dummy driver clocks the real engine, which follows Ableton Link; the session belongs to a second
process with another binding of the library. What the engine plays is captured with the time of every block. The loop
that sounds is found in it, once in every turn, by correlation with the same loop rendered from the journal; its first
sample is where the session's bar begins. ``--offset`` is the preset's manual offset, ms.

Demand: at most 3 ms, over 10 minutes (Link's test plan, AUDIOENGINE-1); the goal is 1 ms. The exit status is 1 when the
demand is not met.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
from numpy.typing import NDArray

from riffengine.bench.jack_server import Capture, JackServer, build_capture
from riffengine.bench.onset import BlockTimes
from riffengine.bench.osc_client import OscClient, bank_complete, free_port
from riffengine.performance.journal import read_journal
from riffengine.processes.player_messages import PlaceLoop
from riffengine.processes.realtime import realtime_allowed
from riffengine.replay import read_player_log
from riffengine.replay.replay import load_replay_family
from tests.wire.link_peer import Peer, Told

ROOT = Path(__file__).resolve().parents[2]
RATE = 48000
BEATS = 8
LEAST_MATCH = 0.9  # of the correlation with the loop: below it blocks were lost in that turn
DEMAND_MS, GOAL_MS = 3.0, 1.0
PATIENCE_SECONDS = 600.0

PRESET = """
tempo: 120
quantum: off
steps: 4
draft_steps: 4
deck: {{a: {{prompt: "techno, driving, acid bass", seed: 3, to_seed: 3, drift: 0}}}}
sync: {{source: link, offset: {offset}}}
output: {{to: device, device: "system jack", sample_rate: 48000, fade_in: 0.02, fade_out: 0.1}}
midi: {{enabled: false}}
"""


def loop_of(journal: Path) -> tuple[NDArray[np.float64], float]:
    """The loop that sounded last, rendered again, ``(frames,) float64``, and its tempo."""
    entries, _, _ = read_player_log(read_journal(journal))
    request = next(e.request for e in reversed(entries) if isinstance(e.message, PlaceLoop) and e.request is not None)
    audio = load_replay_family(request.model).render(request, lambda: None).audio
    return audio.sum(axis=(0, 2)).astype(np.float64), request.bpm


def onsets(heard: NDArray[np.float64], loop: NDArray[np.float64]) -> tuple[list[float], int]:
    """Frames, between samples, on which the loop begins, one in each turn; and turns that match it too badly."""
    found, bad, length = [], 0, len(loop)
    spectrum, power = np.conj(np.fft.rfft(loop)), float((loop**2).sum())
    for start in range(0, len(heard) - length, length):
        part = heard[start : start + length]
        correlation = np.fft.irfft(np.fft.rfft(part) * spectrum, length)
        late = int(correlation.argmax())
        if correlation[late] < LEAST_MATCH * np.sqrt(power * float((part**2).sum())):
            bad += 1
            continue
        before, at, after = (correlation[(late + step) % length] for step in (-1, 0, 1))
        found.append(start + late + 0.5 * (before - after) / (before - 2 * at + after))
    return found, bad


class PeerRecorder(threading.Thread):
    """Records the peer's beat ten times a second."""

    def __init__(self, peer: Peer) -> None:
        super().__init__(daemon=True)
        self._peer, self.stopped, self.states = peer, threading.Event(), list[Told]()

    def run(self) -> None:
        while not self.stopped.wait(0.1):
            self.states.append(self._peer.ask())

    def beats(self, at_ns: NDArray[np.float64]) -> NDArray[np.float64]:
        """The peer's beat at these times, from the half of the answers that arrived fastest."""
        open_ns = np.array([state.after_ns - state.before_ns for state in self.states])
        quick = [state for state, width in zip(self.states, open_ns, strict=True) if width <= np.median(open_ns)]
        return np.interp(at_ns, [(t.before_ns + t.after_ns) / 2 for t in quick], [t.beat for t in quick])


def measure(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Run the set and return all figures."""
    program = build_capture(folder)
    (folder / "set.yaml").write_text(PRESET.format(offset=arguments.offset))
    port = free_port()
    server = JackServer.start(RATE, arguments.block, synchronous=False, realtime=bool(realtime_allowed()))
    peer, recorder, client = Peer(arguments.bpm), None, OscClient(port)
    words = ["play", str(folder / "set.yaml"), "--block", str(arguments.block), "--osc-port", str(port)]
    with (folder / "engine.log").open("w") as log:
        engine = subprocess.Popen(
            [sys.executable, "-m", "riffengine", *words, "--journal", str(folder / "set.jsonl")],
            cwd=ROOT, env=server.environment, stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            if not client.wait_for(
                lambda s: bank_complete(s) and abs(s["bpm"] - arguments.bpm) < 0.1, PATIENCE_SECONDS
            ):
                raise SystemExit(f"the engine did not start to follow: {(folder / 'engine.log').read_text()[-2000:]}")
            time.sleep(arguments.settle)
            outputs = tuple(sorted(p for p in server.ports() if "out_" in p and not p.startswith("system")))
            recorder = PeerRecorder(peer)
            recorder.start()
            seconds = arguments.minutes * 60
            capture = Capture(program, server, folder / "heard.raw", seconds + 30, outputs[:1])
            time.sleep(seconds)
            heard, xruns, times = capture.finish_timed()
            status = client.status()
        finally:
            if recorder is not None:
                recorder.stopped.set()
                recorder.join()
            client.close()
            engine.send_signal(signal.SIGINT)
            engine.wait(120)
            peer.end()
            server.stop()
    loop, bpm = loop_of(folder / "set.jsonl")
    found, bad = onsets(heard[:, 0].astype(np.float64), loop)
    if not found:
        lost = f"{bad} turns were heard, none of them whole: {xruns} xruns, {status.get('underruns')} underruns"
        raise SystemExit(f"{lost}; measure on a machine that has nothing else to do")
    clock = BlockTimes(times[:, 0], times[:, 1] + arguments.block * 1_000_000_000 // RATE, RATE)
    at_ns = np.array([clock.ns_of(int(frame)) + frame % 1 * 1e9 / RATE for frame in found])
    late_ms = (recorder.beats(at_ns) + 2.0) % 4.0 - 2.0
    late_ms *= 60e3 / arguments.bpm
    return {
        "minutes": arguments.minutes,
        "turns": len(found),
        "turns_unmatched": bad,
        "late_ms_median": round(float(np.median(late_ms)), 3),
        "apart_ms_p95": round(float(np.quantile(np.abs(late_ms), 0.95)), 3),
        "apart_ms_max": round(float(np.abs(late_ms).max()), 3),
        "spread_ms": round(float(np.ptp(late_ms)), 3),
        "loop_bpm": bpm,
        "xruns": xruns,
        "underruns": status.get("underruns"),
        "block_frames": arguments.block,
        "machine": {"cores": os.cpu_count(), "load": os.getloadavg()[0], "python": platform.python_version()},
    }


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--bpm", type=float, default=124.0, help="of the session")
    parser.add_argument("--block", type=int, default=128, help="frames")
    parser.add_argument("--offset", type=float, default=0.0, help="ms")
    parser.add_argument("--settle", type=float, default=20.0, help="seconds between the first loop and the capture")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        figures = measure(arguments, Path(name))
    verdict = "goal" if figures["apart_ms_max"] <= GOAL_MS else "pass"
    figures["verdict"] = verdict if figures["apart_ms_max"] <= DEMAND_MS and figures["turns"] else "fail"
    if arguments.json:
        print(json.dumps(figures))
    else:
        for name, value in figures.items():
            print(f"{name:20} {value}")
    return 1 if figures["verdict"] == "fail" else 0


if __name__ == "__main__":
    sys.exit(main())
