"""Engine: the real-time shell around the Conductor. One asyncio loop; it never blocks and never imports torch.

It owns the two other processes (renderer and player), the shared memory between them, the control servers and the
journal. Whatever the Conductor decides, the engine carries out; whatever happens, it tells the Conductor.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from riffengine.clock import Clock, SystemClock
from riffengine.errors import DeviceError, RiffError
from riffengine.loopstore import LoopStore, sweep_stale_segments
from riffengine.output.player import PlayerOptions, PlayerProcess
from riffengine.performance.command import Accepted, Command, Rejected, Reply
from riffengine.performance.parameters import standard_tree
from riffengine.performance.state import PerformanceState
from riffengine.playback.messages import (
    BankLanded,
    FromPlayer,
    LoopFreed,
    PlayerFailed,
    PlayerReady,
    Status,
    StopPlayer,
)
from riffengine.renderer.request import Cancelled, Delivery, Failed, FromRenderer, Point, Ready, RenderRequest
from riffengine.renderer.worker import RendererOptions, RendererProcess
from riffengine.scheduler.actions import Action, Announce, Applied, Log, Policy, ToPlayerMessage, ToRendererMessage
from riffengine.scheduler.conductor import Conductor
from riffengine.session import Session
from riffengine.statusline import StatusLine
from riffengine.surfaces import Surfaces
from riffengine.transport.grid import BeatGrid, Moment

LOOP_BEATS = 8
SLOWEST_BPM = 60.0
SLOTS = 40
TICK_SECONDS = 0.02
STATUS_EVERY = 10  # ticks
RESTART_SECONDS = (0.0, 0.5, 2.0, 5.0)  # before each new start of a renderer that keeps dying
HEALTHY_SECONDS = 20.0  # a renderer that lived this long starts the series anew


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


class Engine:
    """One performance, from the first sound to the fade-out. ``run`` returns the exit status."""

    def __init__(self, session: Session, options: PlayOptions, clock: Clock, line: StatusLine) -> None:
        self._session, self._options, self._clock, self._line = session, options, clock, line
        self._tree = standard_tree(session.decks, session.stems)
        self._rate = session.sample_rate
        self._grid = BeatGrid(self._rate, float(session.parameters.get("transport/tempo", 120.0)))
        floats = int(LOOP_BEATS * 60 / SLOWEST_BPM * self._rate) * 2 * len(session.stems)
        self._store = LoopStore.create(SLOTS, floats)
        self._conductor = Conductor(self._tree, self._tree.initial_state(), self._grid, session.decks, SLOTS, Policy())
        self._renderer = RendererProcess(
            RendererOptions(self._store.name, SLOTS, floats, session.model, warm=self._warm_request())
        )
        self._player = PlayerProcess(
            PlayerOptions(
                sample_rate=self._rate,
                block_frames=options.block_frames or session.block_frames,
                output=options.output or session.output,
                device=options.device or session.device,
                record=options.record or session.record,
                decks=session.decks,
                store_name=self._store.name,
                store_slots=SLOTS,
                store_slot_floats=floats,
                grid=self._grid,
            )
        )
        self._surfaces = Surfaces(session, options.osc, options.osc_port, options.midi, options.journal, self._tree)
        self._anchor = Status(0, clock.now_ns(), 0, 0, 0.0, 0.0)
        self._renderer_began_ns = 0
        self._renderer_deaths = 0
        self._stopping = asyncio.Event()
        self._failure = ""

    @property
    def state(self) -> PerformanceState:
        """What the performer wants right now."""
        return self._conductor.state

    def now(self) -> Moment:
        """The frame that the player is about to pull, from its last report and the clock."""
        passed = self._clock.now_ns() - self._anchor.host_ns
        frame = self._anchor.frame + max(0, passed) * self._rate // 1_000_000_000 if self._anchor.frame else 0
        return self._conductor.moment(frame)

    def submit(self, command: Command) -> Reply:
        """Apply a command from any surface; the answer says when it will be heard."""
        now = self.now()
        reply, actions = self._conductor.submit(command, now)
        self._surfaces.note_reply(now, reply, self.state)
        self._carry_out(actions)
        return reply

    async def run(self) -> int:
        """Play until asked to stop. 0 after a fade-out, 1 when the output failed."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._ask_to_stop)
        try:
            self._player.start()
            self._start_renderer()
            loop.add_reader(self._player.fileno(), self._hear_player)
            for command in (*self._preset_commands(), *self._options.commands):
                reply = self.submit(command)
                if isinstance(reply, Rejected):
                    raise RiffError(reply.reason)
            await self._surfaces.open(self.submit, lambda: self.state, self._clock, self._line.say)
            await self._play(loop)
        finally:
            await self._end(loop)
        if self._failure:
            self._line.say(self._failure)
        return 1 if self._failure else 0

    async def _play(self, loop: asyncio.AbstractEventLoop) -> None:
        ticks, deadline = 0, loop.time()
        until = loop.time() + self._options.seconds if self._options.seconds else None
        while not self._stopping.is_set():
            self._carry_out(self._conductor.tick(self.now()))
            if ticks % STATUS_EVERY == 0:
                self._show_status()
            ticks += 1
            deadline = max(deadline + TICK_SECONDS, loop.time())
            if until is not None and loop.time() >= until:
                break
            try:
                await asyncio.wait_for(self._stopping.wait(), max(0.0, deadline - loop.time()))
            except TimeoutError:
                continue

    def _ask_to_stop(self) -> None:
        if self._stopping.is_set():  # a second Ctrl-C does not wait for the fade
            self._player.kill()
        self._stopping.set()

    async def _end(self, loop: asyncio.AbstractEventLoop) -> None:
        self._line.end()
        fade = round(self._session.fade_out_seconds * self._rate)
        self._player.send(StopPlayer(fade))
        for _ in range(round((self._session.fade_out_seconds + 2.0) / TICK_SECONDS)):
            if not self._player.alive:
                break
            await asyncio.sleep(TICK_SECONDS)
        for process in (self._player, self._renderer):
            try:
                loop.remove_reader(process.fileno())
            except (ValueError, RiffError):  # never started
                continue
        self._player.stop()
        self._renderer.stop()
        self._surfaces.close(self.now())
        self._store.close()

    # --- what the Conductor decides ------------------------------------------------------------------------------

    def _carry_out(self, actions: Iterable[Action]) -> None:
        for action in actions:
            match action:
                case ToRendererMessage(message):
                    self._renderer.send(message)
                case ToPlayerMessage(message):
                    self._player.send(message)
                case Announce(landing, source):
                    self._surfaces.announce(self.now(), landing, source, self.state)
                case Applied(_, reply, moment):
                    self._surfaces.note_reply(moment, reply, self.state)
                case Log():
                    self._surfaces.note_event(self.now(), action)
                    if action.kind != "job":
                        self._line.say(f"beat {self.now().beat:9.2f}  {action.text}")

    # --- what the player says ------------------------------------------------------------------------------------

    def _hear_player(self) -> None:
        for message in self._player.receive():
            self._heed_player(message)
        if not self._player.alive and not self._stopping.is_set():
            self._failure = self._failure or "the player process ended; see the message above, or `riffengine doctor`"
            self._stopping.set()

    def _heed_player(self, message: FromPlayer) -> None:
        match message:
            case PlayerReady():
                self._line.say(
                    f"output: {message.output}, {message.sample_rate} Hz, {message.block_frames} frames "
                    f"a block, {1000 * message.latency_seconds:.0f} ms device latency"
                )
            case Status():
                self._anchor = message
            case BankLanded() | LoopFreed():
                self._carry_out(self._conductor.reported(self.now(), message))
            case PlayerFailed(reason):
                self._failure = str(DeviceError(reason))
                self._stopping.set()

    # --- what the renderer says ----------------------------------------------------------------------------------

    def _start_renderer(self) -> None:
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
        now = self.now()
        match message:
            case Ready():
                self._surfaces.model_ready(now, message, self.state)
                self._carry_out(self._conductor.renderer_ready(now, message))
            case Delivery():
                self._surfaces.note_words(message.unknown_words, self._line.say)
                self._carry_out(self._conductor.delivered(now, message))
            case Cancelled():
                self._carry_out(self._conductor.cancelled(now, message))
            case Failed(-1, reason):  # it could not even start
                self._failure = reason
                self._stopping.set()
            case Failed():
                self._carry_out(self._conductor.failed(now, message))

    def _renderer_lost(self) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._renderer.fileno())
        self._renderer.stop(timeout=0.1)
        if self._stopping.is_set():
            return
        lived = (self._clock.now_ns() - self._renderer_began_ns) / 1e9
        self._renderer_deaths = 0 if lived > HEALTHY_SECONDS else self._renderer_deaths + 1
        wait = RESTART_SECONDS[min(self._renderer_deaths, len(RESTART_SECONDS) - 1)]
        self._line.say(f"the renderer ended; the music goes on, a new one starts in {wait:g} s")
        self._carry_out(self._conductor.renderer_lost(self.now()))
        loop.call_later(wait, self._start_renderer)

    # --- small things --------------------------------------------------------------------------------------------

    def _warm_request(self) -> RenderRequest:
        point = Point("house", 0)
        return RenderRequest(point, point, steps=1, bpm=self._grid.bpm, sample_rate=self._rate)

    def _preset_commands(self) -> list[Command]:
        return [Command(path, value, "preset") for path, value in self._session.parameters.items()]

    def _show_status(self) -> None:
        status = self._conductor.status(self.now())
        deck = status.decks[0]
        runway = "∞" if deck.runway_seconds == float("inf") else f"{deck.runway_seconds:.0f} s"
        shown = deck.prompt if not deck.to or deck.to == deck.prompt else f"{deck.prompt} → {deck.to}"
        self._line.update(
            {
                "♪": shown[:48],
                "alpha": f"{deck.alpha:.2f}",
                "seed": str(deck.seed),
                "bpm": f"{status.moment.bpm:g}",
                "beat": f"{status.moment.beat:.1f}",
                "bank": f"{100 * deck.coverage:.0f}%",
                "runway": runway,
                "render": f"{status.full_p50_seconds:.2f} s",
                "underruns": str(self._anchor.underruns),
            }
        )


def run_play(session: Session, options: PlayOptions) -> int:
    """Play ``session`` until the time is up or Ctrl-C; returns the exit status. Runs in the engine process."""
    for name in sweep_stale_segments():
        print(f"removed {name}, left behind by a session that was killed", file=sys.stderr)
    if options.output:
        session = replace(session, output=options.output)

    async def play() -> int:
        return await Engine(session, options, SystemClock(), StatusLine(sys.stdout)).run()

    return asyncio.run(play())


__all__ = ["Accepted", "Engine", "PlayOptions", "run_play"]
