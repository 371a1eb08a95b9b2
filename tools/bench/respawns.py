"""Kills a plugin host, or a player, again and again: ``python -m tools.bench.respawns [--times 200] [--of hosts]``.

Each time another one that waits takes over, as in the engine, and a new one is prepared. Plugin hosts answer the
blocks of a mixer that is pulled in real time; a player plays a loop to a paced output. Printed are: how they ended (all
by our SIGKILL, or the bench fails and shows where Python was), how long until they are ready again, and the memory,
descriptors, mapped segments and children of this process at the beginning and at the end.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np

from riffengine.clock import SystemClock
from riffengine.output.paced import PacedOutput
from riffengine.output.process import PlayerOptions, PlayerProcess
from riffengine.plugins.host import PluginHost
from riffengine.processes.audio import Block
from riffengine.processes.loop_store import LoopStore
from riffengine.processes.player_messages import FADE, LaunchBank, LoopRef, PlaceLoop, PlayerReady, SetControl, Status
from riffengine.transport.beat_grid import BeatGrid
from tools.bench.plugins import CHAIN, RATE, Hosted, playing

_WARM = 20  # respawns before the first count: caches are full then
_PATIENCE_SECONDS = 30.0


def held() -> dict[str, int]:
    """What this process holds: kilobytes, descriptors, mapped segments of shared memory, children."""
    status, maps = Path("/proc/self/status").read_text(), Path("/proc/self/maps").read_text()
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
    return {
        "resident kB": int(status.partition("VmRSS:")[2].split()[0]),
        "descriptors": len(list(Path("/proc/self/fd").iterdir())),
        "mapped segments": len({line.split()[-1] for line in maps.splitlines() if "/dev/shm/" in line}),
        "children": len(children),
    }


def respawn(times: int, kill: Callable[[], int | None], again: Callable[[], None]) -> None:
    """Kill and start ``times`` times and print what happened; raises ``SystemExit`` for another end than ours."""
    ends: Counter[int | None] = Counter()
    taken, before = [], held()
    for number in range(times):
        if number == min(_WARM, times // 2):
            before = held()
        ends[kill()] += 1
        began = time.perf_counter()
        again()
        taken.append(1000 * (time.perf_counter() - began))
        if set(ends) != {-signal.SIGKILL}:
            raise SystemExit(f"ended by {dict(ends)} at number {number}")
    p50, p95, most = np.percentile(taken, [50, 95, 100])
    print(f"{times} times killed and ready again: median {p50:.0f} ms, p95 {p95:.0f} ms, most {most:.0f} ms")
    after = held()
    print("; ".join(f"{name} {before[name]} to {after[name]}" for name in before))


def respawn_hosts(times: int, logs: Path) -> None:
    """The host of one deck's plugins, under a mixer that plays."""
    hosted = Hosted("deck/a", CHAIN, str(logs / "hosts.log"))
    mixer = playing([])
    message = hosted.attach(256)
    mixer.admit(message)
    mixer.schedule(message)

    def fill(out: Block, starved: bool) -> None:
        out[:] = mixer.pull(len(out))

    output = PacedOutput(fill, RATE, 256, 2, SystemClock())
    output.start()
    spare = PluginHost.spare()

    def kill() -> int | None:
        hosted.host.kill()
        hosted.host.join(_PATIENCE_SECONDS)
        return hosted.host.exit_code

    def again() -> None:
        nonlocal spare
        dead = hosted.host
        hosted.start(True, spare)
        dead.close()
        spare = PluginHost.spare()

    try:
        respawn(times, kill, again)
        said = (logs / "hosts.log").read_text(errors="replace") if (logs / "hosts.log").exists() else ""
        if "Fatal Python error" in said:
            raise SystemExit(said[-4000:])
        print(f"gaps in what the plugins gave back: {mixer.counters.plugin_gaps}")
    finally:
        output.stop()
        spare.dismiss()
        hosted.host.close()
        hosted.blocks.close()


def respawn_players(times: int) -> None:
    """A player with a loop, from one that waits."""
    grid = BeatGrid(RATE, 120.0)
    frames = grid.loop_frames(8)
    store = LoopStore.create(1, frames * 2)
    store.write(0, (0.05 * np.random.default_rng(0).standard_normal((1, frames, 2))).astype(np.float32))
    player = PlayerProcess(PlayerOptions(RATE, grid, store.name, 1, store.slot_floats, output="paced"))
    modules = ("riffengine.output.paced",)

    def await_message(kind: type) -> None:
        until = time.perf_counter() + _PATIENCE_SECONDS
        while time.perf_counter() < until:
            said, connected = player.receive()
            if any(isinstance(message, kind) for message in said):
                return
            if not connected:
                break
            time.sleep(0.002)
        raise SystemExit(f"the player ended, by {player.exit_code}, or said no {kind.__name__}")

    def again() -> None:
        player.start()
        await_message(PlayerReady)
        player.send(PlaceLoop("a", 1, 0.0, LoopRef(0, 0, frames, 2, ("mix",), 8), 0))
        player.send(LaunchBank("a", 1, 0, 0))
        player.send(SetControl(FADE, 1.0, None, 0))
        await_message(Status)
        player.prepare(modules)

    def kill() -> int | None:
        player.kill()
        player.join(_PATIENCE_SECONDS)
        return player.exit_code

    try:
        again()
        respawn(times, kill, again)
    finally:
        player.dismiss()
        player.stop(0)
        store.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=200)
    parser.add_argument("--of", choices=("hosts", "players", "both"), default="both")
    options = parser.parse_args()
    os.environ["PYTHONFAULTHANDLER"] = "1"  # a child that crashes says where Python was
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, Python {sys.version.split()[0]}", flush=True)
    if options.of != "players":
        print("plugin hosts:", flush=True)
        respawn_hosts(options.times, Path(tempfile.mkdtemp(prefix="riffengine-respawns-")))
    if options.of != "hosts":
        print("players:", flush=True)
        respawn_players(options.times)


if __name__ == "__main__":
    main()
