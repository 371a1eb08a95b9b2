"""The player process: numpy and the sound device, nothing heavy, no garbage collection while it runs.

The engine holds a ``PlayerProcess``; the process itself runs ``player_main``. If the engine dies, the player fades out
before it ends.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import time
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path

from riffengine.clock import SystemClock
from riffengine.errors import AudioFileError, DawError, DeviceError, LoopStoreError
from riffengine.output.callback import AudioCallback
from riffengine.output.engine_pipe import EnginePipe
from riffengine.output.failover import OutputFailover
from riffengine.output.host_mix import HostMix
from riffengine.output.output import OutputSettings
from riffengine.output.recorder import FINISH_SECONDS, Recorder
from riffengine.output.registry import AUTO, DAW, preferred
from riffengine.playback.mixer import Mixer
from riffengine.processes.audio import CHANNELS, Samples
from riffengine.processes.audio_tap import AudioTap
from riffengine.processes.child_process import ChildProcess
from riffengine.processes.heap import keep_heap_small
from riffengine.processes.loop_store import LoopStore
from riffengine.processes.message_pipe import MessagePipe
from riffengine.processes.player_messages import (
    FADE,
    AttachInstance,
    Audible,
    DetachInstance,
    FollowHost,
    FromPlayer,
    HostGone,
    HostTimeline,
    LoopRef,
    OutputChanged,
    PlayerFailed,
    PlayerNotice,
    PlayerReady,
    Proceed,
    SaveLast,
    SetControl,
    StartRecording,
    StopPlayer,
    StopRecording,
    ToHost,
    ToPlayer,
    ToRecorder,
)
from riffengine.processes.realtime import raise_priority, raise_priority_of
from riffengine.transport.beat_grid import BeatGrid

_STATUS_SECONDS = 1 / 30
_OFFLINE_SECONDS = 0.001  # between two looks at whether a DAW that renders as fast as it can waits for the engine
_ORPHAN_FADE_SECONDS = 0.5  # when the engine has died
_PRIORITY = 10  # SCHED_FIFO; below what sound servers take (JACK 20 and more)
_START_PRIORITY = 1  # while it imports: above all that is not real-time, below the player that plays
_GRACE_SECONDS = 2.0  # after the fade; the device may have stopped asking
_SOONER_NS = 1_000_000
_SWITCH_SECONDS = 0.0005  # the control thread yields to the audio thread this soon (Python's default is 5 ms)


@dataclass(frozen=True)
class PlayerOptions:
    """Everything the player is started with.

    ``output`` is a name of ``riffengine.output.registry``: ``device`` (or fail), ``paced`` (no device), ``auto`` (a
    device, or else paced). ``device`` is a name or index of PortAudio, ``None`` the default. ``record`` is a .wav or
    .flac path, recorded from the first block on. ``store_…`` is the loop store.
    """

    sample_rate: int
    grid: BeatGrid
    store_name: str
    store_slots: int
    store_slot_floats: int
    block_frames: int = 512
    channels: int = CHANNELS
    output: str = AUTO
    device: str | int | None = None
    record: str | None = None
    decks: tuple[str, ...] = ("a", "b")
    player_log: bool = False  # answer every message with the frame on which it takes effect
    cue: bool = False
    part_seconds: float = 0.0  # of ``record``; 0 is one file
    keep_seconds: float = 0.0  # of the last of the output, in memory, for ``SaveLast``
    # The frame that the player before this one was to pull, and at which host time in ns.
    continues: tuple[int, int] | None = None
    had_device: bool = False  # the player before this one played on the sound device that was asked for
    tap: str = ""  # the shared memory in which the output is left for the web server; "" for none
    input_ring: str = ""  # the shared memory in which the sound input is left; "" for no input
    input_device: str | int | None = None


# --- in the player process ------------------------------------------------------------------------------------------


def player_main(options: PlayerOptions, connection: Connection) -> None:
    """The body of the player process (target of ``spawn``): play until asked to stop or until the engine has ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the engine, which asks for a fade
    sys.setswitchinterval(_SWITCH_SECONDS)
    keep_heap_small()
    # Before any thread is made, the recorder's too: one of lower priority that is interrupted while it holds the
    # interpreter lock keeps the audio thread waiting (10 xruns in 12 s next to a full load).
    raise_priority(_PRIORITY)
    pipe = EnginePipe(connection)
    try:
        player = _Player(options, pipe)
    except (DeviceError, AudioFileError, LoopStoreError) as error:
        pipe.send(PlayerFailed(str(error)))
        return
    signal.signal(signal.SIGTERM, lambda *_: player.hurry())
    try:
        player.start()
        player.run()
    except DeviceError as error:
        pipe.send(PlayerFailed(str(error)))
    finally:
        player.close()
    if player.lost_a_device:
        os._exit(0)  # PortAudio's own end may wait for ever for a sound server that was killed


class _Player:
    """Control thread of the player: pipe, loops, status. The audio thread is the output's own."""

    def __init__(self, options: PlayerOptions, pipe: EnginePipe) -> None:
        self._options = options
        self._pipe = pipe
        self._clock = SystemClock()
        self._store = LoopStore.attach(options.store_name, options.store_slots, options.store_slot_floats)
        self._mixer = Mixer(
            options.sample_rate,
            options.grid,
            self._loop,
            options.decks,
            options.channels,
            options.cue,
            report_scheduled=options.player_log,
        )
        preferred(options.output)  # raises before anything is recorded
        self._recorder = Recorder(options.sample_rate, options.channels, options.keep_seconds)
        if options.record is not None:
            self._record_path = self._recorder.first(StartRecording(options.record, options.part_seconds))
        tap = AudioTap.attach(options.tap) if options.tap else None
        self._host = HostMix(self._mixer, self._recorder) if options.output == DAW else None
        # For a host that jumps not all that is mixed is heard: its output gives the recorder what was.
        recorder, before = (self._recorder, None) if self._host is None else (None, self._host.act)
        ring = AudioTap.attach(options.input_ring) if options.input_ring else None
        self._callback = AudioCallback(self._mixer, recorder, self._clock, options.continues, tap, before, ring)
        settings = OutputSettings(
            options.sample_rate, options.block_frames, options.channels, options.device, options.cue, self._host,
            self._callback.hear if ring is not None else None, options.input_device,
        )  # fmt: skip
        self._told: HostTimeline | None = None
        self._asked_at: int | None = None
        self._failover = OutputFailover(
            options.output, settings, self._callback.fill, self._notify, self._clock, options.had_device
        )
        self._output_told = ""
        self._notified: set[str] = set()
        self._end_by_ns: int | None = None
        self._hurried = False

    def _loop(self, ref: LoopRef) -> Samples:
        return self._store.view(ref.slot, len(ref.stems), ref.frames, ref.channels)

    def start(self) -> None:
        """Open and start the output; ``DeviceError`` when there is none that was asked for."""
        self._failover.open()
        gc.collect()
        gc.freeze()
        gc.disable()
        self._failover.start()
        options, failover = self._options, self._failover
        self._output_told = failover.name
        latencies = failover.latency_seconds, failover.input_latency_seconds
        self._pipe.send(PlayerReady(failover.name, options.sample_rate, options.block_frames, *latencies))
        if options.record is not None and self._record_path != Path(options.record):
            self._notify(f"{options.record} exists already and is kept; this set is recorded to {self._record_path}")

    def hurry(self) -> None:
        """End without a fade, but finish the recording. May be called from a signal handler."""
        self._hurried = True

    @property
    def lost_a_device(self) -> bool:
        """Whether a device went away while it was played on."""
        return self._failover.lost

    def run(self) -> None:
        """Handle messages of the engine until the final fade has ended."""
        next_status_ns = self._clock.now_ns()
        while not self._finished():
            now_ns = self._clock.now_ns()
            if now_ns >= next_status_ns:
                next_status_ns = max(next_status_ns + round(_STATUS_SECONDS * 1e9), now_ns)
                self._report()
                if self._end_by_ns is None:
                    self._failover.watch()
                    if self._failover.name != self._output_told:
                        self._output_told = self._failover.name
                        self._pipe.send(OutputChanged(self._output_told))
            if self._hurried:
                self._begin_end(0)
            if self._host is not None and self._host.waits_at not in (None, self._asked_at):
                self._asked_at = self._host.waits_at  # once: the engine answers with ``Proceed``
                self._report()
                next_status_ns = now_ns + round(_OFFLINE_SECONDS * 1e9)
            wait = max(0.0, (next_status_ns - self._clock.now_ns()) / 1e9)
            if self._pipe.open:
                message = self._pipe.receive(wait)
                if message is not None:
                    self._handle(message)
            elif self._end_by_ns is None:
                self._begin_end(round(_ORPHAN_FADE_SECONDS * self._options.sample_rate))
            else:
                time.sleep(wait)

    def _handle(self, message: ToPlayer) -> None:
        if isinstance(message, StopPlayer):
            self._begin_end(message.fade_frames)
            return
        if isinstance(message, ToRecorder):
            self._record(message)
            return
        if isinstance(message, ToHost):
            if self._host is not None:
                self._tell_host(self._host, message)
            return
        if self._end_by_ns is not None and isinstance(message, SetControl) and message.target == FADE:
            return  # the final fade has begun: no message raises the sound again
        if not self._mixer.admit(message):
            self._notify_once(f"a loop was refused: it is damaged or has another shape than {message}")
        self._mixer.schedule(message)

    def _record(self, message: ToRecorder) -> None:
        match message:
            case StartRecording():
                self._recorder.start(message)
            case StopRecording():
                self._recorder.stop()
            case SaveLast():
                self._recorder.save_last(message)

    def _tell_host(self, host: HostMix, message: ToHost) -> None:
        match message:
            case AttachInstance():
                try:
                    host.attach(message)
                except DawError as error:
                    self._notify(str(error))
            case DetachInstance(ring):
                host.detach(ring)
            case FollowHost(follow, bpm):
                host.follows, host.engine_bpm = follow, bpm
            case Proceed(frame):
                host.proceed_to = frame

    def _begin_end(self, fade_frames: int) -> None:
        """Fade out and end; a second call can only shorten the fade."""
        seconds = fade_frames / self._options.sample_rate + _GRACE_SECONDS
        end_by_ns = self._clock.now_ns() + round(seconds * 1e9)
        if self._end_by_ns is None or end_by_ns < self._end_by_ns - _SOONER_NS:
            self._end_by_ns = end_by_ns
            self._mixer.schedule(SetControl(FADE, 0.0, None, fade_frames))

    def _finished(self) -> bool:
        if self._end_by_ns is None:
            if self._failover.running or self._failover.on_preferred:
                return False  # watch() replaces a lost device
            self._pipe.send(PlayerFailed(f"the output {self._failover.name} has stopped; start again"))
            return True
        return self._mixer.fade_ended() or self._clock.now_ns() > self._end_by_ns or not self._failover.running

    def _report(self) -> None:
        while self._callback.outbox:
            report, host_ns = self._callback.outbox.popleft()
            self._pipe.send(replace(report, host_ns=host_ns) if isinstance(report, Audible) else report)
        for recorded in self._recorder.reports():
            self._pipe.send(recorded)
        if self._host is not None and self._host.failure:
            self._notify_once(f"the tracks of the DAW were silent for a moment: {self._host.failure}")
        if self._host is not None and (timeline := self._host.timeline) != self._told:
            self._told = timeline
            self._pipe.send(timeline or HostGone())
        if self._callback.last_failure is not None:
            self._notify_once(f"blocks were silenced because the mixer failed: {self._callback.last_failure}")
        self._pipe.send(self._callback.status(), droppable=True)

    def _notify_once(self, reason: str) -> None:
        """Send a notice, once for each reason."""
        if reason not in self._notified:
            self._notified.add(reason)
            self._notify(reason)

    def _notify(self, reason: str) -> None:
        self._pipe.send(PlayerNotice(reason))

    def close(self) -> None:
        """Stop the output, finish the recording and send the last reports. The file is complete in every case."""
        try:
            self._failover.stop()
        except DeviceError as error:
            self._notify_once(str(error))
        finally:
            self._recorder.close()
            if self._host is not None:
                self._host.close()
        self._report()


# --- in the engine process ------------------------------------------------------------------------------------------


class PlayerProcess(ChildProcess[PlayerOptions, ToPlayer, FromPlayer]):
    """The engine's handle on the player; ``PlayerReady`` or ``PlayerFailed`` follows ``start``.

    A player that is started again with the same loop store plays what it is sent; with ``continues`` on the old beat.
    """

    def __init__(self, options: PlayerOptions) -> None:
        super().__init__("riffengine-player", player_main, options)

    def _spawn(self, modules: tuple[str, ...] = ()) -> tuple[SpawnProcess, MessagePipe[object, FromPlayer]]:
        """With priority from its first moment: 0.3 s of imports took 30 s on a machine with forty busy processes."""
        process, pipe = super()._spawn(modules)
        if process.pid is not None:
            raise_priority_of(process.pid, _START_PRIORITY)
        return process, pipe

    def stop(self, fade_frames: int = 22050, timeout: float = 10.0) -> list[FromPlayer]:
        """Fade out, wait at most ``timeout`` seconds for the process, end it by force after that.

        A player that records gets 12 s at least: killed before its file is finished, it leaves one that cannot
        be read. A second call shortens the fade. Returns the player's last messages.
        """
        if not self.started:
            return []
        self.send(StopPlayer(fade_frames))
        clock = SystemClock()
        patience = timeout if self.options.record is None else max(timeout, FINISH_SECONDS)
        deadline_ns = clock.now_ns() + round(patience * 1e9)
        said: list[FromPlayer] = []
        while self.alive and clock.now_ns() < deadline_ns:
            said += self.receive()[0]  # a full pipe would keep the player from ending
            self.join(0.02)
        said += self.receive()[0]
        if self.alive:
            self.terminate()
            self.join(1.0)
        if self.alive:
            self.kill()
            self.join(1.0)
        self.close()
        return said
