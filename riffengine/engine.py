"""Engine: the real-time shell around the Conductor. One asyncio loop; it never blocks and never imports torch.

It owns the two other processes (renderer and player), the shared memory between them, the control surfaces and the
journal. Whatever the Conductor decides, the engine carries out; whatever happens, it tells the Conductor.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace

from riffengine.clock import Clock, SystemClock
from riffengine.errors import OutOfRange
from riffengine.loopstore import LoopStore, sweep_stale_segments
from riffengine.options import CHANNELS, PlayOptions, at_device_rate, device_choice
from riffengine.output.player import PlayerOptions, PlayerProcess
from riffengine.performance.command import Accepted, Command, Rejected, Reply, Value
from riffengine.performance.latency import Heard, KnobToEar, LatencyCsv
from riffengine.performance.state import PerformanceState
from riffengine.playback.messages import (
    Audible,
    BankLanded,
    FromPlayer,
    LaunchBank,
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
from riffengine.renderer.request import Cancelled, Delivery, Failed, FromRenderer, Point, Ready, RenderRequest
from riffengine.renderer.worker import RendererOptions, RendererProcess
from riffengine.replay.tape import Tape
from riffengine.scheduler.actions import (
    Action,
    Announce,
    Applied,
    Log,
    Policy,
    RestartRenderer,
    ToPlayerMessage,
    ToRendererMessage,
)
from riffengine.scheduler.conductor import Conductor
from riffengine.scheduler.director import Director
from riffengine.session import Session
from riffengine.statusline import StatusLine
from riffengine.surfaces import Surfaces, open_journal
from riffengine.synchroniser import Synchroniser
from riffengine.syncleaders import sync_leaders
from riffengine.transport.grid import BeatGrid, Moment

LOOP_BEATS = 8
SLOWEST_BPM = 60.0
SLOTS = 48
SLOTS_PER_DECK = 7  # the least a deck can play with, where shared memory is small
STEMS = ("mix",)
TICK_SECONDS = 0.02
STATUS_EVERY = 10  # ticks
RESTART_SECONDS = (0.0, 0.5, 2.0, 5.0)  # before each new start of a renderer that keeps dying
RECORDER_SECONDS = 12.0  # a slow disk may take this long to take the rest of a recording
FAULTS_TOLD = 5
HEALTHY_SECONDS = 20.0  # a renderer that lived this long starts the series anew
QUIET = frozenset({"landed", "unknown words"})  # journalled, and on the line only in the engine's own words


class Engine:
    """One performance, from the first sound to the fade-out. ``run`` returns the exit status."""

    def __init__(self, session: Session, options: PlayOptions, clock: Clock, line: StatusLine) -> None:
        self._session = session
        self._options, self._clock, self._line = options, clock, line
        self._latency_csv = LatencyCsv(options.latency_csv) if options.latency_csv is not None else None
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
        self._store = LoopStore.create(SLOTS, floats, least_slots=SLOTS_PER_DECK * len(session.decks))
        slots = self._store.slots
        policy = Policy(fade_in_seconds=session.fade_in_seconds)
        self._conductor = Conductor(tree, state, grid, session.decks, slots, policy, session.model)
        self._director = Director(self._conductor, scenes)
        warm = Point("house", 0)
        self._renderer = RendererProcess(
            RendererOptions(
                self._store.name,
                slots,
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
                store_slots=slots,
                store_slot_floats=floats,
                block_frames=session.block_frames,
                channels=CHANNELS,
                output=session.output,
                device=device_choice(session),
                record=str(session.record) if session.record else None,
                decks=session.decks,
                tape=options.journal is not None,
                cue=session.cue,
            )
        )
        self._tape = Tape(lambda frame, kind, facts: self._surfaces.played(self._moment(frame), kind, facts))
        self._surfaces = Surfaces(session, tree, clock, line.say, open_journal(options.journal, session, state))
        self._ear = KnobToEar(tree)
        self._device_ns = 0  # from a block being handed over to its first frame being heard
        leaders = sync_leaders(session, clock, line.say)
        self._sync = Synchroniser(self._conductor, self._rate, LOOP_BEATS, clock, leaders, session.sync_start_stop)
        self._anchor: Status | None = None
        self._latest_frame = 0
        self._sounding_since_ns = 0
        self._player_descriptor = -1
        self._renderer_began_ns = 0
        self._renderer_deaths = 0
        self._renderer_was_ready = False
        self._faults = 0
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
        frame = self._anchor.frame + passed_ns * self._rate // 1_000_000_000 + under_way
        self._latest_frame = max(self._latest_frame, frame)  # a report may correct the guess; time does not go back
        return self._latest_frame

    def now(self) -> Moment:
        """The present frame in every unit."""
        return self._moment(self.frame())

    def _moment(self, frame: int) -> Moment:
        return self._conductor.moment(frame)

    def submit(self, command: Command) -> Reply:
        """Apply a command from any surface; the answer says when it will be heard."""
        moment, before = self.now(), self._conductor.serials()
        answered = self._sync.answer(command, moment.frame)
        reply, actions = answered or self._director.submit(command, moment.frame)
        self._follow(reply, before)
        if isinstance(reply, Accepted) and (remark := self._surfaces.remark(command.path, reply.value)):
            reply = replace(reply, note=f"{reply.note}; {remark}".removeprefix("; "))
        self._surfaces.replied(moment, reply, self.state)
        self._carry_out([*actions, *self._sync.applied(reply, moment.frame)])
        return reply

    async def run(self) -> int:
        """Play until asked to stop. 0 after a fade-out, 1 when the output or the model cannot be had."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._ask_to_stop)
        loop.set_exception_handler(lambda _, context: self._fault(context.get("exception"), str(context["message"])))
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
            for path, value in self.state.values.items():
                self._surfaces.remark(path, value)
            await self._surfaces.open(self.submit, lambda: self.state, self._facts)
            await self._play(loop)
        finally:
            await self._end(loop)
        if self._failure:
            self._line.say(f"riffengine: {self._failure}")
        return 1 if self._failure else 0

    async def _play(self, loop: asyncio.AbstractEventLoop) -> None:
        ticks = 0
        while not self._stopping.is_set() and not self._time_is_up():
            try:
                self._carry_out(self._director.tick(self.frame()))
                self._carry_out(self._sync.tick(self.frame()))
            except Exception as error:  # noqa: BLE001 (the show goes on; it is counted and told)
                self._fault(error, "the scheduler stumbled")
            if ticks % STATUS_EVERY == 0:
                self._show_status()
                self._keep()
            if not self._player.alive:
                self._player_lost()
            ticks += 1
            try:
                await asyncio.wait_for(self._stopping.wait(), TICK_SECONDS)
            except TimeoutError:
                continue

    def _time_is_up(self) -> bool:
        """Whether ``--seconds`` of music have been heard."""
        if self._options.seconds is None or not self._sounding_since_ns:
            return False
        return self._clock.now_ns() - self._sounding_since_ns > self._options.seconds * 1e9

    def _fault(self, error: BaseException | None, where: str) -> None:
        """An error that nobody expected: counted, told, and the music goes on."""
        self._faults += 1
        if self._faults <= FAULTS_TOLD:
            self._line.say(f"{where}: {type(error).__name__}: {error}; the music goes on (please report this)")

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
        self._surfaces.close_inputs()
        if self._renderer.alive:
            loop.remove_reader(self._renderer.fileno())
        self._renderer.stop(timeout=0.1)
        seconds = self._session.fade_out_seconds if self._sounding_since_ns else 0.0
        self._tell_player(StopPlayer(round(seconds * self._rate)))
        deadline = loop.time() + seconds + RECORDER_SECONDS
        while self._player.alive and loop.time() < deadline and not self._hurried:
            await asyncio.sleep(TICK_SECONDS)
        loop.remove_reader(self._player_descriptor)
        self._surfaces.event(self.now(), "", "the end")
        for message in self._player.stop(fade_frames=0):
            if isinstance(message, Status | Scheduled):
                self._heed_player(message)
        if self._options.journal is not None and self._anchor is not None:
            self._tape.end(self._anchor.frame)
        self._surfaces.close()
        if self._latency_csv is not None:
            self._latency_csv.close()
        self._sync.close()
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
                    if isinstance(message, LaunchBank):
                        self._ear.launched(message.deck, message.bank, message.serial)
                    self._tell_player(message)
                case Announce(landing, source):
                    self._surfaces.landing_moved(self.now(), landing, source)
                    self._line.say(f"{landing.path} lands on beat {landing.beat:g} instead")
                case Applied():
                    self._surfaces.replied(action.moment, action.reply, self.state, action.routine)
                case RestartRenderer(reason):
                    self._line.say(reason)
                    self._renderer.kill()
                case Log():
                    self._log(action)

    def _log(self, entry: Log) -> None:
        values = entry.values
        path = f"deck/{values['deck']}" if "deck" in values else entry.kind
        if entry.kind == "kept":  # a promise: this parameter's change is heard from that frame on
            moment = self._moment(int(values["frame"]))
            self._surfaces.landed(moment, str(values["path"]), values["value"], str(values["source"]))
            return
        self._surfaces.event(self.now(), path, entry.text)
        if entry.kind == "render given up":
            self._ear.dropped(str(values["deck"]))
        if entry.kind == "landed":
            self._line.say(
                f"beat {values['beat']:8.2f}  deck {values['deck']}: {values['prompt']!r} seed {values['seed']}"
                f" → {values['to']!r} seed {values['to_seed']}"
            )
        elif entry.kind not in QUIET:
            self._line.say(entry.text)

    def _tell_player(self, message: ToPlayer) -> None:
        if self._options.journal is not None:
            self._tape.sent(message)
        self._player.send(message)

    # --- what the player says ------------------------------------------------------------------------------------

    def _hear_player(self) -> None:
        messages, connected = self._player.receive()
        for message in messages:
            self._heed_player(message)
        if not connected:
            self._player_lost()

    def _player_lost(self) -> None:
        asyncio.get_running_loop().remove_reader(self._player_descriptor)
        if not self._stopping.is_set():
            self._failure = self._failure or "the player process ended unasked; `riffengine doctor` may know why"
            self._stopping.set()

    def _heed_player(self, message: FromPlayer) -> None:
        match message:
            case PlayerReady():
                self._device_ns = round(message.latency_seconds * 1e9)
                self._sync.player_ready(message)
                self._line.say(
                    f"output: {message.output}, {message.sample_rate} Hz, {message.block_frames} frames "
                    f"a block, {1000 * message.latency_seconds:.0f} ms latency"
                )
            case Status():
                self._anchor = message
                self._sync.player_status(message)
            case Scheduled():
                self._tape.scheduled(message)
            case Audible():
                self._heard([self._ear.audible(message.name, message.stamp_ns, self._heard_ns(message.frame))])
            case BankLanded() | LoopFreed():
                self._sounding_since_ns = self._sounding_since_ns or self._clock.now_ns()
                if isinstance(message, BankLanded):
                    self._heard(self._ear.landed(message.deck, message.bank, self._heard_ns(message.frame)))
                self._carry_out(self._conductor.reported(self.frame(), message))
            case PlayerNotice(reason):
                self._line.say(reason)
            case PlayerFailed(reason):
                self._failure = reason
                self._stopping.set()

    # --- from knob to ear ----------------------------------------------------------------------------------------

    def _follow(self, reply: Reply, before: Mapping[str, int]) -> None:
        """Remember a change that must be rendered until it lands."""
        command = reply.command
        changed = {deck: n for deck, n in self._conductor.serials().items() if n != before[deck]}
        if not isinstance(reply, Accepted) or not changed:
            return
        if reply.landing is not None and reply.landing.seconds > 0:
            self._ear.asked(command.path, command.stamp_ns, changed)
        else:  # the hand came back to what sounds
            for deck in changed:
                self._ear.dropped(deck)

    def _heard_ns(self, frame: int) -> int:
        """When ``frame`` leaves the device, on the monotonic clock; by the last report of the player."""
        if self._anchor is None:
            return self._clock.now_ns()
        after = frame - self._anchor.frame + self._session.block_frames  # the anchor is the end of a block just filled
        return self._anchor.host_ns + after * 1_000_000_000 // self._rate + self._device_ns

    def _heard(self, gestures: Iterable[Heard]) -> None:
        if self._latency_csv is not None:
            for heard in gestures:
                self._latency_csv.write(heard)

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
                self._renderer_was_ready = True
                self._carry_out(self._conductor.renderer_ready(frame, message))
            case Delivery():
                self._tape.lies_in(message.slot, message.request)
                self._carry_out(self._conductor.delivered(frame, message))
            case Cancelled():
                self._carry_out(self._conductor.cancelled(frame, message))
            case Failed(-1, reason):  # it could not even start; its death follows
                self._line.say(reason)
                if not self._renderer_was_ready:
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
        if (self._clock.now_ns() - self._renderer_began_ns) / 1e9 > HEALTHY_SECONDS:
            self._renderer_deaths = 0
        wait = RESTART_SECONDS[min(self._renderer_deaths, len(RESTART_SECONDS) - 1)]
        self._renderer_deaths += 1
        if not self._renderer_was_ready and self._renderer_deaths > len(RESTART_SECONDS):
            self._failure = "the renderer never came up; `riffengine doctor` may know why"
            self._stopping.set()
            return
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
            "coverage": min(deck.coverage for deck in status.decks),
            **self._ear.facts(),
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
                "alpha": f"{deck.alpha:.2f}",
                "bpm": f"{status.moment.bpm:g}",
                "beat": f"{status.moment.beat:.1f}",
                "bank": f"{100 * deck.coverage:.0f}%",
                "runway": runway,
                "render": f"{status.full_p50_seconds:.2f} s",
                "ear": self._ear.shown(),
                "underruns": str(self._anchor.underruns if self._anchor else 0),
                "♪": shown,  # last: what a narrow terminal cuts off is the end of the prompt
            }
        )


def run_play(session: Session, options: PlayOptions) -> int:
    """Play ``session`` until the time is up or Ctrl-C; returns the exit status. Runs in the engine process."""
    line = StatusLine(sys.stdout)
    for name in sweep_stale_segments():
        line.say(f"removed {name}, left behind by a session that was killed")

    session = at_device_rate(options.over(session), line.say)

    async def play() -> int:
        return await Engine(session, options, SystemClock(), line).run()

    return asyncio.run(play())


__all__ = ["Engine", "PlayOptions", "run_play"]
