"""LiveInput: bars of the sound input become what a deck starts from and follows, when asked for or again and again.

The player's audio thread leaves the input in a ring, at the output frame that was pulled with it. A musician plays to
what is heard: later than that by the output's latency, and delivered later still by the input's. So the bars that were
heard lie in the ring behind their own frames by both together.

Bars whose key, chords or energy a deck follows go to the listener (``engine.listener_link``) first; all that changes
after them changes together. The event loop's thread; files are written in another.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from riffengine.clock import SystemClock
from riffengine.control.surface import Prepare
from riffengine.engine.captured_files import CapturedFiles
from riffengine.engine.followed_music import FOLLOWED, FollowedMusic, follows
from riffengine.errors import AudioFileError
from riffengine.output.captured_input import TAIL_SECONDS, InputBars, save_input
from riffengine.performance.command import FOLLOW_SOURCE, INPUT_SOURCE, Accepted, Command, Rejected, Reply, Value
from riffengine.performance.state import PerformanceState
from riffengine.processes.audio_tap import AudioTap
from riffengine.processes.listen_messages import FromListener, HeardBars, Listen
from riffengine.processes.player_messages import PlayerReady
from riffengine.scheduler.actions import Action
from riffengine.session.session import Session
from riffengine.transport.beat_grid import BEATS_PER_BAR, BeatGrid

RING_FRAMES = 1 << 22
"""87 s at 48 kHz, 32 MB: more than sixteen bars at 60 bpm."""

_STOPPED_SECONDS = 2.0  # without a block of input: its device has gone
_HEARD_WITHIN_SECONDS = 4.0  # or the bars are taken unheard; hearing two takes a third of a second
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
    listen: Callable[[Listen], None]  # the answer comes by ``LiveInput.heard``
    in_use: Callable[[], Collection[str]]  # files that the state or a scene names
    unix_seconds: Callable[[], float] = SystemClock().unix_seconds


@dataclass(frozen=True)
class _Capture:
    """Bars of a deck; ``followed``: nobody has asked for them by hand."""

    deck: str
    path: Path
    followed: bool
    beats: int


class LiveInput:
    """The sound input of a set: ``ring`` is where the player leaves it, ``None`` where the set has none.

    Captured bars are saved where recordings go; ``keep_all``: those that a deck has followed stay as well. ``output:
    input_latency:`` of the preset replaces what the driver tells about the latencies of output and input together.
    """

    def __init__(self, ring: AudioTap | None, session: Session, ports: InputPorts, keep_all: bool = True) -> None:
        self._ring, self._ports, self._beats = ring, ports, session.loop_beats
        self._decks = session.decks if ring is not None else ()
        self._files = CapturedFiles(session.recording.folder, keep_all, ports.unix_seconds)
        self._given = session.audio.input_latency_seconds
        self._round_trip_seconds: float | None = None
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="input")
        self._writing: list[tuple[_Capture, Future[None]]] = []
        self._listening: dict[int, tuple[_Capture, int]] = {}  # by number, with the frame at which it is late
        self._asked = 0
        self._music = {deck: FollowedMusic() for deck in self._decks}
        self._followed: dict[str, int] = {}
        self._told: set[str] = set()

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
        if any(capture.deck == deck for capture, _ in self._writing):
            return Rejected(command, f"{command.path}: bars for deck {deck} are being saved; wait a moment"), []
        wanted = self._last_bars(bars)
        if isinstance(wanted, str):
            return Rejected(command, f"{command.path}: {wanted}"), []
        self._save(deck, wanted, followed=False)
        note = f"the last {bars} bars of the sound input become what deck {deck} starts from"
        if self._ports.state().number(f"deck/{deck}/strength") >= 1.0:
            note += f"; deck/{deck}/strength is 1, which forgets it: set it lower"
        return Accepted(command, bars, note=note), []

    def tick(self) -> None:
        """Take what has been written, and the bars of decks that follow the input."""
        for each in [each for each in self._writing if each[1].done()]:
            self._writing.remove(each)
            self._finish(*each)
        frame, state = self._ports.frame(), self._ports.state()
        for number, (capture, late) in list(self._listening.items()):
            if frame > late:
                del self._listening[number]
                text = f"the listener has not answered within {_HEARD_WITHIN_SECONDS:g} s"
                self._say_once(_late(capture.deck), f"deck {capture.deck}: {text}; it follows no music meanwhile")
                self._follow(capture, {})
        for deck in self._decks:
            bars = int(state.number(f"deck/{deck}/follow"))
            if not bars or not any(follows(state, deck, what) for what in FOLLOWED):
                continue
            wanted = self._last_bars(bars)
            if isinstance(wanted, str) or self._writing or wanted.end_beat % wanted.beats:
                continue
            if self._followed.get(deck) != wanted.end_beat:
                self._followed[deck] = wanted.end_beat
                self._save(deck, wanted, followed=True)

    def heard(self, message: FromListener) -> None:
        """The listener has answered; an answer that comes too late changes nothing."""
        waiting = self._listening.pop(message.number, None)
        if waiting is None:
            return
        deck, changes = waiting[0].deck, dict[str, Value]()
        if isinstance(message, HeardBars):
            changes = self._music[deck].changes(message, self._ports.state(), deck)
            self._told.discard(_not_heard(deck))
        else:
            self._say_once(_not_heard(deck), f"deck {deck}: {message.reason}")
        self._told.discard(_late(deck))
        self._follow(waiting[0], changes)

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

    def _save(self, deck: str, bars: InputBars, followed: bool) -> None:
        assert self._ring is not None  # or there were no bars
        path = self._files.new(deck, followed)
        self._writing.append(
            (_Capture(deck, path, followed, bars.beats), self._writer.submit(save_input, self._ring, bars, path))
        )

    def _finish(self, capture: _Capture, future: Future[None]) -> None:
        error, deck, state = future.exception(), capture.deck, self._ports.state()
        if error is None:
            self._told.discard(deck)
            if not capture.followed:
                command = Command(f"deck/{deck}/init", str(capture.path.resolve()), INPUT_SOURCE)
                self._ports.prepare(command, lambda: self._submit(command))
            elif any(follows(state, deck, what) for what in FOLLOWED if what != "audio"):
                self._asked += 1
                rate = self._ports.grid().sample_rate
                self._listening[self._asked] = capture, self._ports.frame() + round(_HEARD_WITHIN_SECONDS * rate)
                path, bpm = str(capture.path.resolve()), self._ports.grid().bpm
                self._ports.listen(Listen(self._asked, path, capture.beats, self._beats, bpm))
            else:
                self._follow(capture, {})
            return
        self._files.forget(capture.path)
        if not isinstance(error, AudioFileError):
            raise error
        self._say_once(deck, f"deck {deck}: {error}")  # a deck that follows a silent input says so once

    def _follow(self, capture: _Capture, changes: Mapping[str, Value]) -> None:
        """Start from the bars and change what was heard in them, in one turn, so that it lands together."""
        commands = [Command(path, value, FOLLOW_SOURCE) for path, value in changes.items()]

        def submit() -> None:
            for command in commands:
                self._submit(command)
            self._files.remove_old(capture.deck, self._ports.in_use())

        if follows(self._ports.state(), capture.deck, "audio"):
            command = Command(f"deck/{capture.deck}/init", str(capture.path.resolve()), FOLLOW_SOURCE)
            commands.append(command)
            self._ports.prepare(command, submit)
        else:
            submit()

    def _submit(self, command: Command) -> None:
        reply = self._ports.submit(command)
        if isinstance(reply, Rejected):
            self._say_once(command.path, f"{command.path} does not follow the input: {reply.reason}")
        else:
            self._told.discard(command.path)

    def _say_once(self, what: str, text: str) -> None:
        """Say ``text`` unless ``what`` was said before and has not been well since."""
        if what not in self._told:
            self._told.add(what)
            self._ports.say(text)


def _not_heard(deck: str) -> str:
    """Names what is said once while nothing is found in ``deck``'s bars,"""
    return f"{deck} is not heard"


def _late(deck: str) -> str:
    """and while the listener does not answer in time."""
    return f"{deck} is heard late"
