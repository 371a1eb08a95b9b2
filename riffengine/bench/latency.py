"""``riffengine bench latency``: from a sent OSC message to the changed sample, measured outside the engine.

A JACK server with the dummy driver clocks the real engine (in its own processes, ``output: device``). This process
sends real OSC, a capture client in C records the output with the time of every block, and the change is found in the
samples. The engine's own figures are not used; they are printed beside the measured ones.
"""

from __future__ import annotations

import os
import platform
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riffengine.bench.jack_server import Capture, JackServer, build_capture, missing_programs
from riffengine.bench.limits import judge
from riffengine.bench.onset import BlockTimes, GestureFrames, find_onsets
from riffengine.bench.osc_client import OscClient, bank_complete, running_engine
from riffengine.clock import SystemClock
from riffengine.errors import DeviceError
from riffengine.processes.realtime import realtime_allowed

BPM = 180.0  # the shortest loop: 8 beats in 2.667 s, a whole number of frames at 48 kHz
LOOP_SECONDS = 8 * 60.0 / BPM
_CLOCK = SystemClock()  # the same in this process, in the engine and in the capture
CLASSES = ("gain", "mute", "crossfader", "alpha", "stem", "prompt", "landing", "seed")
_QUIET_SECONDS = 0.3  # length of the no-change run before each gesture
_REFERENCE_LOOPS = 4  # one of them without a lost block is enough to compare with
_HOLD_SECONDS = 0.4  # how long a gesture is kept before it is undone
_LANDING_SECONDS = 30.0  # the longest wait for a prompt
_LANDING_ANSWERS = 200  # enough for a 99th percentile
_ANSWERS_EVERY_SECONDS = 0.1
_STEPS = 4  # for draft and full: a landed loop is not replaced by a finer one while it is the reference

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
    """What is measured. ``idle_seconds``: how long xruns are counted with an idle client only, as a baseline."""

    changes: int = 30
    block_frames: int = 128
    sample_rate: int = 48000
    idle_seconds: float = 60.0
    classes: tuple[str, ...] = CLASSES[:-1]
    seed: int = 0


@dataclass(frozen=True)
class _GestureTimes:
    """One gesture in nanoseconds of the monotonic clock; loops without a change fill ``[reference_ns, changed_ns)``."""

    reference_ns: int
    changed_ns: int
    sent_ns: int
    until_ns: int


@dataclass
class _Measured:
    """Results of the gestures so far: figures by class, the server's xruns, the engine's last status."""

    classes: dict[str, Any] = field(default_factory=dict)
    xruns: int = 0
    watched_seconds: float = 0.0
    status: dict[str, Any] = field(default_factory=dict)


def run_latency_bench(plan: LatencyPlan, say: Callable[[str], None] = lambda _: None) -> dict[str, Any]:
    """Measure, and return the figures for ``print_json``; ``DeviceError`` when JACK or a compiler is missing.

    ``classes`` has p50_ms, p95_ms, p99_ms, max_ms, missed and changes for each kind of gesture; ``demands`` has the
    verdict on each limit; ``engine_p95_ms`` is what the engine measured itself; ``xruns`` and ``xruns_idle`` are the
    server's, with the engine and with an idle client.
    """
    _check_plan(plan)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        program = build_capture(folder)
        say(f"idle: {plan.idle_seconds:g} s")
        xruns_idle = _idle_xruns(plan, program, folder)
        measured = _measure_classes(plan, program, folder, say)
    watched = measured.watched_seconds
    return {
        "classes": measured.classes,
        "demands": judge(measured.classes),
        "xruns": measured.xruns,
        "watched_s": round(watched, 1),
        "xruns_idle": xruns_idle,
        "idle_s": plan.idle_seconds,
        "xruns_per_minute": round(60.0 * measured.xruns / watched, 2) if watched else 0.0,
        "xruns_idle_per_minute": round(60.0 * xruns_idle / plan.idle_seconds, 2) if plan.idle_seconds else 0.0,
        "engine_p95_ms": {k: measured.status.get(f"ear_{k}_p95_ms") for k in ("immediate", "morph", "quantised")},
        "underruns": measured.status.get("underruns"),
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


def _check_plan(plan: LatencyPlan) -> None:
    unknown = set(plan.classes) - set(CLASSES)
    if unknown:
        raise DeviceError(f"no class is called {', '.join(sorted(unknown))}; there are: {', '.join(CLASSES)}")
    if missing := missing_programs():
        raise DeviceError(
            f"not installed: {', '.join(missing)}; on Debian: apt-get install jackd2 libjack-jackd2-dev gcc"
        )


def _measure_classes(plan: LatencyPlan, program: Path, folder: Path, say: Callable[[str], None]) -> _Measured:
    """Play the gestures of every class to one engine and capture its sound with ``program``."""
    measured = _Measured()
    server = _server(plan)
    try:
        preset = _PRESET.replace("output: {", f"output: {{sample_rate: {plan.sample_rate}, ")
        block = ("--block", str(plan.block_frames))
        with running_engine(preset, folder, bank_complete, block, server.environment) as (client, _):
            outputs = tuple(sorted(p for p in server.ports() if "out_" in p and not p.startswith("system")))
            for kind in plan.classes:
                if kind == "landing":
                    say(f"{kind}: {_LANDING_ANSWERS} answers")
                    measured.classes[kind] = _landing_answers(client)
                    continue
                say(f"{kind}: {plan.changes} changes")
                capture = Capture(program, server, folder / f"{kind}.raw", _longest_seconds(plan, kind), outputs)
                began = time.perf_counter()
                gestures = _GESTURES[kind](client, plan)
                measured.watched_seconds += time.perf_counter() - began
                heard, xruns, times = capture.finish_timed()
                measured.xruns += xruns
                measured.classes[kind] = _figures(plan, heard, times, gestures)
            measured.status = client.status()
    finally:
        server.stop()
    return measured


def _server(plan: LatencyPlan) -> JackServer:
    """A JACK server as performers start it: with real-time priority where that is allowed."""
    return JackServer.start(plan.sample_rate, plan.block_frames, synchronous=False, realtime=bool(realtime_allowed()))


def _idle_xruns(plan: LatencyPlan, program: Path, folder: Path) -> int:
    server = _server(plan)
    try:
        capture = Capture(program, server, folder / "idle.raw", plan.idle_seconds + 10, ("system:capture_1",))
        time.sleep(plan.idle_seconds)
        return capture.finish()[1]
    finally:
        server.stop()


def _has_landed(status: dict[str, Any]) -> bool:
    """Whether the last change has landed; the loops nearest to the knob come first."""
    return bool(status["coverage"] > 0.0)


# --- gestures ---------------------------------------------------------------------------------------------------------


def _toggled(
    path: str, value: float | bool, rest: float | bool
) -> Callable[[OscClient, LatencyPlan], list[_GestureTimes]]:
    """A gesture that is made and undone repeatedly, at times that are independent of blocks and beats."""

    def gestures(client: OscClient, plan: LatencyPlan) -> list[_GestureTimes]:
        rng = random.Random(plan.seed)
        client.set(path, rest)
        client.wait_for(bank_complete)
        time.sleep(0.5)
        reference_ns = _CLOCK.now_ns()
        time.sleep(_REFERENCE_LOOPS * LOOP_SECONDS + 0.5)
        first_ns = _CLOCK.now_ns()
        sent = []
        for _ in range(plan.changes):
            sent_ns = client.set(path, value)
            time.sleep(_HOLD_SECONDS)
            until_ns = client.set(path, rest)
            sent.append(_GestureTimes(reference_ns, first_ns, sent_ns, until_ns))
            time.sleep(_QUIET_SECONDS + 0.2 + rng.uniform(0.0, 0.1))
        return sent

    return gestures


def _rendered_each_time(
    path: str, values: Sequence[str | int]
) -> Callable[[OscClient, LatencyPlan], list[_GestureTimes]]:
    """A change that must be rendered each time, made after the loop before has played unchanged for a whole turn."""

    def gestures(client: OscClient, plan: LatencyPlan) -> list[_GestureTimes]:
        rng = random.Random(plan.seed)
        client.set("deck/a/alpha", 0.0)
        client.set("deck/a/to_seed", 3)
        client.set("deck/a/to", "")
        sent = []
        for number in range(plan.changes):
            client.wait_for(_has_landed, _LANDING_SECONDS)
            time.sleep(0.3 + LOOP_SECONDS + 2 * _QUIET_SECONDS + rng.uniform(0.0, 0.1))
            sent_ns = client.set(path, values[number % len(values)])
            client.wait_for(lambda status: not _has_landed(status), 1.0)
            client.wait_for(_has_landed, _LANDING_SECONDS)
            time.sleep(0.3)  # a launch is sent at most 0.1 s ahead
            before = LOOP_SECONDS + 1.5 * _QUIET_SECONDS
            sent.append(_GestureTimes(sent_ns - round(before * 1e9), sent_ns, sent_ns, _CLOCK.now_ns()))
        return sent

    return gestures


def _sustained(
    gestures: Callable[[OscClient, LatencyPlan], list[_GestureTimes]],
) -> Callable[[OscClient, LatencyPlan], list[_GestureTimes]]:
    """``gestures`` on music with a sustained harmony stem, because muting a stem that is silent cannot be heard."""

    def sustained(client: OscClient, plan: LatencyPlan) -> list[_GestureTimes]:
        client.set("deck/a/prompt", _SUSTAINED)
        client.set("deck/a/to", _SUSTAINED)
        client.wait_for(lambda status: not _has_landed(status), 1.0)
        client.wait_for(bank_complete)
        return gestures(client, plan)

    return sustained


def _landing_answers(client: OscClient) -> dict[str, float | int]:
    """How soon the engine announces the landing of a prompt while it renders the prompts before."""
    found = []
    for number in range(_LANDING_ANSWERS):
        time.sleep(_ANSWERS_EVERY_SECONDS)
        found.append(client.landing_ms("deck/a/prompt", f"{_GENRES[number % 8]}, {_SOUNDS[number // 8 % 4]}"))
    return _spread([ms for ms in found if ms is not None], _LANDING_ANSWERS)


_GESTURES: dict[str, Callable[[OscClient, LatencyPlan], list[_GestureTimes]]] = {
    "gain": _toggled("deck/a/gain", -12.0, 0.0),
    "mute": _toggled("deck/a/mute", True, False),
    "crossfader": _toggled("crossfader", 1.0, 0.0),
    "stem": _sustained(_toggled("deck/a/stem/harmony/mute", True, False)),
    "alpha": _toggled("deck/a/alpha", 0.5, 0.0),
    "prompt": _rendered_each_time("deck/a/prompt", [f"{genre}, {sound}" for sound in _SOUNDS for genre in _GENRES]),
    "seed": _rendered_each_time("deck/a/seed", range(100, 1000)),
}


def _longest_seconds(plan: LatencyPlan, kind: str) -> float:
    """The longest possible capture; a frame takes 8 bytes."""
    return plan.changes * (12.0 if kind in ("prompt", "seed") else 1.5) + 30.0


# --- analysis -------------------------------------------------------------------------------------------------------


def _figures(
    plan: LatencyPlan, heard: NDArray[np.float32], times: NDArray[np.int64], gestures: list[_GestureTimes]
) -> dict[str, float | int]:
    rate, loop_frames = plan.sample_rate, round(LOOP_SECONDS * plan.sample_rate)
    quiet_frames = round(_QUIET_SECONDS * rate)
    # Samples computed in one cycle leave the device in the next one.
    clock = BlockTimes(times[:, 0], times[:, 1] + plan.block_frames * 1_000_000_000 // rate, rate)
    usable, in_frames = [], []
    for gesture in gestures:
        reference, sent, until = map(clock.frame_at, (gesture.reference_ns, gesture.sent_ns, gesture.until_ns))
        reference = clock.unbroken(reference, loop_frames, clock.frame_at(gesture.changed_ns))
        if 0 <= reference <= sent - quiet_frames and max(reference + loop_frames, sent) < len(heard):
            usable.append(gesture)
            in_frames.append(GestureFrames(reference, sent - quiet_frames, sent, until))
    onsets, threshold = find_onsets(heard, in_frames, loop_frames) if in_frames else ([], 0.0)
    found = [
        (clock.ns_of(onset) - gesture.sent_ns) / 1e6
        for onset, gesture in zip(onsets, usable, strict=True)
        if onset is not None
    ]
    return {**_spread(found, len(gestures)), "threshold": round(threshold, 4)}


def _spread(found: list[float], changes: int) -> dict[str, float | int]:
    """Quantiles of the milliseconds in ``found``, of ``changes`` gestures; between two values the larger one."""

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
