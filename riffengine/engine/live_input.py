"""LiveInput: bars of the sound input become what a deck starts from, when asked for or again and again.

The player's audio thread leaves the input in a ring, at the output frame that was pulled with it. A musician plays to
what is heard: later than that by the output's latency, and delivered later still by the input's. So the bars that were
heard lie in the ring behind their own frames by both together. The event loop's thread; files are written in another.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from riffengine.clock import SystemClock
from riffengine.control.surface import Prepare
from riffengine.errors import AudioFileError
from riffengine.output.captured_input import TAIL_SECONDS, InputBars, save_input
from riffengine.performance.command import Accepted, Command, Rejected, Reply
from riffengine.performance.state import PerformanceState
from riffengine.processes.audio_tap import AudioTap
from riffengine.processes.player_messages import PlayerReady
from riffengine.scheduler.actions import Action
from riffengine.session.session import Session
from riffengine.transport.beat_grid import BEATS_PER_BAR, BeatGrid

RING_FRAMES = 1 << 22
"""87 s at 48 kHz, 32 MB: more than sixteen bars at 60 bpm."""

SOURCE = "input"
_STOPPED_SECONDS = 2.0  # without a block of input: its device has gone
_KEPT_SECONDS = 1.0  # at the ring's old end, which the player may overwrite while it is read


@dataclass(frozen=True)
class InputPorts:
    """What the input needs of the engine."""

    grid: Callable[[], BeatGrid]
    state: Callable[[], PerformanceState]
    prepare: Prepare
    submit: Callable[[Command], Reply]
    say: Callable[[str], None]
    frame: Callable[[], int]  # that is heard now
    unix_seconds: Callable[[], float] = SystemClock().unix_seconds


class LiveInput:
    """The sound input of a set: ``ring`` is where the player leaves it, ``None`` where the set has none.

    Captured bars are saved where recordings go. ``output: input_latency:`` of the preset replaces what the driver tells
    about the latencies of output and input together.
    """

    def __init__(self, ring: AudioTap | None, session: Session, ports: InputPorts) -> None:
        self._ring, self._ports = ring, ports
        self._decks, self._folder = session.decks if ring is not None else (), session.recording.folder
        self._given = session.audio.input_latency_seconds
        self._round_trip_seconds: float | None = None
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="input")
        self._writing: list[tuple[str, Path, Future[None]]] = []
        self._followed: dict[str, int] = {}
        self._told: set[str] = set()
        self.saved = 0

    def ready(self, message: PlayerReady) -> None:
        """The output runs, with or without the input."""
        if self._ring is None:
            return
        if message.input_latency_seconds is None:
            self._round_trip_seconds = None
            self._ports.say(f"there is no sound input: {message.output} gives none")
            return
        told = message.latency_seconds + message.input_latency_seconds
        self._round_trip_seconds = told if self._given is None else self._given
        self._ports.say(
            f"sound input: {1000 * self._round_trip_seconds:.1f} ms from output to input (the driver tells "
            f"{1000 * message.latency_seconds:.1f} + {1000 * message.input_latency_seconds:.1f} ms)"
        )

    def answer(self, command: Command, frame: int) -> tuple[Reply, list[Action]] | None:
        """The reply to ``deck/<name>/capture``: which bars are taken; ``None`` for 0, the released pad."""
        bars = int(command.value)
        if not bars:
            return None
        deck = command.path.split("/")[1]
        if any(each[0] == deck for each in self._writing):
            return Rejected(command, f"{command.path}: bars for deck {deck} are being saved; wait a moment"), []
        wanted = self._last_bars(bars)
        if isinstance(wanted, str):
            return Rejected(command, f"{command.path}: {wanted}"), []
        self._save(deck, wanted)
        note = f"the last {bars} bars of the sound input become what deck {deck} starts from"
        if self._ports.state().number(f"deck/{deck}/strength") >= 1.0:
            note += f"; deck/{deck}/strength is 1, which forgets it: set it lower"
        return Accepted(command, bars, note=note), []

    def tick(self) -> None:
        """Take what has been written, and the bars of decks that follow the input."""
        for deck, path, future in [each for each in self._writing if each[2].done()]:
            self._writing.remove((deck, path, future))
            self._finish(deck, path, future)
        for deck in self._decks:
            bars = int(self._ports.state().number(f"deck/{deck}/follow"))
            wanted = self._last_bars(bars) if bars else ""
            if isinstance(wanted, str) or self._writing or wanted.end_beat % wanted.beats:
                continue
            if self._followed.get(deck) != wanted.end_beat:
                self._followed[deck] = wanted.end_beat
                self._save(deck, wanted)

    def close(self) -> None:
        """Wait for the files that are being written."""
        self._writer.shutdown(wait=True)

    def _last_bars(self, bars: int) -> InputBars | str:
        """The last ``bars`` whole bars that the ring holds completely, or why there are none."""
        ring, trip = self._ring, self._round_trip_seconds
        if ring is None or trip is None:
            return "the output gives no sound input; name a device that has one (output: input_device:)"
        if self._ports.frame() - ring.end > _STOPPED_SECONDS * ring.sample_rate:
            return "the sound input has stopped; look at its device"
        # How far the input lies behind what was heard with it, and what is needed after the last bar.
        behind, tail = round(trip * ring.sample_rate), round(TAIL_SECONDS * ring.sample_rate)
        grid, newest = self._ports.grid(), ring.end - behind - tail
        end = grid.beat_at(newest) // BEATS_PER_BAR * BEATS_PER_BAR
        begin = end - bars * BEATS_PER_BAR
        first, last = grid.frame_at(begin), grid.frame_at(end)
        oldest = max(ring.begin, ring.end - RING_FRAMES + round(_KEPT_SECONDS * ring.sample_rate))
        if begin < 0 or first + behind < oldest:
            return f"the sound input has not been there for {bars} whole bars yet; wait, or take fewer"
        if first < grid.anchor_frame and grid.anchor_beat > 0:
            return f"the tempo has changed within the last {bars} bars; play them again at this tempo"
        return InputBars(first + behind, last - first, bars * BEATS_PER_BAR, round(end))

    def _save(self, deck: str, bars: InputBars) -> None:
        assert self._ring is not None  # or there were no bars
        stamp = datetime.fromtimestamp(self._ports.unix_seconds()).strftime("%Y-%m-%d-%H%M%S")
        self.saved += 1
        path = self._folder / f"riffengine-input-{stamp}-{deck}-{self.saved}.flac"
        self._writing.append((deck, path, self._writer.submit(save_input, self._ring, bars, path)))

    def _finish(self, deck: str, path: Path, future: Future[None]) -> None:
        error = future.exception()
        if error is None:
            self._told.discard(deck)
            command = Command(f"deck/{deck}/init", str(path.resolve()), SOURCE)
            self._ports.prepare(command, lambda: self._start_from(deck, command))
        elif not isinstance(error, AudioFileError):
            raise error
        elif deck not in self._told:  # a deck that follows a silent input says so once
            self._told.add(deck)
            self._ports.say(f"deck {deck}: {error}")

    def _start_from(self, deck: str, command: Command) -> None:
        reply = self._ports.submit(command)
        if isinstance(reply, Rejected):
            self._ports.say(f"deck {deck} does not start from the input: {reply.reason}")
