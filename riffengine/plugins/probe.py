"""Probe: what one plugin does and costs, found by running it. Only a child process calls these functions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from riffengine.clock import SystemClock
from riffengine.errors import PluginError
from riffengine.plugins.child import Send
from riffengine.plugins.denormals import flush_denormals
from riffengine.plugins.plugin import MidiEvent, Plugin, PluginInfo, Position
from riffengine.plugins.registry import Listed, PluginFile, open_plugin, plugins_in
from riffengine.processes.audio import Block

SAMPLE_RATE = 44100
BLOCK_FRAMES = 128
"""What a plugin is measured at: 2.9 ms a block."""

_SOUND_BLOCKS = SAMPLE_RATE // BLOCK_FRAMES  # one second
_ALIVE_BLOCKS = _SOUND_BLOCKS // 4
_SILENCE_BLOCKS = _SOUND_BLOCKS * 2  # filters need more than a second to decay into denormals
_NOTE_ON, _NOTE_OFF = bytes((0x90, 60, 100)), bytes((0x80, 60, 0))


@dataclass(frozen=True)
class Stage:
    """What the child does from now on, for the report of a crash."""

    name: str


@dataclass(frozen=True)
class Alive:
    """A quarter of a second of sound was played."""


@dataclass(frozen=True)
class Found:
    """The plugins of a file."""

    plugins: tuple[Listed, ...]


@dataclass(frozen=True)
class Measured:
    """What was seen of a plugin. Times are microseconds of the wall clock for one block of 128 frames.

    ``bad_blocks`` of the first three seconds held NaN or infinity, the last of them at ``last_bad_seconds``.
    """

    info: PluginInfo
    latency_frames: int
    median_us: float
    p99_us: float
    silence_us: float
    load_ms: float
    bad_blocks: int
    last_bad_seconds: float
    repeatable: bool
    state_bytes: int


@dataclass(frozen=True)
class AfterNan:
    """Whether a plugin is well again half a second after one block of NaN."""

    recovers: bool


def list_plugins(send: Send, file: PluginFile) -> None:
    """Send all plugins of a file."""
    send(Found(plugins_in(file)))


def describe(send: Send, reference: str) -> None:
    """Open a plugin, send its ``PluginInfo``, close it."""
    plugin = open_plugin(reference, SAMPLE_RATE, BLOCK_FRAMES)
    send(plugin.info)
    plugin.close()


def probe(send: Send, reference: str) -> None:
    """Run a plugin through sound, silence and NaN, and send what was seen."""
    clock = SystemClock()
    flush_denormals()
    send(Stage("while it is loaded"))
    start_ns = clock.now_ns()
    plugin = open_plugin(reference, SAMPLE_RATE, BLOCK_FRAMES)
    load_ms = (clock.now_ns() - start_ns) / 1e6
    send(Stage("while it runs"))

    def alive() -> None:
        send(Alive())

    sound = _play(plugin, clock, _noise(), 0, alive)
    silence = _play(plugin, clock, np.zeros((_SILENCE_BLOCKS * BLOCK_FRAMES, 2), np.float32), _SOUND_BLOCKS, alive)
    bad = np.concatenate((sound.bad_blocks, silence.bad_blocks + _SOUND_BLOCKS))
    latency = plugin.latency
    send(Stage("while its state is saved"))
    state_bytes = len(_state(plugin))
    send(Stage("while it runs a second time"))
    again = open_plugin(reference, SAMPLE_RATE, BLOCK_FRAMES)
    repeated = _play(again, clock, _noise(), 0, alive)
    send(
        Measured(
            info=plugin.info,
            latency_frames=latency,
            median_us=float(np.median(sound.us)),
            p99_us=float(np.percentile(sound.us, 99)),
            silence_us=float(np.median(silence.us[-_SOUND_BLOCKS // 2 :])),
            load_ms=load_ms,
            bad_blocks=len(bad),
            last_bad_seconds=float(bad[-1] * BLOCK_FRAMES / SAMPLE_RATE) if len(bad) else 0.0,
            repeatable=bool(np.array_equal(sound.out, repeated.out)),
            state_bytes=state_bytes,
        )
    )
    send(Stage("after NaN"))
    _play(again, clock, np.full((BLOCK_FRAMES, 2), np.nan, np.float32), _SOUND_BLOCKS, alive)
    after = _play(again, clock, _noise()[: SAMPLE_RATE // 2], _SOUND_BLOCKS, alive)
    send(AfterNan(bool(np.isfinite(after.out[-BLOCK_FRAMES:]).all())))
    send(Stage("while it is closed"))
    again.close()
    plugin.close()


@dataclass(frozen=True)
class _Played:
    out: Block
    us: np.ndarray[tuple[int], np.dtype[np.float64]]

    @property
    def bad_blocks(self) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """The numbers of the blocks with NaN or infinity."""
        return np.flatnonzero(~np.isfinite(self.out).reshape(len(self.us), -1).all(axis=1))


def _play(plugin: Plugin, clock: SystemClock, sound: Block, first_block: int, alive: Callable[[], None]) -> _Played:
    """Run over ``sound`` from a block on; a plugin that takes notes gets one of 0.7 s at the start.

    ``alive`` is called between blocks, outside what is measured.
    """
    blocks = len(sound) // BLOCK_FRAMES
    out = sound[: blocks * BLOCK_FRAMES].copy()
    times = np.zeros(blocks)
    for number in range(blocks):
        frame = (first_block + number) * BLOCK_FRAMES
        position = Position(frame, frame / SAMPLE_RATE * 2, 120.0)
        events: tuple[MidiEvent, ...] = ()
        if plugin.info.midi_in and frame == 0:
            events = (MidiEvent(0, _NOTE_ON),)
        elif plugin.info.midi_in and number == int(0.7 * _SOUND_BLOCKS):
            events = (MidiEvent(0, _NOTE_OFF),)
        start_ns = clock.now_ns()
        plugin.run(out[number * BLOCK_FRAMES : (number + 1) * BLOCK_FRAMES], position, events)
        times[number] = (clock.now_ns() - start_ns) / 1e3
        if number % _ALIVE_BLOCKS == 0:
            alive()
    return _Played(out, times)


def _noise() -> Block:
    """One second of white noise at -20 dBFS, the same for every plugin."""
    generator = np.random.default_rng(1)
    return (generator.standard_normal((_SOUND_BLOCKS * BLOCK_FRAMES, 2)) * 0.1).astype(np.float32)


def _state(plugin: Plugin) -> bytes:
    try:
        return plugin.state()
    except PluginError:  # seen as a state of no bytes
        return b""
