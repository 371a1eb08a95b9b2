"""Engine: the real-time shell around the Conductor. One asyncio loop; it never blocks and never imports torch.

It owns the two other processes (renderer and player), the shared memory between them, the control surfaces and the
journal. Whatever the Conductor decides, the engine carries out; whatever happens, it tells the Conductor.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from riffengine.clock import Clock, SystemClock
from riffengine.errors import OutOfRange
from riffengine.loopstore import LoopStore, sweep_stale_segments
from riffengine.output.player import PlayerOptions, PlayerProcess
from riffengine.performance.command import Command, Rejected, Reply, Value
from riffengine.performance.state import PerformanceState
from riffengine.playback.messages import (
    BankLanded,
    FromPlayer,
    LoopFreed,
    PlayerFailed,
    PlayerNotice,
    PlayerReady,
    Scheduled,
    Status,
    StopPlayer,
    ToPlayer,
)
from riffengine.playback.mixer import MIX_AHEAD_FRAMES
from riffengine.recovery import Recovery
from riffengine.renderer.request import Cancelled, Delivery, Failed, FromRenderer, Point, Ready, RenderRequest
from riffengine.renderer.worker import RendererOptions, RendererProcess
from riffengine.replay.tape import Tape
from riffengine.scheduler.actions import Action, Announce, Applied, Log, Policy, ToPlayerMessage, ToRendererMessage
from riffengine.scheduler.conductor import Conductor
from riffengine.scheduler.director import Director
from riffengine.session import Session
from riffengine.statusline import StatusLine
from riffengine.surfaces import Surfaces
from riffengine.transport.grid import BeatGrid, Moment

LOOP_BEATS = 8
SLOWEST_BPM = 60.0
SLOTS = 48
CHANNELS = 2
STEMS = ("mix",)
TICK_SECONDS = 0.02
STATUS_EVERY = 10  # ticks
RESTART_SECONDS = (0.0, 0.5, 2.0, 5.0)  # before each new start of a renderer that keeps dying
HEALTHY_SECONDS = 20.0  # a renderer that lived this long starts the series anew
QUIET = frozenset({"render failed", "landed"})  # journalled, and on the line only in the engine's own words


@dataclass(frozen=True)
class PlayOptions:
    """What the command line says in place of the preset; ``None`` leaves it to the preset."""

    output: str | None = None
    device: str | None = None
    block_frames: int | None = None
    record: Path | None = None
    seconds: float | None = None
    osc_port: int | None = None
    osc: bool = True
    midi: bool = True
    journal: Path | None = None
    commands: tuple[Command, ...] = ()
    recovery: Recovery | None = None

    def over(self, session: Session) -> Session:
        """``session`` with what the command line says about it."""
        said = {
            "output": self.output,
            "device": self.device,
            "block_frames": self.block_frames,
            "record": self.record,
            "osc_port": self.osc_port,
            "osc_enabled": None if self.osc else False,
            "midi_enabled": None if self.midi else False,
        }
        return replace(session, **{name: value for name, value in said.items() if value is not None})  # type: ignore[arg-type]


class Engine:
    """One performance, from the first sound to the fade-out. ``run`` returns the exit status."""

    def __init__(self, session: Session, options: PlayOptions, clock: Clock, line: StatusLine) -> None:
        self._session = session = options.over(session)
        self._options, self._clock, self._line = options, clock, line
        tree = session.tree(STEMS)
        state = session.state(tree)
        self._recovery = options.recovery
        scenes = session.scenes
        if self._recovery is not None:
            state, scenes = self._recovery.state(tree, state), self._recovery.scenes(scenes)
        for command in options.commands:
            state, reply = tree.apply(state, command)
            if isinstance(reply, Rejected):
                raise OutOfRange(reply.reason)
        self._rate = session.sample_rate
        grid = BeatGrid(self._rate, state.number("transport/tempo"))
        floats = int(LOOP_BEATS * 60 / SLOWEST_BPM * self._rate) * CHANNELS * len(STEMS)
        self._store = LoopStore.create(SLOTS, floats)
        policy = Policy(fade_in_seconds=session.fade_in_seconds)
        self._conductor = Conductor(tree, state, grid, session.decks, SLOTS, policy, session.model)
        self._director = Director(self._conductor, scenes)
        warm = Point("house", 0)
        self._renderer = RendererProcess(
            RendererOptions(
                self._store.name,
                SLOTS,
                floats,
                session.model,
                warm=RenderRequest(warm, warm, steps=1, bpm=grid.bpm, sample_rate=self._rate),
            )
        )
        self._player = PlayerProcess(
            PlayerOptions(
                sample_rate=self._rate,
                grid=grid,
                store_name=self._store.name,
                store_slots=SLOTS,
                store_slot_floats=floats,
                block_frames=session.block_frames,
                channels=CHANNELS,
                output=session.output,
                device=session.device or None,
                record=str(session.record) if session.record else None,
                decks=session.decks,
                tape=options.journal is not None,
            )
        )
        self._tape = Tape(lambda frame, kind, facts: self._surfaces.played(self._moment(frame), kind, facts))
        self._surfaces = Surfaces(session, tree, clock, line.say)
        self._anchor: Status | None = None
        self._player_descriptor = -1
        self._renderer_began_ns = 0
        self._renderer_deaths = 0
        self._stopping = asyncio.Event()
        self._hurried = False
        self._failure = ""

    @property
    def state(self) -> PerformanceState:
        """What the performer wants right now."""
        return self._conductor.state

    def frame(self) -> int:
        """The first frame on which a message could still act, from the player's last report and the clock.

        The mixer has already mixed a little ahead, and a block is under way. 0 before the first report.
        """
        if self._anchor is None:
            return 0
        passed_ns = max(0, self._clock.now_ns() - self._anchor.host_ns)
        under_way = MIX_AHEAD_FRAMES + self._session.block_frames
        return self._anchor.frame + passed_ns * self._rate // 1_000_000_000 + under_way

    def now(self) -> Moment:
        """The present frame in every unit."""
        return self._moment(self.frame())

    def _moment(self, frame: int) -> Moment:
        return self._conductor.moment(frame)

    def submit(self, command: Command) -> Reply:
        """Apply a command from any surface; the answer says when it will be heard."""
        moment = self.now()
        reply, actions = self._director.submit(command, moment.frame)
        self._surfaces.replied(moment, reply, self.state)
        self._carry_out(actions)
        return reply

    async def run(self) -> int:
        """Play until asked to stop. 0 after a fade-out, 1 when the output or the model cannot be had."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._ask_to_stop)
        try:
            self._player.start()
            self._player_descriptor = self._player.fileno()
            loop.add_reader(self._player_descriptor, self._hear_player)
            self._start_renderer()
            if self._recovery is not None and self._recovery.advice:
                self._line.say(self._recovery.advice)
            if self._recovery is not None:
                restored = self._recovery.restore(self._conductor.stage, self._store, self._tape.lies_in)
                if restored:
                    self._line.say(f"resumed: {restored} loops of the last set sound while the model loads")
            self._carry_out(self._conductor.start(0))
            await self._surfaces.open(self.submit, lambda: self.state, self._facts)
            await self._play(loop)
        finally:
            await self._end(loop)
        if self._failure:
            pass
        return 1 if self._failure else 0

    async def _play(self, loop: asyncio.AbstractEventLoop) -> None:
        ticks = 0
        until = loop.time() + self._options.seconds if self._options.seconds else None
        while not self._stopping.is_set() and (until is None or loop.time() < until):
            self._carry_out(self._director.tick(self.frame()))
            if ticks % STATUS_EVERY == 0:
                self._show_status()
                self._keep()
            ticks += 1
            try:
                await asyncio.wait_for(self._stopping.wait(), TICK_SECONDS)
            except TimeoutError:
                continue

    def _keep(self) -> None:
        if self._recovery is not None and self._anchor is not None:
            store, stage = self._store, self._conductor.stage
            now_seconds = SystemClock().unix_seconds()
            self._recovery.keep(now_seconds, stage, self._director, store, self._tape.request_in)
            if self._recovery.failure:
                self._line.say(self._recovery.failure)
                self._recovery = None

    def _ask_to_stop(self) -> None:
        self._hurried = self._stopping.is_set()  # a second Ctrl-C does not wait for the fade
        self._stopping.set()

    async def _end(self, loop: asyncio.AbstractEventLoop) -> None:
        self._stopping.set()
        self._line.end()
        seconds = self._session.fade_out_seconds
        self._tell_player(StopPlayer(round(seconds * self._rate)))
        deadline = loop.time() + seconds + 2.0
        while self._player.alive and loop.time() < deadline and not self._hurried:
            await asyncio.sleep(TICK_SECONDS)
        self._surfaces.event(self.now(), "", "the end")
        for message in self._player.stop(fade_frames=0, timeout=0.5):
            if isinstance(message, Status | Scheduled):
                self._heed_player(message)
        if self._options.journal is not None and self._anchor is not None:
            self._tape.end(self._anchor.frame)
        self._renderer.stop(timeout=0.5)
        self._surfaces.close()
        if self._recovery is not None:
            self._recovery.goodbye()
        self._store.close()

    # --- what the Conductor decides ------------------------------------------------------------------------------

    def _carry_out(self, actions: Iterable[Action]) -> None:
        for action in actions:
            match action:
                case ToRendererMessage(message):
                    self._renderer.send(message)
                case ToPlayerMessage(message):
                    self._tell_player(message)
                case Announce(landing, source):
                    self._surfaces.landing_moved(self.now(), landing, source)
                    self._line.say(f"{landing.path} lands on beat {landing.beat:g} instead")
                case Applied(_, reply, moment):
                    self._surfaces.replied(moment, reply, self.state)
                case Log():
                    self._log(action)

    def _log(self, entry: Log) -> None:
        self._surfaces.event(self.now(), str(entry.values.get("deck", "")), entry.text)
        if entry.kind == "landed":
            deck = self.state.deck(str(entry.values["deck"]))
            self._line.say(
                f"beat {entry.values['beat']:8.2f}  deck {entry.values['deck']}: {deck.prompt!r} "
                f"seed {deck.seed} → {deck.to or deck.prompt!r} seed {deck.to_seed}"
            )
        elif entry.kind not in QUIET:
            self._line.say(entry.text)

    def _tell_player(self, message: ToPlayer) -> None:
        if self._options.journal is not None:
            self._tape.sent(message)
        self._player.send(message)

    # --- what the player says ------------------------------------------------------------------------------------

    def _hear_player(self) -> None:
        for message in self._player.receive():
            self._heed_player(message)
        if not self._player.alive:
            asyncio.get_running_loop().remove_reader(self._player_descriptor)
            if not self._stopping.is_set():
                self._failure = self._failure or "the player process ended unasked; `riffengine doctor` may know why"
                self._stopping.set()

    def _heed_player(self, message: FromPlayer) -> None:
        match message:
            case PlayerReady():
                self._line.say(
                    f"output: {message.output}, {message.sample_rate} Hz, {message.block_frames} frames "
                    f"a block, {1000 * message.latency_seconds:.0f} ms latency"
                )
            case Status():
                self._anchor = message
            case Scheduled():
                self._tape.scheduled(message)
            case BankLanded() | LoopFreed():
                self._carry_out(self._conductor.reported(self.frame(), message))
            case PlayerNotice(reason):
                self._line.say(reason)
            case PlayerFailed(reason):
                self._failure = reason
                self._stopping.set()

    # --- what the renderer says ----------------------------------------------------------------------------------

    def _start_renderer(self) -> None:
        if self._stopping.is_set():
            return
        self._renderer.start()
        self._renderer_began_ns = self._clock.now_ns()
        asyncio.get_running_loop().add_reader(self._renderer.fileno(), self._hear_renderer)

    def _hear_renderer(self) -> None:
        messages, connected = self._renderer.receive()
        for message in messages:
            self._heed_renderer(message)
        if not connected:
            self._renderer_lost()

    def _heed_renderer(self, message: FromRenderer) -> None:
        frame = self.frame()
        match message:
            case Ready():
                self._surfaces.begin_journal(self._options.journal, self.state, message.model, message.weights_digest)
                self._carry_out(self._conductor.renderer_ready(frame, message))
            case Delivery():
                self._tape.lies_in(message.slot, message.request)
                self._carry_out(self._conductor.delivered(frame, message))
            case Cancelled():
                self._carry_out(self._conductor.cancelled(frame, message))
            case Failed(-1, reason):  # it could not even start
                self._failure = reason
                self._stopping.set()
            case Failed():
                self._carry_out(self._conductor.failed(frame, message))

    def _renderer_lost(self) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._renderer.fileno())
        self._renderer.stop(timeout=0.1)
        if self._stopping.is_set():
            return
        lived = (self._clock.now_ns() - self._renderer_began_ns) / 1e9
        wait = RESTART_SECONDS[min(self._renderer_deaths, len(RESTART_SECONDS) - 1)]
        self._renderer_deaths = 0 if lived > HEALTHY_SECONDS else self._renderer_deaths + 1
        self._line.say(f"the renderer ended; the music goes on, a new one starts in {wait:g} s")
        self._carry_out(self._conductor.renderer_lost(self.frame()))
        loop.call_later(wait, self._start_renderer)

    # --- telling -------------------------------------------------------------------------------------------------

    def _facts(self) -> Mapping[str, Value]:
        status = self._conductor.status(self.frame())
        return {
            "beat": status.moment.beat,
            "bpm": status.moment.bpm,
            "render_seconds": status.full_p50_seconds,
            "jobs_heard": status.jobs_heard,
            "famines": status.famines,
            "underruns": self._anchor.underruns if self._anchor else 0,
            "load": self._anchor.load if self._anchor else 0.0,
            "renderer_pid": self._renderer.pid or 0,
            "player_pid": self._player.pid or 0,
        }

    def _show_status(self) -> None:
        status = self._conductor.status(self.frame())
        deck = status.decks[0]
        runway = "∞" if deck.runway_seconds == float("inf") else f"{deck.runway_seconds:.0f} s"
        shown = deck.prompt if not deck.to or deck.to == deck.prompt else f"{deck.prompt} → {deck.to}"
        self._line.update(
            {
                "♪": shown[:56],
                "alpha": f"{deck.alpha:.2f}",
                "bpm": f"{status.moment.bpm:g}",
                "beat": f"{status.moment.beat:.1f}",
                "bank": f"{100 * deck.coverage:.0f}%",
                "runway": runway,
                "render": f"{status.full_p50_seconds:.2f} s",
                "underruns": str(self._anchor.underruns if self._anchor else 0),
            }
        )


def run_play(session: Session, options: PlayOptions) -> int:
    """Play ``session`` until the time is up or Ctrl-C; returns the exit status. Runs in the engine process."""
    line = StatusLine(sys.stdout)
    for name in sweep_stale_segments():
        line.say(f"removed {name}, left behind by a session that was killed")

    async def play() -> int:
        return await Engine(session, options, SystemClock(), line).run()

    return asyncio.run(play())
