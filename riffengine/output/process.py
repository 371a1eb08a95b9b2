"""Player: the process that plays. numpy and the sound device, nothing heavy, no garbage collection while it runs.

The engine holds a ``PlayerProcess``; the process itself is ``player_main``. Whatever happens to the engine, the player
fades out before it goes.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import time
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path

from riffengine.clock import SystemClock
from riffengine.errors import AudioFileError, DeviceError, LoopStoreError
from riffengine.output.callback import AudioCallback
from riffengine.output.device import DeviceOutput, look_again
from riffengine.output.failover import OUTPUTS, Fill, Output, OutputFailover
from riffengine.output.paced import PacedOutput
from riffengine.output.pipe import EnginePipe
from riffengine.output.recorder import Recorder
from riffengine.playback.mixer import Mixer
from riffengine.processes.child_process import ChildProcess
from riffengine.processes.loop_store import LoopStore, Samples
from riffengine.processes.player_messages import (
    Audible,
    FromPlayer,
    LoopRef,
    PlayerFailed,
    PlayerNotice,
    PlayerReady,
    SaveLast,
    SetControl,
    StartRecording,
    StopPlayer,
    StopRecording,
    ToPlayer,
    ToRecorder,
)
from riffengine.processes.realtime import raise_priority
from riffengine.transport.beat_grid import BeatGrid

_STATUS_SECONDS = 1 / 30
_ORPHAN_FADE_SECONDS = 0.5  # when the engine has died
_PRIORITY = 10  # SCHED_FIFO; below what sound servers take (JACK 20 and more)
_GRACE_SECONDS = 2.0  # after the fade; the device may have stopped asking
_SOONER_NS = 1_000_000
_RECORDER_SECONDS = 12.0  # a slow disk may take this long over the rest of a recording
_SWITCH_SECONDS = 0.0005  # the control thread yields to the audio thread this soon (Python's default is 5 ms)


@dataclass(frozen=True)
class PlayerOptions:
    """Everything the player must know before it starts.

    ``output``: ``device`` (or fail), ``paced`` (no device), ``auto`` (a device, or else paced). ``device`` is a name
    or index of PortAudio, ``None`` the default. ``record`` is a .wav or .flac path, recorded from the first
    block on. ``store_…`` is the loop store.
    """

    sample_rate: int
    grid: BeatGrid
    store_name: str
    store_slots: int
    store_slot_floats: int
    block_frames: int = 512
    channels: int = 2
    output: str = "auto"
    device: str | int | None = None
    record: str | None = None
    decks: tuple[str, ...] = ("a", "b")
    player_log: bool = False  # answer every message with the frame on which it takes effect
    cue: bool = False
    part_seconds: float = 0.0  # of ``record``; 0 is one file
    keep_seconds: float = 0.0  # of the last of the output, in memory, for ``SaveLast``
    continues: tuple[int, int] | None = None  # a frame and its host time in ns: of the player that this one replaces


# --- in the player process ------------------------------------------------------------------------------------------


def player_main(options: PlayerOptions, connection: Connection) -> None:
    """The body of the player process: play until told to stop, or until the engine is gone. Target of ``spawn``."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the engine, which asks for a fade
    sys.setswitchinterval(_SWITCH_SECONDS)
    # Before any thread is made, the recorder's too: one of lower priority that is interrupted while it holds the
    # interpreter lock keeps the audio thread waiting (10 xruns in 12 s next to a full load).
    raise_priority(_PRIORITY)
    line = EnginePipe(connection)
    try:
        player = _Player(options, line)
    except (DeviceError, AudioFileError, LoopStoreError) as error:
        line.send(PlayerFailed(str(error)))
        return
    signal.signal(signal.SIGTERM, lambda *_: player.hurry())
    try:
        player.start()
        player.run()
    except DeviceError as error:
        line.send(PlayerFailed(str(error)))
    finally:
        player.close()
    if player.lost_a_device:
        os._exit(0)  # PortAudio's own end may wait for ever for a sound server that was killed


class _Player:
    """Control thread of the player: pipe, loops, status. The audio thread is the output's own."""

    def __init__(self, options: PlayerOptions, line: EnginePipe) -> None:
        self._options = options
        self._line = line
        self._clock = SystemClock()
        self._store = LoopStore.attach(options.store_name, options.store_slots, options.store_slot_floats)
        self._mixer = Mixer(options.sample_rate, options.grid, self._loop, options.decks, options.channels, options.cue)
        if options.output not in OUTPUTS:
            raise DeviceError(f"output is {options.output!r}; it must be auto, device or paced")
        self._recorder = Recorder(options.sample_rate, options.channels, options.keep_seconds)
        if options.record is not None:
            self._record_path = self._recorder.first(StartRecording(options.record, options.part_seconds))
        self._feed = AudioCallback(
            self._mixer, self._recorder, self._clock, options.player_log, continues=options.continues
        )
        self._outlet = OutputFailover(
            options.output, self._feed.fill, self._open_device, self._open_paced, self._notify, self._clock
        )
        self._told: set[str] = set()
        self._give_up_ns: int | None = None
        self._hurried = False

    def _loop(self, ref: LoopRef) -> Samples:
        return self._store.view(ref.slot, len(ref.stems), ref.frames, ref.channels)

    def start(self) -> None:
        """Open and start the output; ``DeviceError`` when there is none that was asked for."""
        self._outlet.open()
        gc.collect()
        gc.freeze()
        gc.disable()
        self._outlet.start()
        options, outlet = self._options, self._outlet
        self._line.send(PlayerReady(outlet.name, options.sample_rate, options.block_frames, outlet.latency_seconds))
        if options.record is not None and self._record_path != Path(options.record):
            self._notify(f"{options.record} is there already and is kept; this set is recorded to {self._record_path}")

    def hurry(self) -> None:
        """End at once, but end well: the recording is finished. May be called from a signal handler."""
        self._hurried = True

    @property
    def lost_a_device(self) -> bool:
        """Whether a device went away while it was played on."""
        return self._outlet.lost

    def run(self) -> None:
        """Serve the engine until the sound has faded out for good."""
        next_status_ns = self._clock.now_ns()
        while not self._finished():
            now_ns = self._clock.now_ns()
            if now_ns >= next_status_ns:
                next_status_ns = max(next_status_ns + round(_STATUS_SECONDS * 1e9), now_ns)
                self._report()
                if self._give_up_ns is None:
                    self._outlet.watch()
            if self._hurried:
                self._begin_end(0)
            wait = max(0.0, (next_status_ns - self._clock.now_ns()) / 1e9)
            if self._line.open:
                message = self._line.receive(wait)
                if message is not None:
                    self._take(message)
            elif self._give_up_ns is None:
                self._begin_end(round(_ORPHAN_FADE_SECONDS * self._options.sample_rate))
            else:
                time.sleep(wait)

    def _open_device(self, fill: Fill, again: bool) -> Output:
        if again:
            look_again()
        options = self._options
        shape, device = (options.sample_rate, options.block_frames), options.device
        if not options.cue:
            return DeviceOutput(fill, *shape, options.channels, device)
        try:
            four = DeviceOutput(fill, *shape, 2 * options.channels, device)
            four.name += ", cue on channels 3 and 4"
            return four
        except DeviceError as error:
            two = DeviceOutput(fill, *shape, options.channels, device)
            two.name += f" (no cue: {error})"
            return two

    def _open_paced(self, fill: Fill) -> Output:
        options = self._options
        return PacedOutput(fill, options.sample_rate, options.block_frames, options.channels, self._clock)

    def _take(self, message: ToPlayer) -> None:
        if isinstance(message, StopPlayer):
            self._begin_end(message.fade_frames)
            return
        if isinstance(message, ToRecorder):
            self._record(message)
            return
        if self._give_up_ns is not None and isinstance(message, SetControl) and message.name == "fade":
            return  # the end has begun: nothing raises the sound again
        if not self._mixer.admit(message):
            self._tell(f"a loop was refused: it is damaged or has another shape than {message}")
        self._feed.inbox.append(message)

    def _record(self, message: ToRecorder) -> None:
        match message:
            case StartRecording():
                self._recorder.start(message)
            case StopRecording():
                self._recorder.stop()
            case SaveLast():
                self._recorder.save_last(message)

    def _begin_end(self, fade_frames: int) -> None:
        """Fade out and end; once more to end sooner, never later."""
        seconds = fade_frames / self._options.sample_rate + _GRACE_SECONDS
        give_up_ns = self._clock.now_ns() + round(seconds * 1e9)
        if self._give_up_ns is None or give_up_ns < self._give_up_ns - _SOONER_NS:
            self._give_up_ns = give_up_ns
            self._feed.inbox.append(SetControl("fade", 0.0, None, fade_frames))

    def _finished(self) -> bool:
        if self._give_up_ns is None:
            if self._outlet.running or self._outlet.on_device:
                return False  # a device that has gone is the outlet's to replace
            self._line.send(PlayerFailed(f"the output {self._outlet.name} has stopped; start again"))
            return True
        faded = not self._feed.inbox and self._mixer.fade_ended()
        return faded or self._clock.now_ns() > self._give_up_ns or not self._outlet.running

    def _report(self) -> None:
        while self._feed.outbox:
            report, host_ns = self._feed.outbox.popleft()
            self._line.send(replace(report, host_ns=host_ns) if isinstance(report, Audible) else report)
        for news in self._recorder.news():
            self._line.send(news)
        if self._feed.last_failure is not None:
            self._tell(f"blocks were silenced because the mixer failed: {self._feed.last_failure}")
        self._line.send(self._feed.status(), droppable=True)

    def _tell(self, reason: str) -> None:
        """Send a notice, once for each reason."""
        if reason not in self._told:
            self._told.add(reason)
            self._notify(reason)

    def _notify(self, reason: str) -> None:
        self._line.send(PlayerNotice(reason))

    def close(self) -> None:
        """Stop the output, finish the recording, say the last words. However the set ended, the file is whole."""
        try:
            self._outlet.stop()
        except DeviceError as error:
            self._tell(str(error))
        finally:
            self._recorder.close()
        self._report()


# --- in the engine process ------------------------------------------------------------------------------------------


class PlayerProcess(ChildProcess[PlayerOptions, ToPlayer, FromPlayer]):
    """The engine's handle on the player; ``PlayerReady`` or ``PlayerFailed`` follows ``start``.

    A player that is started again with the same loop store plays what it is sent; with ``continues`` on the old beat.
    """

    def __init__(self, options: PlayerOptions) -> None:
        super().__init__("riffengine-player", player_main, options)

    def stop(self, fade_frames: int = 22050, timeout: float = 10.0) -> list[FromPlayer]:
        """Fade out, wait at most ``timeout`` seconds for the process, end it by force after that.

        A player that records gets 12 s at least: killed before its file is finished, it leaves one that nobody can
        read. Called again, it shortens the fade. Returns what the player said on its way out.
        """
        if not self.started:
            return []
        self.send(StopPlayer(fade_frames))
        clock = SystemClock()
        patience = timeout if self.options.record is None else max(timeout, _RECORDER_SECONDS)
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
