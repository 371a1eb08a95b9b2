"""A DAW with real instances of our plugin (the CLAP, in this process) and an engine started as a performer does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from riffengine.processes.audio import Block
from tests.daw.clap_host import ClapHost, Transport, param

PATIENCE_SECONDS = 400.0  # enough on a busy machine; nothing here measures time
BLOCK = 512
SOURCE = 17  # the number of the plugin's parameter
DECKS, STEMS = 4, 4


def stem_source(deck: int, stem: int) -> int:
    """The value of the parameter for a stem, both counted from 0."""
    return 1 + DECKS + deck * STEMS + stem


class Engine:
    """``riffengine play`` in ``folder``; it writes ``set.wav`` there. ``before``: a command that starts a command."""

    def __init__(self, folder: Path, preset: str, *words: str, before: tuple[str, ...] = ()) -> None:
        self.folder, self.words, self.before = folder, words, before
        (folder / "set.yaml").write_text(preset)
        self.log = (folder / "log.txt").open("ab")
        self.start()

    def start(self) -> None:
        engine = (sys.executable, "-m", "riffengine", "play", "set.yaml", "--no-osc", "--no-midi")
        command = [*self.before, *engine, *self.words]
        self.process = subprocess.Popen(command, cwd=self.folder, stdout=self.log, stderr=self.log)

    def wait_for_music(self, times: int = 1) -> None:
        """Wait until a deck has landed for the ``times``-th time since the first start."""
        deadline = time.perf_counter() + PATIENCE_SECONDS
        while (text := (self.folder / "log.txt").read_text()).count("deck a: 'techno") < times:
            assert time.perf_counter() < deadline and self.process.poll() is None, text[-2000:]
            time.sleep(0.2)

    def kill(self) -> None:
        """As a crash: the engine's processes get no chance to say anything."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        for pid in (self.process.pid, *map(int, children)):
            os.kill(pid, signal.SIGKILL)
        self.process.wait(20)

    def kill_player(self) -> None:
        """The player is the child without torch that has loops; the one prepared to take its place has none yet."""
        for pid in Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split():
            maps = Path(f"/proc/{pid}/maps").read_text()
            if "/dev/shm/" in maps and "numpy" in maps and "torch" not in maps:
                os.kill(int(pid), signal.SIGKILL)

    def stop(self) -> str:
        """End as by Ctrl-C; returns what it has printed."""
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(PATIENCE_SECONDS)
        if not self.log.closed:
            self.log.close()
        return (self.folder / "log.txt").read_text()


class Daw:
    """Tracks that share one transport; blocks of ``BLOCK`` frames in real time, or as fast as they come offline."""

    def __init__(self, library: Path, tracks: int = 1, rate: int = 44100) -> None:
        self.library, self.rate = library, rate
        self.tracks = [ClapHost(library, rate=rate) for _ in range(tracks)]
        self.beat, self.bpm, self.offline = 0.0, 120.0, False
        self.loop: tuple[float, float] | None = None
        self._due = time.perf_counter()

    def choose(self, track: int, source: int) -> None:
        self.tracks[track].run(64, Transport(self.beat, self.bpm, playing=False), param(SOURCE, source))

    def stand(self, seconds: float) -> None:
        self._blocks(seconds, playing=False)

    def play(self, seconds: float) -> list[Block]:
        """``(frames, 2) float32`` of each track, silent where there was no music."""
        return self._blocks(seconds, playing=True)

    def play_whole(self, beat: float, seconds: float) -> list[Block]:
        """Play from ``beat``, standing there before, until it was heard without a gap: the machine may be busy."""
        for _ in range(8):
            self.beat = beat
            self.stand(0.4)
            played = self.play(seconds)
            if (np.abs(played[0]).max(axis=1) > 0.0).all():
                return played
        raise AssertionError("eight times there was a gap, with more and more lead")

    def render(self, seconds: float) -> list[Block]:
        """The same offline."""
        self.offline = True
        for track in self.tracks:
            track.render_offline(True)
        rendered = self._blocks(seconds, playing=True)
        for track in self.tracks:
            track.render_offline(False)
        self.offline = False
        return rendered

    def play_until_heard(self) -> None:
        """Play from bar 1 until the first track is heard, then go back there and stand."""
        deadline = time.perf_counter() + PATIENCE_SECONDS
        while not np.abs(self.play(0.25)[0]).max() > 0.0:
            assert time.perf_counter() < deadline, "nothing is heard"
        self.beat = 0.0
        self.stand(0.5)

    def _blocks(self, seconds: float, playing: bool) -> list[Block]:
        played: list[list[Block]] = [[] for _ in self.tracks]
        self._due = time.perf_counter()
        for _ in range(round(seconds * self.rate / BLOCK)):
            for track, sounds in zip(self.tracks, played, strict=True):
                sounds.append(track.run(BLOCK, Transport(self.beat, self.bpm, playing, self.loop)).T.copy())
            if playing:
                self.beat += BLOCK * self.bpm / 60.0 / self.rate
                if self.loop is not None and self.beat >= self.loop[1]:
                    self.beat -= self.loop[1] - self.loop[0]
            # A host that was late itself does not ask for the blocks that it missed all at once.
            self._due = max(self._due + BLOCK / self.rate, time.perf_counter())
            if not self.offline:
                time.sleep(max(0.0, self._due - time.perf_counter()))
        return [np.concatenate(sounds) for sounds in played]

    def close(self) -> None:
        for track in self.tracks:
            track.close()
