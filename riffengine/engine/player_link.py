"""PlayerLink: the player process from the engine's side: started, told, heard."""

from __future__ import annotations

import asyncio

from riffengine.engine.context import EngineContext
from riffengine.engine.shell import Shell
from riffengine.output.process import PlayerOptions, PlayerProcess
from riffengine.processes.player_messages import (
    Audible,
    BankLanded,
    FromPlayer,
    LaunchBank,
    LoopFreed,
    PlayerFailed,
    PlayerNotice,
    PlayerReady,
    Recorded,
    Scheduled,
    Status,
    StopPlayer,
    ToPlayer,
)

POLL_SECONDS = 0.02
RECORDER_SECONDS = 12.0  # a slow disk may take this long to take the rest of a recording


class PlayerLink:
    """Tells the player what was decided and everybody concerned what it answers. The event loop's thread."""

    def __init__(self, options: PlayerOptions, shell: Shell, context: EngineContext) -> None:
        self.sounding_since_ns = 0  # 0 while nothing has sounded
        self.output = ""
        self._process = PlayerProcess(options)
        self._shell, self._context = shell, context
        self._keeps_log = options.player_log
        self._descriptor = -1
        context.recording.send = self._process.send  # not onto the tape: it changes no sample

    @property
    def pid(self) -> int:
        """Of the process, 0 while there is none."""
        return self._process.pid or 0

    def start(self) -> None:
        """Start the process and hear it."""
        self._process.start()
        self._descriptor = self._process.fileno()
        asyncio.get_running_loop().add_reader(self._descriptor, self._hear)

    def send(self, message: ToPlayer) -> None:
        """To the player, and onto the tape."""
        if isinstance(message, LaunchBank):
            self._context.latency.gestures.launched(message.deck, message.bank, message.serial)
        if self._keeps_log:
            self._context.player_log.sent(message)
        self._process.send(message)

    def check(self) -> None:
        """Notice when the process has ended without a word."""
        if not self._process.alive:
            self._lost()

    def _hear(self) -> None:
        messages, connected = self._process.receive()
        for message in messages:
            self._heed(message)
        if not connected:
            self._lost()

    def _lost(self) -> None:
        asyncio.get_running_loop().remove_reader(self._descriptor)
        if not self._shell.stopping:
            self._shell.fail("the player process ended unasked; `riffengine doctor` may know why")

    def _heed(self, message: FromPlayer) -> None:
        shell = self._shell
        match message:
            case PlayerReady():
                self.output = message.output
                self._context.stream_clock.ready(message)
                self._context.sync.player_ready(message)
                shell.say(
                    f"output: {message.output}, {message.sample_rate} Hz, {message.block_frames} frames "
                    f"a block, {1000 * message.latency_seconds:.0f} ms latency"
                )
            case Status():
                self._context.stream_clock.report(message)
                self._context.sync.player_status(message)
            case Scheduled():
                self._context.player_log.scheduled(message)
            case Audible():
                self._context.latency.audible(message)
            case BankLanded() | LoopFreed():
                self.sounding_since_ns = self.sounding_since_ns or self._context.clock.now_ns()
                if isinstance(message, BankLanded):
                    self._context.latency.landed(message)
                shell.carry_out(self._context.conductor.reported(shell.frame(), message))
            case Recorded():
                self._context.recording.heed(message)
            case PlayerNotice(reason):
                shell.say(reason)
            case PlayerFailed(reason):
                shell.fail(reason)

    async def fade(self, seconds: float) -> None:
        """Fade out, and wait for the end of it and the rest of the recording unless the end is hurried."""
        loop = asyncio.get_running_loop()
        self.send(StopPlayer(round(seconds * self._context.session.audio.sample_rate)))
        deadline = loop.time() + seconds + RECORDER_SECONDS
        while self._process.alive and loop.time() < deadline and not self._shell.hurried:
            await asyncio.sleep(POLL_SECONDS)

    def stop(self) -> None:
        """End the process; what it still had to say about the tape is kept."""
        asyncio.get_running_loop().remove_reader(self._descriptor)
        for message in self._process.stop(fade_frames=0):
            if isinstance(message, Status | Scheduled | Recorded):
                self._heed(message)
        if self._keeps_log and self._context.stream_clock.anchor is not None:
            self._context.player_log.end(self._context.stream_clock.anchor.frame)
        self._context.recording.finish()
