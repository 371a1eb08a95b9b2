"""Engine: the life of one performance, from the first sound to the fade-out.

It owns the two other processes (renderer and player), the shared memory between them, the control surfaces and the
journal. Whatever the Conductor decides, the engine carries out; whatever happens, it tells the Conductor.
"""

from __future__ import annotations

import asyncio
import gc
import signal
from collections.abc import Iterable
from dataclasses import replace

from riffengine.attendants import Company
from riffengine.clock import Clock, SystemClock
from riffengine.engine.aftermath import Aftermath
from riffengine.engine.house import build_house
from riffengine.engine.observing import Observing
from riffengine.engine.player_side import PlayerSide
from riffengine.engine.renderer_side import RendererSide
from riffengine.engine.telling import Telling
from riffengine.options import PlayOptions
from riffengine.performance.command import Accepted, Command, Reply
from riffengine.performance.state import PerformanceState
from riffengine.realtime import own_priority
from riffengine.scheduler.actions import Action
from riffengine.session import Session
from riffengine.surfaces import Backstage
from riffengine.timetable import on_time, pinned
from riffengine.transport.grid import Moment

TICK_SECONDS = 0.02
_PRIORITY = 5  # SCHED_FIFO, below the player: a gesture must not wait until a program that computes is interrupted
STATUS_EVERY = 10  # ticks
OBSERVED_EVERY = 5
FAULTS_TOLD = 5


class Engine:
    """One performance, from the first sound to the fade-out. ``run`` returns the exit status."""

    def __init__(self, session: Session, options: PlayOptions, clock: Clock, company: Company) -> None:
        self._company = company
        self._house = house = build_house(session, options, clock, company.say)
        self._recovery = house.recovery
        self._renderer = RendererSide(house.renderer_options(), self, house)
        self._player = PlayerSide(house.player_options(), self, house)
        self._aftermath = Aftermath(self, house, self._renderer, self._player)
        self._telling = Telling(house, self._renderer, self._player)
        self._observing = Observing(house, self._renderer, self._player)
        self._faults = 0
        self._stopping = asyncio.Event()
        self._hurried = False
        self._failure = ""

    # --- what its parts ask of it (Shell) --------------------------------------------------------------------------

    @property
    def state(self) -> PerformanceState:
        """What the performer wants right now."""
        return self._house.state

    @property
    def stopping(self) -> bool:
        """Whether the performance is coming to its end."""
        return self._stopping.is_set()

    @property
    def hurried(self) -> bool:
        """Whether the end must not wait for the fade."""
        return self._hurried

    def frame(self) -> int:
        """The first frame on which a message could still act; 0 before the first report of the player."""
        return self._house.playclock.frame()

    def now(self) -> Moment:
        """The present frame in every unit."""
        return self._house.now()

    def carry_out(self, actions: Iterable[Action]) -> None:
        """Do what the Conductor decided."""
        self._aftermath.carry_out(actions)

    def say(self, text: str) -> None:
        """Tell the performer, above the status line."""
        self._company.say(text)

    def fail(self, reason: str) -> None:
        """End the performance with a failure; the first reason is the one that is told."""
        self._failure = self._failure or reason
        self._stopping.set()

    # --- what a surface asks ---------------------------------------------------------------------------------------

    def submit(self, command: Command, at_frame: int | None = None) -> Reply:
        """Apply a command from any surface; the answer says when it will be heard.

        ``at_frame``: what the mixer would do at once it does on that frame.
        """
        house = self._house
        moment, before = house.now(), house.conductor.serials()
        recorded = house.recordist.answer(command)
        answered = (recorded, []) if recorded else house.sync.answer(command, moment.frame)
        reply, actions = answered or house.director.submit(command, moment.frame)
        house.ear.replied(reply, before)
        if isinstance(reply, Accepted) and (remark := house.surfaces.remark(command.path, reply.value)):
            reply = replace(reply, note=f"{reply.note}; {remark}".removeprefix("; "))
        reply = on_time(reply, at_frame, moment, house.conductor.moment)
        house.surfaces.replied(moment, reply, self.state)
        self.carry_out([*pinned(actions, at_frame), *house.sync.applied(reply, moment.frame)])
        return reply

    # --- the performance -------------------------------------------------------------------------------------------

    async def run(self) -> int:
        """Play until asked to stop. 0 after a fade-out, 1 when the output or the model cannot be had."""
        loop, house = asyncio.get_running_loop(), self._house
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._ask_to_stop)
        loop.set_exception_handler(lambda _, context: self._fault(context.get("exception"), str(context["message"])))
        try:
            self._player.start()
            self._renderer.start()
            self._restore()
            self.carry_out(house.conductor.start(0))
            for path, value in self.state.values.items():
                house.surfaces.remark(path, value)
            backstage = Backstage(house.timetable.enter, house.outlook, self._tell)
            await house.surfaces.open(self.submit, lambda: self.state, self._telling.facts, backstage)
            self._company.opened(self.submit, self._ask_to_stop)
            gc.collect()
            gc.freeze()  # what is there now stays: a search through all of it would hold up a gesture by 10 ms and more
            with own_priority(_PRIORITY):
                await self._play()
        finally:
            await self._end()
        if self._failure:
            self.say(f"riffengine: {self._failure}")
        return 1 if self._failure else 0

    async def _play(self) -> None:
        ticks = 0
        while not self.stopping and not self._time_is_up():
            try:
                self._tick()
            except Exception as error:  # noqa: BLE001 (the show goes on; it is counted and told)
                self._fault(error, "the scheduler stumbled")
            if ticks % STATUS_EVERY == 0:
                self._company.update(self._telling.line())
                self._keep()
            if self._company.watching and ticks % OBSERVED_EVERY == 0:
                self._company.observed(self._observing.look(self._faults))
            self._player.check()
            ticks += 1
            try:
                await asyncio.wait_for(self._stopping.wait(), TICK_SECONDS)
            except TimeoutError:
                continue

    def _tick(self) -> None:
        """Whoever must act as time passes, fifty times a second."""
        for due in self._house.timetable.due(self.frame()):
            due.tell(self.submit(due.command, due.at_frame))
        self.carry_out(self._house.director.tick(self.frame()))
        self.carry_out(self._house.sync.tick(self.frame()))
        for outward in (self._house.clockwork, self._house.notework):
            outward.tick(self.frame(), self._house.clock.now_ns(), self._house.sync.hushed)
        self._house.recordist.tick(self.now())

    def _time_is_up(self) -> bool:
        """Whether ``--seconds`` of music have been heard."""
        seconds, since_ns = self._house.options.seconds, self._player.sounding_since_ns
        if seconds is None or not since_ns:
            return False
        return self._house.clock.now_ns() - since_ns > seconds * 1e9

    def _fault(self, error: BaseException | None, where: str) -> None:
        """An error that nobody expected: counted, told, and the music goes on."""
        self._faults += 1
        if self._faults <= FAULTS_TOLD:
            self.say(f"{where}: {type(error).__name__}: {error}; the music goes on (please report this)")

    def _restore(self) -> None:
        house = self._house
        if self._recovery is None:
            return
        if self._recovery.advice:
            self.say(self._recovery.advice)
        stage, notework = house.conductor.stage, house.notework
        restored = self._recovery.restore(stage, house.store, house.tape.lies_in, notework.lies_in)
        if restored:
            self.say(f"resumed: {restored} loops of the last set sound while the model loads")

    def _keep(self) -> None:
        house = self._house
        if self._recovery is None or house.playclock.anchor is None:
            return
        now_seconds = SystemClock().unix_seconds()
        stage, notes_in = house.conductor.stage, house.notework.notes_in
        self._recovery.keep(now_seconds, stage, house.director, house.store, house.tape.request_in, notes_in)
        if self._recovery.failure:
            self.say(self._recovery.failure)
            self._recovery = None

    def _tell(self, path: str, text: str) -> None:
        """A surface has something to say about ``path``: the performer reads it, the other surfaces hear it."""
        self.say(text)
        self._house.surfaces.event(self.now(), path, text)

    def _ask_to_stop(self) -> None:
        self._hurried = self.stopping  # a second Ctrl-C does not wait for the fade
        self._stopping.set()

    async def _end(self) -> None:
        house = self._house
        self._stopping.set()
        self._company.ending()
        house.surfaces.close_inputs()
        self._renderer.stop()
        house.clockwork.close()
        house.notework.close()
        await self._player.fade(house.session.fade_out_seconds if self._player.sounding_since_ns else 0.0)
        house.surfaces.event(house.now(), "", "the end")
        self._player.stop()
        house.surfaces.close()
        house.ear.close()
        house.sync.close()
        if self._recovery is not None:
            # A player that dies while it sounds ends the set as a crash does: the next start offers to go on.
            self._recovery.goodbye(clean=not (self._failure and self._player.sounding_since_ns))
        house.store.close()
