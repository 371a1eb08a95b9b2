"""The real engine in headless Ardour, compared with its own recording: ``python -m tools.bench.ardour [--settle 4]``.

Five tracks (master and four stems) are played from bar one and bar nine at 120, 90 and 174 bpm, located while they
roll, stopped and started, and through a ramp of the tempo. Then the engine is killed while Ardour rolls, and started
again. The session is opened again, played round a loop range and through another ramp, and exported offline. A probe
behind each plugin keeps what the track has heard, with the time that Ardour told for it.

Printed are, of each part: the frames that were heard, and how many were silent; how many pieces of 1024 frames are in
the engine's recording to the bit; how many frames are the music that was heard at the same beat in the first long
run of that tempo, how far the others are from it, and by how many frames the music is off the sample at which Ardour
stands (Ardour tells beats in ticks of 1/1920).
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

from riffengine.clock import SystemClock
from riffengine.playback.interpolator import TAPS, taps_at
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
    """What a track heard between two stops or jumps, ``steady`` without a ramp; ``song`` is its first frame."""

    parts: list[Sounded]
    sound: Block

    @property
    def beat(self) -> float:
        return self.parts[0].beat

    @property
    def bpm(self) -> float:
        return self.parts[0].bpm

    @property
    def song(self) -> int:
        return self.parts[0].song

    @property
    def steady(self) -> bool:
        first, last = self.parts[0], self.parts[-1]  # in a ramp Ardour tells the tempo at which it began
        beats = (last.song - first.song) * first.bpm / 60.0 / RATE
        return first.bpm == last.bpm and abs(last.beat - first.beat - beats) < 2 / 1920

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
    return [Run(run, np.concatenate([part.sound for part in run])) for run in found]


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


@dataclass
class Likeness:
    """A run against the same beats of another: frames that are equal, and how far the rest is off."""

    frames: int
    equal: int
    error_db: float  # against the music, below 15 kHz
    off_frames: float  # from the place of Ardour's sample

    def __str__(self) -> str:
        line = f"as before {self.equal} of {self.frames} frames"
        if self.equal < self.frames:
            line += f", the whole to {self.error_db:.0f} dB below 15 kHz"
        return line + (f", {self.off_frames:+.2g} frames off" if self.off_frames else "")


def expected(run: Run, music: Run, off_frames: float) -> tuple[Block, np.ndarray]:
    """The music of ``music`` at the places of ``run``: its first eight beats again and again, read between frames.

    Returns it with where it is known: ``music`` may be shorter.
    """
    loop = 8 * 60.0 * RATE / music.bpm
    positions = (run.song - music.song + off_frames + np.arange(len(run.sound)) - TAPS) % loop + TAPS
    whole = np.floor(positions).astype(np.int64)
    taps = taps_at(positions - whole)
    known = whole < len(music.sound) - TAPS
    whole = np.where(known, whole, TAPS)
    out = np.zeros_like(run.sound)
    for tap in range(TAPS):
        out += taps[tap][:, None] * music.sound[whole + tap - TAPS // 2 + 1]
    return out, known


def low_power(sound: Block) -> float:
    """Power below 15 kHz: a sinc of 32 taps that reads between frames is exact to there."""
    spectrum = np.fft.rfft(sound, axis=0)
    return float(np.square(np.abs(spectrum[: 15000 * len(sound) // RATE])).sum())


def same_music(run: Run, music: Run) -> Likeness:
    """``run`` against ``music``, at the offset of at most a tick at which they are most alike."""
    best = Likeness(0, 0, np.inf, 0.0)
    for off in sorted(range(-9, 10), key=abs):
        best = min(best, _likeness(run, music, float(off)), key=_error)
        if best.error_db < -100.0:
            return best
    around = best.off_frames + np.arange(-0.5, 0.51, 0.1)
    return min([best, *(_likeness(run, music, float(off)) for off in around)], key=_error)


def _error(likeness: Likeness) -> float:
    return likeness.error_db


def _likeness(run: Run, music: Run, off_frames: float) -> Likeness:
    there, known = expected(run, music, off_frames)
    known &= ~near_silence(run.silent)
    known[:FADE] = known[-2 * FADE :] = False
    if not known.any():
        return Likeness(0, 0, np.inf, off_frames)
    heard = run.sound[known]
    error = heard - there[known]
    error_db = 10 * np.log10(low_power(error) / low_power(heard) + 1e-15)
    return Likeness(len(heard), int((np.abs(error).max(axis=1) < 1e-5).sum()), float(error_db), off_frames)


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
                line += f"; {same_music(run, music[bpm])}"
            stems = [track[number] for track in tracks[1:] if number < len(track)]
            if len(stems) == 4 and all(len(stem.sound) == len(run.sound) for stem in stems):
                heard = ~near_silence(run.silent)
                heard[:FADE] = heard[-2 * FADE :] = False
                off = np.abs(sum(stem.sound for stem in stems) - run.sound)[heard]
                line += f"; stems add up to {off.max() if len(off) else 0.0:.1e}"
        print(line, flush=True)


def longest_at(tracks: list[Run], bpm: int) -> Run:
    """The run from bar one after which the others of this tempo are judged."""
    runs_here = [
        run for run in tracks if round(run.bpm) == bpm and run.steady and abs(run.beat) < 0.05 and not run.silent.any()
    ]
    return max(runs_here, key=lambda run: len(run.sound))


def settle(engine: Engine, seconds: float) -> None:
    """Wait until for so long nothing has landed: the loops of a new tempo are there."""
    landed, since = -1, time.perf_counter()
    while time.perf_counter() - since < seconds:
        now = (engine.folder / "log.txt").read_text().count("deck a: ")
        if now != landed:
            landed, since = now, time.perf_counter()
        time.sleep(0.1)


def kill_and_resume(engine: Engine) -> tuple[int, int]:
    """Kill the engine and start it again at once; returns when, in nanoseconds of the monotonic clock."""
    clock = SystemClock()
    killed_ns = clock.now_ns()
    engine.kill()
    engine.words = ("--record", "after.wav", "--resume")
    started_ns = clock.now_ns()
    engine.start()
    return killed_ns, started_ns


def show_return(run: Run, killed_ns: int, started_ns: int) -> None:
    """How long the track played on without its engine, and when it was heard again after the start of the next."""
    times = [(part.ns, bool(np.abs(part.sound).max() > 0.0)) for part in run.parts if part.ns > killed_ns]
    silent = next((ns for ns, sounds in times if not sounds), None)
    back = next((ns for ns, sounds in times if sounds and silent is not None and ns > silent), None)
    if silent is None or back is None:
        print("engine killed: the track was never silent, or never came back")
        return
    print(
        f"engine killed while it rolled: {(silent - killed_ns) / 1e6:.0f} ms more music, in place again "
        f"{(back - started_ns) / 1e6:.0f} ms after the start of the next one"
    )


def play(session: ArdourSession, engine: Engine, script: str, probes: str, seconds: float) -> tuple[int, int]:
    """Run a script to its end and answer it; returns when the engine was killed and started again, or zeros."""
    running = session.run("ardour7-lua", str(SCRIPTS / script), probes=probes)
    assert running.stdout is not None
    output, killed = [], (0, 0)
    for line in running.stdout:
        output.append(line)
        word = line.strip()
        if word == "kill":
            killed = kill_and_resume(engine)
        if word == "kill" or word.startswith("settle"):
            settle(engine, seconds)
            session.answer(word)
    assert running.wait() == 0, "".join(output)
    assert "no ramp\n" not in output, "".join(output)
    return killed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--settle", type=float, default=4.0, help="seconds without a landing, after which a change has ended"
    )
    options = parser.parse_args()
    missing = missing_programs()
    if missing:
        raise SystemExit(f"not installed: {', '.join(missing)}")
    folder = Path(tempfile.mkdtemp(prefix="riffengine-ardour-"))
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; everything is kept in {folder}", flush=True)
    session = ArdourSession(folder, seconds=400)
    os.environ["RIFFENGINE_DAW_SOCKET"] = str(folder / "daw.sock")
    os.environ["XDG_STATE_HOME"] = str(folder / "state")
    engine = Engine(folder, PRESET, "--record", "set.wav")
    try:
        engine.wait_for_music()
        killed = play(session, engine, "music.lua", "live", options.settle)
        session.add_ranges(loop_seconds=(1, 2), end_seconds=6)
        play(session, engine, "again.lua", "reopened", options.settle)
        session.export(folder / "export.wav", "export")
    finally:
        print(engine.stop()[-500:])
    files = [soundfile.read(folder / name, dtype="float32")[0] for name in ("set.wav", "after.wav")]
    recorded = np.concatenate(files)
    live = [runs(track) for track in session.sounded("live")]
    music = {bpm: longest_at(live[0], bpm) for bpm in (120, 90, 174)}
    show("live", live, recorded, music)
    show_return(live[0][-1], *killed)
    show("reopened", [runs(track) for track in session.sounded("reopened")], recorded, music)
    show("export", [runs(track) for track in session.sounded("export")], recorded, music)


if __name__ == "__main__":
    main()
