"""Engine: runs one performance, from the first sound to the fade-out.

It owns the two other processes (renderer and player), the shared memory between them, the control surfaces and the
journal. It reports what happens to the Conductor and carries out what the Conductor decides.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from riffengine.clock import Clock
from riffengine.control.surface import SurfaceContext
from riffengine.engine.chosen_files import ChosenFiles
from riffengine.engine.command_schedule import DueCommand, on_time, pinned
from riffengine.engine.context import build_context
from riffengine.engine.end_deadline import Deadline, no_deadline
from riffengine.engine.hands_first import HandsFirst
from riffengine.engine.listener_link import ListenerLink
from riffengine.engine.live_input import InputPorts, LiveInput
from riffengine.engine.media_folder import MediaFolder, answer_to_plugin
from riffengine.engine.old_garbage import OldGarbage
from riffengine.engine.options import PlayOptions
from riffengine.engine.player_link import PlayerLink
from riffengine.engine.plugins.engine_rack import engine_rack
from riffengine.engine.plugins.instrument_notes import InstrumentNotes
from riffengine.engine.renderer_link import RendererLink
from riffengine.engine.set_recovery import SetRecovery
from riffengine.engine.snapshot import ObservationBuilder
from riffengine.engine.status import EngineStatus
from riffengine.engine.stop_signals import stop_signals
from riffengine.output.recorder import FINISH_SECONDS
from riffengine.performance.command import Accepted, Command, Rejected, Reply
from riffengine.performance.routing import Handler, handler_of
from riffengine.performance.state import PerformanceState
from riffengine.processes.realtime import own_priority
from riffengine.scheduler.actions import (
    Action,
    Announce,
    Applied,
    ChangeLanded,
    DeckLanded,
    Log,
    RenderGivenUp,
    RestartRenderer,
    ToPlayerMessage,
    ToRendererMessage,
)
from riffengine.session.session import Session
from riffengine.telemetry.observers import Observers
from riffengine.transport.beat_grid import Moment, rounded
from riffengine.web.drawings import drawings_folder

TICK_SECONDS = 0.02
_PRIORITY = 5  # SCHED_FIFO, below the player: a gesture must not wait until a busy program is interrupted
STATUS_EVERY = 10  # ticks
OBSERVED_EVERY = 5
_FAULTS_REPORTED, _LONGEST_FAULT = 5, 300  # characters of each
_STEP_SECONDS = 6.0  # of the end, for drivers to close
# In the journal: the status line has unknown words in the engine's own, and a walk would be a line for every loop.
_NOT_SHOWN = frozenset({"unknown words", "walk"})


class Engine:
    """One performance, from the first sound to the fade-out. ``run`` returns the exit status."""

    def __init__(
        self,
        session: Session,
        options: PlayOptions,
        clock: Clock,
        observers: Observers,
        deadline: Deadline = no_deadline,
    ) -> None:
        self._observers, self._deadline = observers, deadline
        self._context = context = build_context(session, options, clock, observers.say)
        self._renderer = RendererLink(context.pool_options() or context.renderer_options(), self, context)
        self._player = PlayerLink(context.player_options(), self, context)
        self.plugins = engine_rack(context, self._player.send, self.submit, self._report)
        context.surfaces.join(self.plugins)
        self._recovery = SetRecovery(context, self.plugins.states, self.say)
        self.instruments = InstrumentNotes(
            context.conductor, context.midi_notes_out.slot_notes, self._player.send, self.plugins.instruments
        )
        media = MediaFolder(session.folder, drawings_folder())
        self._files = ChosenFiles(
            context.conductor.tree,
            context.file_hashes,
            lambda command: media.answer(command, 0) is None,
            context.scene_player.files_of,
        )
        ports = InputPorts(
            lambda: context.conductor.grid,
            lambda: self.state,
            self._files.prepare,
            self.submit,
            self.say,
            self.frame,
            lambda question: self._listener.ask(question),
            context.scene_player.files_in_use,
        )
        self.live_input = LiveInput(context.input_ring, session, ports, keep_all=options.journal is not None)
        self._listener = ListenerLink(context.clock, self.live_input.heard, self.say)
        self._status = EngineStatus(context, self._renderer, self._player, self.plugins)
        self._observation = ObservationBuilder(context, self._renderer, self._player)
        # Commands that are answered before the scheduler sees them, which need not know them.
        self._first_handlers: Mapping[Handler, Callable[[Command, int], tuple[Reply, list[Action]] | None]] = {
            Handler.START_RECORDING: context.recording.answer,
            Handler.STOP_RECORDING: context.recording.answer,
            Handler.SAVE_LAST: context.recording.answer,
            Handler.TEMPO: context.sync.answer,
            Handler.PLUGIN: lambda command, frame: (
                answer_to_plugin(command, frame) or self.plugins.answer(command, frame)
            ),
            Handler.CAPTURE: self.live_input.answer,
            Handler.INIT: media.answer,
        }
        self._hands, self._garbage = HandsFirst(), OldGarbage(context.clock)
        self._faults = 0
        self._stopping = asyncio.Event()
        self._hurried = False
        self._failure = ""

    # --- for its parts ----------------------------------------------------------------------------------------------

    @property
    def state(self) -> PerformanceState:
        """What the performer wants right now."""
        return self._context.state

    @property
    def stopping(self) -> bool:
        """Whether the end of the performance has begun."""
        return self._stopping.is_set()

    @property
    def hurried(self) -> bool:
        """Whether the end must not wait for the fade."""
        return self._hurried

    def frame(self) -> int:
        """The first frame on which a message could still act; 0 before the first report of the player."""
        return self._context.stream_clock.frame()

    def now(self) -> Moment:
        """The present frame in every unit."""
        return self._context.now()

    def say(self, text: str) -> None:
        """Show ``text`` to the performer, above the status line."""
        self._observers.say(text)

    def fail(self, reason: str) -> None:
        """End the performance with a failure; the first reason is the one that is shown."""
        self._failure = self._failure or reason
        self._stopping.set()

    # --- for the surfaces -------------------------------------------------------------------------------------------

    def submit(self, command: Command, at_frame: int | None = None) -> Reply:
        """Apply a command from any surface; the reply says when it will be heard.

        With ``at_frame``, what the mixer would do at once happens on that frame.
        """
        context = self._context
        moment, before = context.now(), context.conductor.serials()
        reply, actions = self._answer(command, moment.frame)
        context.latency.replied(reply, before)
        if isinstance(reply, Accepted) and (remark := context.surfaces.remark(command.path, reply.value)):
            reply = replace(reply, note=f"{reply.note}; {remark}".removeprefix("; "))
        self._hands.moved(command, reply, moment.beat)
        reply = on_time(reply, at_frame, moment, context.conductor.moment)
        context.surfaces.replied(moment, reply, self.state)
        self.carry_out([*pinned(actions, at_frame), *context.sync.applied(reply, moment.frame)])
        return reply

    def _answer(self, command: Command, frame: int) -> tuple[Reply, list[Action]]:
        """Check ``command`` and pass it to the handler that ``performance.routing`` names."""
        checked = self._context.conductor.tree.checked(command)
        if isinstance(checked, Rejected):
            return checked, []
        if reason := self._hands.refusal(checked.command, self.now().beat, self._context.scene_player.also_sets):
            return Rejected(command, reason), []
        act = self._first_handlers.get(handler_of(command.path))
        answered = act(checked.command, frame) if act is not None else None
        if answered is None:
            return self._context.scene_player.handle(checked, frame)
        reply, actions = answered
        if isinstance(reply, Accepted):
            return replace(reply, command=command, clipped=checked.clipped), actions
        return replace(reply, command=command), actions

    # --- what the Conductor decides ---------------------------------------------------------------------------------

    def carry_out(self, actions: Iterable[Action]) -> None:
        """Carry out all ``actions`` in order: the one place where each takes effect."""
        context = self._context
        for action in actions:
            match action:
                case ToRendererMessage(message):
                    self._renderer.send(message)
                case ToPlayerMessage(message):
                    self._player.send(message)
                case Announce(landing, source):
                    context.surfaces.landing_moved(self.now(), landing, source)
                    self.say(f"{landing.path} lands on beat {rounded(landing.beat)} instead")
                case Applied():
                    self._hands.moved(action.command, action.reply, action.moment.beat)
                    context.surfaces.replied(action.moment, action.reply, self.state, action.routine)
                case DeckLanded():
                    context.surfaces.event(self.now(), f"deck/{action.deck}", action.text)
                    context.recording.deck_landed(action)
                    self.say(action.sentence)
                case ChangeLanded():
                    moment = context.conductor.moment(action.frame)
                    context.surfaces.landed(moment, action.path, action.value, action.source)
                case RenderGivenUp(deck, text):
                    context.surfaces.event(self.now(), f"deck/{deck}", text)
                    context.latency.gestures.dropped(deck)
                    self.say(text)
                case RestartRenderer(reason):
                    self.say(reason)
                    self._renderer.kill()
                case Log():
                    context.surfaces.event(
                        self.now(), f"deck/{action.deck}" if action.deck else action.kind, action.text
                    )
                    if action.kind not in _NOT_SHOWN:
                        self.say(action.text)

    # --- the performance -------------------------------------------------------------------------------------------

    async def run(self) -> int:
        """Play until asked to stop. 0 after a fade-out, 1 when the output or the model cannot be had."""
        # A SIGHUP twice is no hurry: shell and system send it.
        with stop_signals(self._ask_to_stop, self._stopping.set):
            return await self._run()

    async def _run(self) -> int:
        loop, context = asyncio.get_running_loop(), self._context
        loop.set_exception_handler(lambda _, context: self._fault(context.get("exception"), str(context["message"])))
        try:
            self._player.start()
            self._renderer.start()
            self._recovery.restore()
            self.carry_out(context.conductor.start(0))
            for path, value in self.state.values.items():
                context.surfaces.remark(path, value)
            await context.surfaces.open(self._surface_context())
            self.plugins.begin(context.plugins)
            self._observers.opened(self.submit, self._ask_to_stop)
            self._garbage.begin()
            with own_priority(_PRIORITY):
                await self._play()
        except OSError as error:
            self.fail(
                f"the system refused something that the set needs: {error}; run `riffengine doctor` for the cause"
            )
        finally:
            self._garbage.end()
            await self._end()
        if self._failure:
            self.say(f"riffengine: {self._failure}")
        return 1 if self._failure else 0

    async def _play(self) -> None:
        ticks = 0
        while not self.stopping and not self._time_is_up():
            self.tick()
            if ticks % STATUS_EVERY == 0:
                self._guarded(lambda: self._observers.update(self._status.line()), "an error in the status line")
                self._guarded(self._recovery.save, "an error in what --resume needs")
            if self._observers.watching and ticks % OBSERVED_EVERY == 0:
                self._guarded(
                    lambda: self._observers.observed(self._observation.build(self._faults)),
                    "an error in the observation",
                )
            for part in (self._player, self._renderer, self._listener, self._garbage):
                self._guarded(part.check, f"an error in the {type(part).__name__}")
            ticks += 1
            try:
                await asyncio.wait_for(self._stopping.wait(), TICK_SECONDS)
            except TimeoutError:
                continue

    def tick(self) -> None:
        """Do what time brings: fifty times a second, and whenever a DAW that renders offline waits for it."""
        self._guarded(self._tick, "an error in the scheduler")

    def _tick(self) -> None:
        for due in self._context.schedule.due(self.frame()):
            self._files.prepare(due.command, functools.partial(self._submit_due, due))
        self.carry_out(self._context.scene_player.tick(self.frame()))
        self.carry_out(self._context.sync.tick(self.frame()))
        for outward in (self._context.midi_clock_out, self._context.midi_notes_out):
            outward.tick(self.frame(), self._context.clock.now_ns(), self._context.sync.paused)
        self._context.recording.tick(self.now())
        self.plugins.tick()
        self.live_input.tick()
        self.instruments.tick(self.frame(), self.plugins.lead)

    def _submit_due(self, due: DueCommand) -> None:
        due.on_reply(self.submit(due.command, due.at_frame))

    def _time_is_up(self) -> bool:
        """Whether ``--seconds`` of music have been heard."""
        seconds, since_ns = self._context.options.seconds, self._player.sounding_since_ns
        if seconds is None or not since_ns:
            return False
        return self._context.clock.now_ns() - since_ns > seconds * 1e9

    def _guarded(self, turn: Callable[[], None], where: str) -> None:
        """Do what the set can do without: where it fails, the music continues."""
        try:
            turn()
        except Exception as error:  # noqa: BLE001 (it is counted and reported)
            self._fault(error, where)

    def _fault(self, error: BaseException | None, where: str) -> None:
        """Count and report an unexpected error; the music continues."""
        self._faults += 1
        if self._faults <= _FAULTS_REPORTED:
            what = f"{type(error).__name__}: {error}"[:_LONGEST_FAULT]
            self.say(f"{where}: {what}; the music continues (please report this)")

    def _surface_context(self) -> SurfaceContext:
        """What a surface may use of the engine."""
        context = self._context
        return SurfaceContext(
            tree=context.conductor.tree,
            clock=context.clock,
            submit=self.submit,
            state=lambda: self.state,
            progress=context.progress,
            status=self._status.facts,
            prepare=self._files.prepare,
            files_in_use=context.scene_player.files_in_use,
            schedule=context.schedule.add,
            now=lambda: (self.frame(), context.conductor.grid),
            tap=context.tap.name if context.tap is not None else "",
            loops=context.store.reference,
            say=self.say,
            to_host=context.host.send,
            report=self._report,
        )

    def _report(self, path: str, text: str) -> None:
        """Show a message about ``path`` to the performer, and notify all surfaces of it."""
        self.say(text)
        self._context.surfaces.event(self.now(), path, text)

    def _ask_to_stop(self) -> None:
        self._hurried = self.stopping  # a second Ctrl-C does not wait for the fade
        self._stopping.set()

    async def _end(self) -> None:
        """Fade out, finish files, end the processes. Each step is taken even if one before it has failed."""
        self._stopping.set()
        steps_seconds = self._context.session.audio.fade_out_seconds + FINISH_SECONDS + _STEP_SECONDS
        for step in (
            self._observers.ending,
            self._files.close,
            self._context.surfaces.close_inputs,
            self._renderer.stop,
            self._listener.stop,
            self._context.midi_clock_out.close,
            self._context.midi_notes_out.close,
            self._fade,
            lambda: self._context.surfaces.event(self._context.now(), "", "the end"),
            self._player.stop,
            self.plugins.close_hosts,
            self._context.midi_clock_out.end,
            self._context.midi_notes_out.end,
            self._context.surfaces.close,
            self._context.latency.close,
            self._context.sync.close,
            self._mark_ended,
            self.live_input.close,
            self._context.close_memory,
        ):
            # What is before the fade takes moments; then the player finishes its files.
            before_fade = step == self._context.surfaces.close_inputs
            self._deadline(_STEP_SECONDS if before_fade else steps_seconds)
            try:
                ending = step()
                if ending is not None:
                    await ending
            except Exception as error:  # noqa: BLE001 (the fade and the files that are left must not be lost to it)
                self._fault(error, "at the end")
        self._deadline(_STEP_SECONDS)  # for threads that wait for a driver or a disk; run_play ends it

    async def _fade(self) -> None:
        await self._player.fade(self._context.session.audio.fade_out_seconds if self._player.sounding_since_ns else 0.0)

    def _mark_ended(self) -> None:
        # A player that cannot be kept running ends the set as a crash does: the next start offers to resume.
        self._recovery.mark_ended(clean=not (self._failure and self._player.sounding_since_ns))
