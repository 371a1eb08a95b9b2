"""The real engine in headless Ardour, compared with its own recording: ``python -m tools.bench.ardour [--settle 8]``.

Five tracks (master and four stems) are played from bar one and bar nine at 120, 90 and 174 bpm, located while they
roll, stopped and started, through a ramp of the tempo; the session is saved, opened again, played round a loop range,
and exported offline. A probe behind each plugin keeps what the track has heard, with the time that Ardour told for it.
Printed are, of each part: the frames that were heard, how many were silent, in how many runs; how many pieces of 1024
frames are in the engine's recording to the bit; and how many are the music that was heard at the same beat before.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from riffengine.processes.audio import Block
from tests.daw.probe import Sounded
from tests.wire.ardour.session import RATE, ArdourSession, missing_programs
from tests.wire.daw_session import Engine

PIECE = 1024
FADE = 64
SCRIPTS = Path(ArdourSession.run.__code__.co_filename).parent
PRESET = """
name: ardour bench
tempo: 120
steps: 4
draft_steps: 4
deck: {a: {prompt: "techno, driving", seed: 3}}
output: {to: daw, sample_rate: 48000, fade_in: 0.02, fade_out: 0.3}
"""


@dataclass
class Run:
    """What a track heard between two stops or jumps: from ``beat`` on, at ``bpm``; ``steady`` without a ramp."""

    beat: float
    bpm: float
    sound: Block
    steady: bool

    @property
    def silent(self) -> np.ndarray:
        return np.abs(self.sound).max(axis=1) == 0.0


def runs(parts: list[Sounded]) -> list[Run]:
    """The parts of a rolling transport, joined where one follows the other."""
    found: list[list[Sounded]] = []
    end = np.nan
    for part in parts:
        if part.speed == 0.0:
            end = np.nan
            continue
        if not abs(part.beat - end) < 0.02:
            found.append([])
        found[-1].append(part)
        end = part.beat + len(part.sound) * part.bpm / 60.0 / RATE
    return [
        Run(run[0].beat, run[0].bpm, np.concatenate([part.sound for part in run]), run[0].bpm == run[-1].bpm)
        for run in found
    ]


def near_silence(silent: np.ndarray) -> np.ndarray:
    """Where a frame is silent, or within a fade of one that is."""
    return np.convolve(silent, np.ones(2 * FADE + 1), "same") > 0


def recorded_pieces(run: Run, recorded: Block) -> tuple[int, int]:
    """How many pieces without silence ``run`` has, and how many of them are in ``recorded`` to the bit."""
    pieces = found = 0
    place = -1  # of the next piece in the recording, if it follows the last one
    for begin in range(FADE, len(run.sound) - PIECE - FADE, PIECE):
        if run.silent[max(0, begin - FADE) : begin + PIECE + FADE].any():
            place = -1
            continue
        piece = run.sound[begin : begin + PIECE]
        pieces += 1
        if place < 0 or not np.array_equal(recorded[place : place + PIECE], piece):
            starts = np.flatnonzero(recorded[: len(recorded) - PIECE, 0] == piece[0, 0])
            place = next((int(at) for at in starts if np.array_equal(recorded[at : at + PIECE], piece)), -1)
        if place >= 0:
            found += 1
            place += PIECE
    return pieces, found


def same_music(run: Run, music: Run) -> tuple[int, int]:
    """Frames of ``run`` that are compared with ``music``, and those that are equal at their beat of eight."""
    per_beat = 60.0 * RATE / run.bpm
    loop = round(8 * per_beat)
    whole = music.sound[:loop]
    at = (round((run.beat - music.beat) * per_beat) + np.arange(len(run.sound))) % loop
    known = at < len(whole)
    fades = np.convolve(run.silent, np.ones(2 * FADE + 1), "same") > 0
    known &= (
        ~fades & ~(np.convolve(music.silent[:loop], np.ones(2 * FADE + 1), "same") > 0)[np.minimum(at, len(whole) - 1)]
    )
    known[:FADE] = known[-2 * FADE :] = False
    equal = np.abs(run.sound[known] - whole[at[known]]).max(axis=1) < 1e-5
    return int(known.sum()), int(equal.sum())


def show(name: str, tracks: list[list[Run]], recorded: Block, music: dict[int, Run]) -> None:
    master = tracks[0]
    for number, run in enumerate(master):
        if len(run.sound) < 8 * PIECE:
            continue
        pieces, found = recorded_pieces(run, recorded)
        line = f"{name}: {run.bpm:5.1f} bpm from beat {run.beat:7.3f}: {len(run.sound) / RATE:5.2f} s, "
        first = int(np.argmin(run.silent)) if run.silent.any() else 0
        line += (
            f"{first} frames silent before, {int(run.silent[first:].sum())} within; recorded {found} of {pieces} pieces"
        )
        if run.steady:
            bpm = round(run.bpm)
            if bpm in music and music[bpm] is not run:
                known, equal = same_music(run, music[bpm])
                line += f"; as before {equal} of {known} frames"
            stems = [track[number] for track in tracks[1:] if number < len(track)]
            if len(stems) == 4 and all(len(stem.sound) == len(run.sound) for stem in stems):
                heard = ~near_silence(run.silent)
                heard[:FADE] = heard[-2 * FADE :] = False
                off = np.abs(sum(stem.sound for stem in stems) - run.sound)[heard]
                line += f"; stems add up to {off.max() if len(off) else 0.0:.1e}"
        print(line, flush=True)


def longest_at(tracks: list[Run], bpm: int) -> Run:
    """The run from bar one after which the others of this tempo are judged."""
    runs_here = [run for run in tracks if round(run.bpm) == bpm and run.steady and abs(run.beat) < 0.05]
    return max(runs_here, key=lambda run: len(run.sound))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--settle", type=float, default=8.0, help="seconds for new loops after a change of the tempo")
    options = parser.parse_args()
    missing = missing_programs()
    if missing:
        raise SystemExit(f"not installed: {', '.join(missing)}")
    folder = Path(tempfile.mkdtemp(prefix="riffengine-ardour-"))
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; everything is kept in {folder}")
    session = ArdourSession(folder, seconds=400)
    os.environ["RIFFENGINE_DAW_SOCKET"] = str(folder / "daw.sock")
    os.environ["XDG_STATE_HOME"] = str(folder / "state")
    session.environment["SETTLE_SECONDS"] = str(options.settle)
    engine = Engine(folder, PRESET, "--record", "set.wav")
    try:
        engine.wait_for_music()
        for name, script in (("live", "music.lua"), ("reopened", "again.lua")):
            if name == "reopened":
                session.add_ranges(loop_seconds=(1, 2), end_seconds=6)
            running = session.run("ardour7-lua", str(SCRIPTS / script), probes=name)
            output = running.communicate()[0]
            assert running.returncode == 0, output
        out = folder / "export.wav"
        time.sleep(options.settle)
        running = session.run(
            "ardour7-export", "-b", "float", "-o", str(out), str(session.session), "set", probes="export"
        )
        output = running.communicate()[0]
        assert running.returncode == 0, output
    finally:
        print(engine.stop()[-500:])
    recorded = soundfile.read(folder / "set.wav", dtype="float32")[0]
    live = [runs(track) for track in session.sounded("live")]
    music = {bpm: longest_at(live[0], bpm) for bpm in (120, 90, 174)}
    show("live", live, recorded, music)
    show("reopened", [runs(track) for track in session.sounded("reopened")], recorded, music)
    show("export", [runs(track) for track in session.sounded("export")], recorded, music)


if __name__ == "__main__":
    main()
