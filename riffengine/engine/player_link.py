"""PlayerLink: the player process as the engine sees it: sent to, received from, started again when it dies."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

from riffengine.engine.context import EngineContext
from riffengine.engine.process_link import ProcessLink
from riffengine.engine.supervisor import ENDED, Supervisor
from riffengine.output.failover import IN_PLACE
from riffengine.output.process import PlayerOptions, PlayerProcess
from riffengine.output.recorder import FINISH_SECONDS
from riffengine.output.registry import on_sound_device
from riffengine.processes.backoff import RestartPolicy
from riffengine.processes.loop_store import start_resource_tracker
from riffengine.processes.player_messages import (
    Audible,
    BankLanded,
    FromPlayer,
    HostGone,
    HostTimeline,
    LaunchBank,
    LoopFreed,
    OutputChanged,
    PlayerFailed,
    PlayerNotice,
    PlayerReady,
    Proceed,
    Recorded,
    Scheduled,
    Status,
    StopPlayer,
    ToHost,
    ToPlayer,
    ToRecorder,
)

if TYPE_CHECKING:
    from riffengine.engine.engine import Engine

POLL_SECONDS = 0.02
_SPARE_SECONDS = 5.0  # after the first start, until the next player is prepared: the music is loaded first
_NEXT_SPARE_SECONDS = 1.0  # after every other start: the music is there, and what killed one may kill the next
_TRACKER_SECONDS = 1.0  # between two looks whether the process still runs that removes shared memory after us
_WHILE_WAITING = ("riffengine.output.paced", "riffengine.output.daw")  # modules that a prepared player has imported
# The pauses leave most of the two seconds in which a player is promised to be back to its start, on a busy machine.
POLICY = RestartPolicy(pauses_seconds=(0.0, 0.25, 0.5), most_deaths=5, within_seconds=30.0)
_MOST_UNREADY_DEATHS = 2  # that a set begins again after, if it has not played yet


class PlayerLink(ProcessLink[PlayerProcess]):
    """Sends the player what was decided, and passes on what it reports. The event loop's thread.

    A player that dies is started again and goes on where the wall clock says that the music would be: with the loops in
    shared memory, and with grid, controls and banks from the Conductor. A recording goes on in a new file.
    """

    def __init__(self, options: PlayerOptions, engine: Engine, context: EngineContext) -> None:
        self.sounding_since_ns = 0  # 0 while nothing has sounded
        self.output = ""
        self._options = options
        self._engine, self._context = engine, context
        self._keeps_log = options.player_log
        self._spare_due_ns: int | None = None
        self._tracker_due_ns = 0
        self._unready_deaths = 0  # before any player was ready
        process = PlayerProcess(options)
        supervisor = Supervisor(
            process, POLICY, context.clock, self._on_message, self._on_restart, self._on_lost, self._on_given_up
        )
        super().__init__(process, supervisor)
        context.recording.send = self.send_to_recorder
        context.host.deliver = self.send_to_host

    def send(self, message: ToPlayer) -> None:
        """Send to the player, and keep it in the player log; while none runs nothing is sent (see ``_on_restart``)."""
        if not self._supervisor.running:
            return
        if isinstance(message, LaunchBank):
            self._context.latency.gestures.launched(message.deck, message.bank, message.serial)
        if self._keeps_log:
            self._context.player_log.sent(message)
        self._process.send(message)

    def send_to_recorder(self, message: ToRecorder) -> bool:
        """Send to the player's recorder, if one runs; not kept in the player log, since it changes no sample."""
        if self._supervisor.running:
            self._process.send(message)
        return self._supervisor.running

    def send_to_host(self, message: ToHost) -> None:
        """Send what concerns a DAW; not kept in the player log, since a replay has no DAW."""
        if self._supervisor.running:
            self._process.send(message)

    async def fade(self, seconds: float) -> None:
        """Fade out, and wait for the end of it and the rest of the recording unless the end is hurried."""
        loop = asyncio.get_running_loop()
        self.send(StopPlayer(round(seconds * self._context.session.audio.sample_rate)))
        deadline = loop.time() + seconds + FINISH_SECONDS
        while self._process.alive and loop.time() < deadline and not self._engine.hurried:
            await asyncio.sleep(POLL_SECONDS)

    def check(self) -> None:
        """Notice when the process has ended without a word; have one wait that could take its place."""
        super().check()
        now_ns = self._context.clock.now_ns()
        if now_ns >= self._tracker_due_ns:
            self._tracker_due_ns = now_ns + round(_TRACKER_SECONDS * 1e9)
            with contextlib.suppress(OSError):
                start_resource_tracker()
        if self._spare_due_ns is not None and now_ns >= self._spare_due_ns and not self._engine.stopping:
            self._spare_due_ns = now_ns + round(_SPARE_SECONDS * 1e9)
            self._prepare()

    def stop(self) -> None:
        """End the process; what it still reports of log and recording is kept."""
        self._supervisor.stop()
        self._process.dismiss()
        for message in self._process.stop(fade_frames=0):
            if isinstance(message, Status | Scheduled | Recorded):
                self._on_message(message)
        if self._keeps_log and self._context.stream_clock.anchor is not None:
            self._context.player_log.end(self._context.stream_clock.anchor.frame)
        self._context.recording.finish()

    # --- the process ------------------------------------------------------------------------------------------------

    def _prepare(self) -> None:
        with contextlib.suppress(OSError):  # there is no room for a process now: try again later
            self._process.prepare(_WHILE_WAITING)

    def _on_restart(self) -> None:
        """Give a new player everything that the last one had."""
        context, engine = self._context, self._engine
        context.player_log.restarted()
        engine.carry_out(context.conductor.restore_player(engine.frame()))
        engine.plugins.player_restarted()
        engine.instruments.forget()
        context.host.repeat()
        context.recording.player_restarted(engine.frame())

    def _on_lost(self, reason: str, pause_seconds: float) -> None:
        engine = self._engine
        if engine.stopping:
            self._supervisor.stop()
            return
        if not self._was_ready and not self._may_start_again(reason):
            self._on_given_up(reason)
            return
        anchor, frames = self._context.stream_clock.anchor, self._context.sync.frames
        block_frames = self._context.session.audio.block_frames
        self._context.stream_clock.player_lost()
        self._process.options = replace(
            self._options,
            grid=self._context.conductor.grid,
            had_device=self._was_ready and on_sound_device(self._options.output) and IN_PLACE not in self.output,
            record=None,  # the recording controller begins its next file
            continues=None if anchor is None else (anchor.frame, frames.pull_ns(anchor.frame, block_frames)),
        )
        if pause_seconds:
            self._prepare()  # where none waits, it imports during the pause
        text = f"the player {reason}; a new one starts{' and continues' if self._was_ready else ''}"
        engine.say(text)
        self._context.surfaces.event(engine.now(), "player", text)

    def _may_start_again(self, reason: str) -> bool:
        """Whether a set that has not played yet waits for another player.

        One that cannot play says why, and the set ends. One that is gone without a word was killed, or cannot even
        say why: that is tried twice more. A system that refuses even the first start will refuse the next.
        """
        self._unready_deaths += reason == ENDED
        return 0 < self._unready_deaths <= _MOST_UNREADY_DEATHS

    def _on_given_up(self, reason: str) -> None:
        self._supervisor.stop()
        again = " repeatedly" if self._was_ready or self._unready_deaths > 1 else ""
        self._engine.fail(f"the player process {reason}{again}; run `riffengine doctor` for the cause")

    def _on_message(self, message: FromPlayer) -> None:
        engine, context = self._engine, self._context
        match message:
            case PlayerReady():
                pause = _NEXT_SPARE_SECONDS if self._was_ready else _SPARE_SECONDS
                self._spare_due_ns = context.clock.now_ns() + round(pause * 1e9)
                self._was_ready = True
                self.output = message.output
                context.stream_clock.ready(message)
                context.sync.player_ready(message)
                engine.live_input.ready(message)
                engine.say(
                    f"output: {message.output}, {message.sample_rate} Hz, {message.block_frames} frames "
                    f"a block, {1000 * message.latency_seconds:.0f} ms latency"
                )
            case OutputChanged(output):
                self.output = output
            case Status():
                context.stream_clock.report(message)
                context.sync.player_status(message)
                if context.sync.offline:
                    engine.tick()
                    context.host.send(Proceed(engine.frame() + context.conductor.scheduler.margin_frames))
            case Scheduled():
                context.player_log.scheduled(message)
            case Audible():
                context.latency.audible(message)
            case BankLanded() | LoopFreed():
                self.sounding_since_ns = self.sounding_since_ns or context.clock.now_ns()
                if isinstance(message, BankLanded):
                    context.latency.landed(message)
                engine.carry_out(context.conductor.reported(engine.frame(), message))
            case HostTimeline():
                context.sync.player_host(message)
            case HostGone():
                context.sync.player_host(None)
            case Recorded():
                context.recording.handle(message)
            case PlayerNotice(reason):
                engine.say(reason)
            case PlayerFailed(reason) if self._was_ready:  # its death follows, and a new start
                engine.say(reason)
            case PlayerFailed(reason):
                engine.fail(reason)
