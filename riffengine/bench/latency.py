"""``riffengine bench latency``: from a sent OSC message to the changed sample, measured from outside the engine.

A JACK server with the dummy driver clocks the real engine (its own processes, ``output: device``); this process sends
real OSC, a capture client in C records what the engine plays with the time of every block, and the change is found in
the samples. Nothing the engine says about itself enters the figures; its own are printed beside them.
"""

from __future__ import annotations

import os
import platform
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riffengine.bench.jack_server import Capture, JackServer, build_capture, missing_programs
from riffengine.bench.limits import judge
from riffengine.bench.onset import BlockTimes, Trial, find_onsets
from riffengine.bench.osc_player import OscPlayer, complete, playing
from riffengine.clock import SystemClock
from riffengine.errors import DeviceError
from riffengine.processes.realtime import realtime_allowed

BPM = 180.0  # the shortest loop: 8 beats in 2.667 s, a whole number of frames at 48 kHz
LOOP_SECONDS = 8 * 60.0 / BPM
_CLOCK = SystemClock()  # the same in this process, in the engine and in the capture
CLASSES = ("gain", "mute", "crossfader", "alpha", "stem", "prompt", "landing", "seed")
_QUIET_SECONDS = 0.3  # the no-change run before each gesture
_HOLD_SECONDS = 0.4  # how long a gesture is left alone before it is taken back
_LANDING_SECONDS = 30.0  # the longest wait for a prompt
_ANSWERS = 200  # so many make a 99th percentile
_ANSWERS_EVERY_SECONDS = 0.1
_STEPS = 4  # draft and full alike: what has landed is not exchanged for a finer loop while it is the reference

_PRESET = f"""
tempo: {BPM:g}
quantum: off
steps: {_STEPS}
draft_steps: {_STEPS}
gain: -12
deck: {{a: {{prompt: "techno, driving, acid bass", to: "house, organ, strings", seed: 3, to_seed: 4, drift: 0,
  side: left}}}}
output: {{to: device, device: "system jack", fade_in: 0.02, fade_out: 0.1}}
midi: {{enabled: false}}
"""
_GENRES = ("techno", "house", "jazz", "ambient", "trap", "funk", "dub", "bossa nova")
_SUSTAINED = "ambient, pad, choir"
_SOUNDS = ("piano", "organ", "strings", "acoustic guitar")


@dataclass(frozen=True)
class LatencyPlan:
    """What is measured. ``idle_seconds`` is how long an idle client alone is watched for the machine's own xruns."""

    changes: int = 30
    block_frames: int = 128
    sample_rate: int = 48000
    idle_seconds: float = 60.0
    classes: tuple[str, ...] = CLASSES[:-1]
    seed: int = 0


@dataclass(frozen=True)
class _Sent:
    """One gesture in nanoseconds of the monotonic clock; the loop before it begins at ``reference_ns``."""

    reference_ns: int
    sent_ns: int
    until_ns: int


def run_latency_bench(plan: LatencyPlan, say: Callable[[str], None] = lambda _: None) -> dict[str, Any]:
    """Measure, and return the figures for ``print_json``; ``DeviceError`` when JACK or a compiler is missing.

    ``classes`` has p50_ms, p95_ms, p99_ms, max_ms, missed and changes for each kind of gesture; ``demands`` says of
    each demand whether it is met; ``engine_p95_ms`` is what the engine measured itself; ``xruns`` and
    ``xruns_idle`` are the server's, with the engine and with an idle client.
    """
    unknown = set(plan.classes) - set(CLASSES)
    if unknown:
        raise DeviceError(f"no class is called {', '.join(sorted(unknown))}; there are: {', '.join(CLASSES)}")
    if missing := missing_programs():
        raise DeviceError(
            f"not installed: {', '.join(missing)}; on Debian: apt-get install jackd2 libjack-jackd2-dev gcc"
        )
    results: dict[str, Any] = {}
    xruns, watched = 0, 0.0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        program = build_capture(folder)
        say(f"idle: {plan.idle_seconds:g} s")
        idle = _idle_xruns(plan, program, folder)
        server = _server(plan)
        try:
            preset = _PRESET.replace("output: {", f"output: {{sample_rate: {plan.sample_rate}, ")
            block = ("--block", str(plan.block_frames))
            with playing(preset, folder, complete, block, server.environment) as (hand, _):
                outputs = tuple(sorted(p for p in server.ports() if "out_" in p and not p.startswith("system")))
                for kind in plan.classes:
                    if kind == "landing":
                        say(f"{kind}: {_ANSWERS} answers")
                        results[kind] = _answers(hand)
                        continue
                    say(f"{kind}: {plan.changes} changes")
                    capture = Capture(program, server, folder / f"{kind}.raw", _longest_seconds(plan, kind), outputs)
                    began = time.perf_counter()
                    gestures = _GESTURES[kind](hand, plan)
                    watched += time.perf_counter() - began
                    heard, lost, times = capture.finish_timed()
                    xruns += lost
                    results[kind] = _figures(plan, heard, times, gestures)
                own = hand.status()
        finally:
            server.stop()
    return {
        "classes": results,
        "demands": judge(results),
        "xruns": xruns,
        "watched_s": round(watched, 1),
        "xruns_idle": idle,
        "idle_s": plan.idle_seconds,
        "xruns_per_minute": round(60.0 * xruns / watched, 2) if watched else 0.0,
        "xruns_idle_per_minute": round(60.0 * idle / plan.idle_seconds, 2) if plan.idle_seconds else 0.0,
        "engine_p95_ms": {k: own.get(f"ear_{k}_p95_ms") for k in ("immediate", "morph", "quantised")},
        "underruns": own.get("underruns"),
        "block_frames": plan.block_frames,
        "sample_rate": plan.sample_rate,
        "machine": {
            "cores": os.cpu_count(),
            "load_average": [round(x, 2) for x in os.getloadavg()],
            "python": platform.python_version(),
            "numpy": np.__version__,
            "jack_realtime": realtime_allowed(),
        },
    }


def _server(plan: LatencyPlan) -> JackServer:
    """As a performer starts it: real-time where that is allowed."""
    return JackServer.start(plan.sample_rate, plan.block_frames, synchronous=False, realtime=bool(realtime_allowed()))


def _idle_xruns(plan: LatencyPlan, program: Path, folder: Path) -> int:
    server = _server(plan)
    try:
        capture = Capture(program, server, folder / "idle.raw", plan.idle_seconds + 10, ("system:capture_1",))
        time.sleep(plan.idle_seconds)
        return capture.finish()[1]
    finally:
        server.stop()


def _landed(status: dict[str, Any]) -> bool:
    """What was wanted last is launched, the points at the knob first."""
    return bool(status["coverage"] > 0.0)


# --- the hand -------------------------------------------------------------------------------------------------------


def _toggle(path: str, there: float | bool, back: float | bool) -> Callable[[OscPlayer, LatencyPlan], list[_Sent]]:
    """A gesture and its taking back, again and again, at moments that keep no step with blocks or beats."""

    def gestures(hand: OscPlayer, plan: LatencyPlan) -> list[_Sent]:
        chance = random.Random(plan.seed)
        hand.set(path, back)
        hand.wait_for(complete)
        time.sleep(0.5)
        reference_ns = _CLOCK.now_ns()
        time.sleep(LOOP_SECONDS + 0.5)
        sent = []
        for _ in range(plan.changes):
            sent_ns = hand.set(path, there)
            time.sleep(_HOLD_SECONDS)
            until_ns = hand.set(path, back)
            sent.append(_Sent(reference_ns, sent_ns, until_ns))
            time.sleep(_QUIET_SECONDS + 0.2 + chance.uniform(0.0, 0.1))
        return sent

    return gestures


def _anew(path: str, values: Sequence[str | int]) -> Callable[[OscPlayer, LatencyPlan], list[_Sent]]:
    """Something that must be rendered each time, when what was there before has sounded unchanged for a whole loop."""

    def gestures(hand: OscPlayer, plan: LatencyPlan) -> list[_Sent]:
        chance = random.Random(plan.seed)
        hand.set("deck/a/alpha", 0.0)
        hand.set("deck/a/to_seed", 3)
        hand.set("deck/a/to", "")
        sent = []
        for number in range(plan.changes):
            hand.wait_for(_landed, _LANDING_SECONDS)
            time.sleep(0.3 + LOOP_SECONDS + 2 * _QUIET_SECONDS + chance.uniform(0.0, 0.1))
            sent_ns = hand.set(path, values[number % len(values)])
            hand.wait_for(lambda status: not _landed(status), 1.0)
            hand.wait_for(_landed, _LANDING_SECONDS)
            time.sleep(0.3)  # a launch is sent at most 0.1 s ahead
            before = LOOP_SECONDS + 1.5 * _QUIET_SECONDS
            sent.append(_Sent(sent_ns - round(before * 1e9), sent_ns, _CLOCK.now_ns()))
        return sent

    return gestures


def _sustained(
    gestures: Callable[[OscPlayer, LatencyPlan], list[_Sent]],
) -> Callable[[OscPlayer, LatencyPlan], list[_Sent]]:
    """``gestures`` on music whose harmony never rests: a stem that is silent just then cannot be heard to stop."""

    def played(hand: OscPlayer, plan: LatencyPlan) -> list[_Sent]:
        hand.set("deck/a/prompt", _SUSTAINED)
        hand.set("deck/a/to", _SUSTAINED)
        hand.wait_for(lambda status: not _landed(status), 1.0)
        hand.wait_for(complete)
        return gestures(hand, plan)

    return played


def _answers(hand: OscPlayer) -> dict[str, float | int]:
    """How soon the engine says when a prompt will be heard, while it renders those before."""
    found = []
    for number in range(_ANSWERS):
        time.sleep(_ANSWERS_EVERY_SECONDS)
        found.append(hand.landing_ms("deck/a/prompt", f"{_GENRES[number % 8]}, {_SOUNDS[number // 8 % 4]}"))
    return _spread([ms for ms in found if ms is not None], _ANSWERS)


_GESTURES: dict[str, Callable[[OscPlayer, LatencyPlan], list[_Sent]]] = {
    "gain": _toggle("deck/a/gain", -12.0, 0.0),
    "mute": _toggle("deck/a/mute", True, False),
    "crossfader": _toggle("crossfader", 1.0, 0.0),
    "stem": _sustained(_toggle("deck/a/stem/harmony/mute", True, False)),
    "alpha": _toggle("deck/a/alpha", 0.5, 0.0),
    "prompt": _anew("deck/a/prompt", [f"{genre}, {sound}" for sound in _SOUNDS for genre in _GENRES]),
    "seed": _anew("deck/a/seed", range(100, 1000)),
}


def _longest_seconds(plan: LatencyPlan, kind: str) -> float:
    """Room for the capture; 8 bytes a frame."""
    return plan.changes * (12.0 if kind in ("prompt", "seed") else 1.5) + 30.0


# --- the ear --------------------------------------------------------------------------------------------------------


def _figures(
    plan: LatencyPlan, heard: NDArray[np.float32], times: NDArray[np.int64], gestures: list[_Sent]
) -> dict[str, float | int]:
    rate, loop_frames = plan.sample_rate, round(LOOP_SECONDS * plan.sample_rate)
    quiet_frames = round(_QUIET_SECONDS * rate)
    # What is played in a cycle leaves the device in the next one.
    clock = BlockTimes(times[:, 0], times[:, 1] + plan.block_frames * 1_000_000_000 // rate, rate)
    usable, trials = [], []
    for gesture in gestures:
        reference, sent, until = map(clock.frame_at, (gesture.reference_ns, gesture.sent_ns, gesture.until_ns))
        if 0 <= reference <= sent - quiet_frames and max(reference + loop_frames, sent) < len(heard):
            usable.append(gesture)
            trials.append(Trial(reference, sent - quiet_frames, sent, until))
    onsets, threshold = find_onsets(heard, trials, loop_frames) if trials else ([], 0.0)
    found = [
        (clock.ns_of(onset) - gesture.sent_ns) / 1e6
        for onset, gesture in zip(onsets, usable, strict=True)
        if onset is not None
    ]
    return {**_spread(found, len(gestures)), "threshold": round(threshold, 4)}


def _spread(found: list[float], changes: int) -> dict[str, float | int]:
    """Quantiles of the milliseconds in ``found``, of ``changes`` gestures; a quantile between two is the larger one."""

    def quantile(share: float) -> float:
        return round(float(np.quantile(found, share, method="higher")), 3) if found else 0.0

    return {
        "p50_ms": round(float(np.quantile(found, 0.5)), 3) if found else 0.0,
        "p95_ms": quantile(0.95),
        "p99_ms": quantile(0.99),
        "max_ms": quantile(1.0),
        "missed": changes - len(found),
        "changes": changes,
    }
