"""Checks the installed plugins: each is loaded by our own host, in a child, and plays what a ``RampEngine`` writes."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from riffengine.clock import SystemClock
from riffengine.daw.lv2_bundle import PLUGINS
from riffengine.daw.names import CLAP_ID
from riffengine.daw.ramp_engine import RampEngine, beats_of
from riffengine.plugins.child import Send, call_in_child
from riffengine.plugins.plugin import Plugin, Position
from riffengine.processes.daw_handshake import SOCKET_VARIABLE

RATE = 48000
BLOCK_FRAMES = 256
_CHILD_SECONDS = 60.0
_FIND_SECONDS = 10.0
_BLOCKS = 200
_BPM = 97.5
_START_BEAT = 32.0  # bar 9
_EXACT_FRAMES = 0.5  # float32 cannot say a beat better than to a fifth of a frame


@dataclass(frozen=True)
class Checked:
    """What was seen of one plugin: ``frames`` played, of them ``silent`` and ``wrong``; ``us`` for a block of 256.

    ``problem`` is empty where all is well.
    """

    format: str
    name: str
    frames: int = 0
    silent: int = 0
    wrong: int = 0
    microseconds: float = 0.0
    parameters: int = 0
    problem: str = ""


def check(kind: str, place: Path) -> list[Checked]:
    """Run every plugin of an installed format, ``lv2`` or ``clap``, each in a child process."""
    names = [p.uri for p in PLUGINS] if kind == "lv2" else [CLAP_ID + p.suffix.replace("#", ".") for p in PLUGINS]
    return [_check_one(kind, place, name) for name in names]


def _check_one(kind: str, place: Path, name: str) -> Checked:
    end = call_in_child(_play, (kind, str(place), name), _CHILD_SECONDS)
    seen = [message for message in end.messages if isinstance(message, Checked)]
    if seen:
        return seen[-1]
    return Checked(kind, name, problem=f"{end.ended}: {end.detail or end.last_words or 'without a word'}")


def _open(kind: str, place: str, name: str) -> Plugin:
    if kind == "lv2":
        from riffengine.plugins.lv2 import open_lv2

        return open_lv2(name, (Path(place),), RATE, BLOCK_FRAMES)
    from riffengine.plugins.clap import ClapPlugin

    return ClapPlugin(Path(place), name, f"clap:{place}#{name}", RATE, BLOCK_FRAMES)


def _play(send: Send, kind: str, place: str, name: str) -> None:
    """Play from bar 9 and send what was seen. Only in a child."""
    clock = SystemClock()
    with tempfile.TemporaryDirectory(prefix="riffengine-") as folder:
        os.environ[SOCKET_VARIABLE] = str(Path(folder, "daw.sock"))
        engine = RampEngine(Path(folder, "daw.sock"), clock)
        plugin = _open(kind, place, name)
        try:
            send(_listen(kind, name, plugin, engine, clock))
        finally:
            plugin.close()
            engine.close()


def _listen(kind: str, name: str, plugin: Plugin, engine: RampEngine, clock: SystemClock) -> Checked:
    sound = np.zeros((BLOCK_FRAMES, 2), np.float32)
    stands = Position(0, _START_BEAT, _BPM, playing=False)
    last_ns = clock.now_ns() + round(_FIND_SECONDS * 1e9)
    while not any(instance.host is not None for instance in engine.instances):
        if clock.now_ns() > last_ns:
            return Checked(kind, name, problem="it does not ask the engine for a ring")
        engine.serve(0.005)
        plugin.run(sound, stands)
        engine.fill()
        sound[:] = 0.0
    silent = wrong = 0
    cost_ns = []
    for block in range(_BLOCKS):
        frame = block * BLOCK_FRAMES
        beat = _START_BEAT + frame * _BPM / 60.0 / RATE
        sound[:] = 0.0
        start_ns = clock.now_ns()
        plugin.run(sound, Position(frame, beat, _BPM))
        cost_ns.append(clock.now_ns() - start_ns)
        heard = beats_of(sound[:, 0], sound[:, 1])
        off = np.abs(heard - (beat + np.arange(BLOCK_FRAMES) * _BPM / 60.0 / RATE)) * 60.0 * RATE / _BPM
        silent += int(np.isnan(heard).sum())
        wrong += int((off > _EXACT_FRAMES).sum())
        engine.serve()
        engine.fill()
    total = _BLOCKS * BLOCK_FRAMES
    problem = f"{silent} of {total} frames are silent, {wrong} are not on their beat" if silent or wrong else ""
    median_us = float(np.median(cost_ns)) / 1000.0
    return Checked(kind, name, total, silent, wrong, median_us, len(plugin.info.parameters), problem)
