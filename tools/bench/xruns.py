"""Measures how many blocks the player and an idle client miss on a clocked device.

    python tools/bench/xruns.py --seconds 180 --block 512

Runs JACK's dummy driver and, one after the other, an idle capture client alone and the player (two decks, four stems, a
tempo whose loops need the interpolator, a launch every bar), each with and without a process of numpy load on every
core. ``xruns`` are the server's, ``underruns`` PortAudio's as the player counts them, ``changed`` the captured frames
that differ from the player's recording. Asynchronous by default: late blocks are lost, as with hardware.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import platform
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import soundfile

from riffengine.output.process import PlayerOptions, PlayerProcess
from riffengine.processes.loop_store import LoopStore
from riffengine.processes.parameter_path import parse_path
from riffengine.processes.player_messages import (
    FADE,
    FromPlayer,
    LaunchBank,
    LoopRef,
    PlaceLoop,
    PlayerReady,
    SetControl,
    Status,
)
from riffengine.transport.beat_grid import BeatGrid
from tests.wire.jack_server import Capture, JackServer, build_capture, missing_programs

RATE = 48000
GRID = BeatGrid(RATE, 121.3)
STEMS = ("drums", "bass", "chords", "lead")


def burn() -> None:
    """Compute without a pause, as a renderer does."""
    a = np.random.default_rng(0).standard_normal((700, 700)).astype(np.float32)
    while True:
        a = np.tanh(a @ a)


def play(player: PlayerProcess, store: LoopStore, seconds: float) -> list[FromPlayer]:
    """Two decks for ``seconds``, a launch every bar on each."""
    frames = GRID.loop_frames(8)
    loops = [LoopRef(n, n, frames, 2, STEMS, 8) for n in range(store.slots)]
    said: list[FromPlayer] = []
    bar = round(4 * GRID.frames_per_beat)
    while not any(isinstance(message, Status) for message in said):
        said += player.receive()[0]
        time.sleep(0.01)
    player.send(SetControl(parse_path("crossfader"), 0.5))
    player.send(SetControl(FADE, 1.0, None, RATE))
    for step in range(int(seconds * RATE / bar)):
        for place, deck in enumerate("ab"):
            for alpha in (0.0, 1.0):
                player.send(PlaceLoop(deck, step, alpha, loops[(2 * step + place + int(alpha)) % len(loops)]))
            player.send(LaunchBank(deck, step, RATE + step * bar, 2048))
            player.send(SetControl(parse_path(f"deck/{deck}/alpha"), (step % 5) / 4, RATE + step * bar, bar // 2))
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        said += player.receive()[0]
        time.sleep(0.05)
    return said


def changed_samples(own: np.ndarray, heard: np.ndarray) -> int:  # type: ignore[type-arg]
    """Frames of the player's recording that the capture lacks, when both are compared block by block."""
    sound = np.flatnonzero(own.any(axis=1))
    first, last = int(sound[0]), int(sound[-1]) + 1
    offset = int(np.flatnonzero(heard.any(axis=1))[0])
    length = min(last - first, len(heard) - offset)
    return (
        int((own[first : first + length] != heard[offset : offset + length]).any(axis=1).sum()) + last - first - length
    )


def measure(
    arguments: argparse.Namespace, folder: Path, jcap: Path, playing: bool
) -> tuple[int, int | str, int | str, str]:
    """xruns, underruns, changed frames and the player's mean load in one run."""
    server = JackServer.start(RATE, arguments.block, arguments.synchronous, arguments.realtime)
    os.environ.update({name: server.environment[name] for name in ("JACK_DEFAULT_SERVER", "JACK_NO_START_SERVER")})
    try:
        if not playing:
            capture = Capture(jcap, server, folder / "idle.raw", arguments.seconds + 10, ("system:capture_1",))
            time.sleep(arguments.seconds)
            return capture.finish()[1], "-", "-", "-"
        frames = GRID.loop_frames(8)
        store = LoopStore.create(6, len(STEMS) * frames * 2)
        rng = np.random.default_rng(0)
        for slot in range(store.slots):
            store.write(slot, (0.05 * rng.standard_normal((len(STEMS), frames, 2))).astype(np.float32))
        own = folder / "own.wav"
        options = PlayerOptions(
            RATE, GRID, store.name, store.slots, store.slot_floats, arguments.block, output="device", record=str(own)
        )
        player = PlayerProcess(options)
        try:
            player.start()
            said: list[FromPlayer] = []
            while not any(isinstance(message, PlayerReady) for message in said):
                said += player.receive()[0]
                if not player.alive:
                    raise SystemExit(f"the player ended: {said}")
                time.sleep(0.05)
            outputs = tuple(sorted(p for p in server.ports() if "out_" in p and not p.startswith("system")))
            capture = Capture(jcap, server, folder / "heard.raw", arguments.seconds + 20, outputs)
            said += play(player, store, arguments.seconds)
            said += player.stop(RATE // 2)
            heard, xruns = capture.finish()
            status = [message for message in said if isinstance(message, Status)]
            load = f"{100 * float(np.mean([message.load for message in status])):.0f} %"
            recording = soundfile.read(own, dtype="float32")[0]
            return xruns, status[-1].underruns, changed_samples(recording, heard), load
        finally:
            player.stop(0)
            store.close()
    finally:
        server.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--block", type=int, default=512)
    parser.add_argument("--synchronous", action="store_true", help="jackd -S: the clock waits for late clients")
    parser.add_argument("--realtime", action="store_true", help="jackd -R -P 60: needs the right to real-time priority")
    parser.add_argument("--loads", choices=("none", "load", "both"), default="both")
    arguments = parser.parse_args()
    if missing := missing_programs():
        raise SystemExit(
            f"not installed: {', '.join(missing)}; on Debian: apt-get install jackd2 libjack-jackd2-dev gcc"
        )
    blocks = round(arguments.seconds * RATE / arguments.block)
    jackd = f"jackd {'-R' if arguments.realtime else '-r'}{' -S' if arguments.synchronous else ''}"
    print(f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {jackd}")
    print(
        f"Python {platform.python_version()}, numpy {np.__version__}; {blocks} blocks of {arguments.block} at {RATE} Hz"
    )
    print(f"{'load':<8}{'client':<8}{'xruns':>8}{'underruns':>11}{'changed':>9}{'player load':>13}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        jcap = build_capture(folder)
        for loaded in {"none": (False,), "load": (True,), "both": (False, True)}[arguments.loads]:
            burners = [multiprocessing.Process(target=burn, daemon=True) for _ in range(os.cpu_count() or 1)]
            for burner in burners if loaded else ():
                burner.start()
            try:
                for playing in (False, True):
                    xruns, underruns, changed, load = measure(arguments, folder, jcap, playing)
                    client = "player" if playing else "idle"
                    print(
                        f"{'numpy' if loaded else 'none':<8}{client:<8}{xruns:>8}{underruns:>11}{changed:>9}{load:>13}"
                    )
            finally:
                for burner in burners if loaded else ():
                    burner.terminate()


if __name__ == "__main__":
    main()
