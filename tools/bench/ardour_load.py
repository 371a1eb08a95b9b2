"""Underruns in headless Ardour beside busy loops: ``python -m tools.bench.ardour_load [--busy 3] [--seconds 20]``.

The real engine plays on five tracks (master and four stems, 48 kHz, blocks of 256 frames) while so many processes
compute without a pause: once with real-time priority, once as a user who is allowed none. Printed are the silent
frames that the tracks heard between the first and the last sound, the underruns and silent frames that the plugins
counted, whether every frame that was heard is the music of its beat, and the lead that the engine has chosen.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import struct
import tempfile
import time
from pathlib import Path

import numpy as np

from riffengine.processes import daw_layout as layout
from tests.wire.ardour.session import RATE, ArdourSession, missing_programs
from tests.wire.daw_session import Engine
from tools.bench.ardour import PRESET, SCRIPTS, longest_at, runs, same_music

NO_PRIORITY = ("setpriv", "--bounding-set=-sys_nice", "--inh-caps=-sys_nice", "prlimit", "--rtprio=0", "--nice=0")


def spin() -> None:
    while True:
        pass


def rings(engine_pid: int) -> list[tuple[int, int, int]]:
    """Underruns, silent frames and lead of every ring of an engine."""
    found = []
    for path in Path("/dev/shm").iterdir():
        if not path.is_file():
            continue
        with path.open("rb") as file:
            head = file.read(layout.SAMPLES)
        if head.startswith(layout.MAGIC) and struct.unpack_from("<6I", head, 8)[5] == engine_pid:
            numbers = (struct.unpack_from("<q", head, at)[0] for at in (layout.UNDERRUNS, layout.SILENT, layout.AHEAD))
            found.append((next(numbers), next(numbers), next(numbers)))
    return found


def measure(busy: int, seconds: int, before: tuple[str, ...]) -> None:
    """One run of the engine and of Ardour; prints a line."""
    folder = Path(tempfile.mkdtemp(prefix="riffengine-ardour-load-"))
    os.environ["RIFFENGINE_DAW_SOCKET"] = str(folder / "daw.sock")
    os.environ["XDG_STATE_HOME"] = str(folder / "state")
    session = ArdourSession(folder, seconds=seconds + 120)
    session.environment["ROLL_SECONDS"] = str(seconds)
    engine = Engine(folder, PRESET, before=before)
    loops = [multiprocessing.Process(target=spin, daemon=True) for _ in range(busy)]
    counted: list[tuple[int, int, int]] = []
    try:
        engine.wait_for_music()
        time.sleep(5.0)  # the rest of the bank is rendered
        running = session.run("ardour7-lua", str(SCRIPTS / "steady.lua"), probes="steady")
        assert running.stdout is not None
        output = []
        for line in running.stdout:
            output.append(line)
            if line == "load\n":
                for loop in loops:
                    loop.start()
                session.answer("load")
            elif line == "rolled\n":
                counted = rings(engine.process.pid)
        assert running.wait() == 0, "".join(output)
    finally:
        for loop in loops:
            if loop.is_alive():
                loop.kill()
        engine.stop()
    tracks = [max(runs(track), key=lambda run: len(run.sound)) for track in session.sounded("steady")]
    silent = []
    for track in tracks[:4]:  # the model has three stems: the fourth track of a stem is silent
        heard = np.flatnonzero(~track.silent)
        silent.append(int(track.silent[heard[0] : heard[-1]].sum()) if len(heard) else len(track.silent))
    music = longest_at([tracks[0]], round(tracks[0].bpm)) if not tracks[0].silent.any() else None
    line = f"{'no' if before else 'with'} real-time priority, {busy} busy loops, {len(tracks[0].sound) / RATE:.1f} s: "
    line += f"silent frames {silent}; underruns {[ring[0] for ring in counted]}; "
    line += f"lead {sorted({ring[2] for ring in counted})} frames"
    print(line + (f"; {same_music(tracks[0], music)}" if music is not None else ""), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--busy", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=20)
    options = parser.parse_args()
    missing = missing_programs()
    if missing:
        raise SystemExit(f"not installed: {', '.join(missing)}")
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}", flush=True)
    measure(0, options.seconds, ())
    measure(options.busy, options.seconds, ())
    measure(options.busy, options.seconds, NO_PRIORITY)


if __name__ == "__main__":
    main()
