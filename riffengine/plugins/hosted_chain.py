"""HostedChain: running plugins in a row, each with a switch and a mix, their parameters smoothed. Host process only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from riffengine.errors import PluginError
from riffengine.plugins.chain import (
    MIX,
    MOST_LATENCY_SECONDS,
    ON,
    HostedPlugin,
    PluginChain,
    controls,
    settable,
    symbol_of,
)
from riffengine.plugins.guard import Guarded
from riffengine.plugins.native_plugin import NativePlugin
from riffengine.plugins.plugin import MidiEvent, Plugin, PluginInfo, PluginParameter, Position
from riffengine.processes.audio import CHANNELS, Block
from riffengine.processes.plugin_blocks import BLOCK_FRAMES, Asked

Open = Callable[[str, int, int, bool], Plugin]
"""``open_plugin`` of ``plugins.registry``, or what a test puts in its place."""

SMOOTH_BLOCKS = 3
"""A parameter reaches its new value in this many blocks (8 ms), in equal steps, of its logarithm where it has one."""

_MIX_SECONDS = 0.005
_WARM_BLOCKS = 50  # the first blocks of a plugin take milliseconds


@dataclass
class _Glide:
    """A parameter on its way."""

    parameter: PluginParameter
    target: float
    left: int


class _Delay:
    """Delays ``(frames, 2)`` blocks by a number of frames that may change."""

    def __init__(self) -> None:
        self._kept = np.zeros((0, CHANNELS), dtype=np.float32)

    def kept(self, frames: int) -> Block:
        """The last ``frames`` that went in, to be moved on by others; ``run`` goes on with them."""
        if len(self._kept) != frames:
            self.run(np.zeros((0, CHANNELS), dtype=np.float32), frames)
        self._kept = np.ascontiguousarray(self._kept)
        return self._kept

    def run(self, sound: Block, frames: int) -> Block:
        kept = self._kept
        if len(kept) > frames:
            kept = kept[len(kept) - frames :]
        elif len(kept) < frames:
            kept = np.concatenate((np.zeros((frames - len(kept), CHANNELS), dtype=np.float32), kept))
        both = np.concatenate((kept, sound))
        self._kept = both[len(sound) :]
        return both[: len(sound)]


class _Position:
    """One plugin of the chain."""

    def __init__(self, hosted: HostedPlugin, plugin: Plugin, sample_rate: int) -> None:
        self.plugin = Guarded(plugin, sample_rate)
        self.parameters = {parameter.symbol: parameter for parameter in settable(plugin.info)}
        self.on, self.mix = hosted.on, hosted.mix
        self._share = self._wanted_share
        self._step = 1.0 / (_MIX_SECONDS * sample_rate)
        self._glides: dict[str, _Glide] = {}
        self._delay = _Delay()
        self._count = np.arange(1, BLOCK_FRAMES + 1, dtype=np.float32)

    @property
    def rests(self) -> bool:
        """Whether nothing is on its way from one value to another."""
        return not self._glides and self._share == self._wanted_share and self.plugin.calm

    @property
    def rest(self) -> tuple[float, Block]:
        """How much is heard of the plugin, and as much of the sound before it as it is late."""
        return self._share, self._delay.kept(self.plugin.latency)

    @property
    def _wanted_share(self) -> float:
        return self.mix if self.on else 0.0

    def move(self, name: str, value: float) -> None:
        """Begin to move a control."""
        if name == ON:
            self.on = value >= 0.5
        elif name == MIX:
            self.mix = min(max(value, 0.0), 1.0)
        else:
            parameter = self.parameters[symbol_of(name)]
            stepped = parameter.integer or parameter.toggled or parameter.labels
            self._glides[parameter.symbol] = _Glide(parameter, value, 1 if stepped else SMOOTH_BLOCKS)

    def run(self, sound: Block, position: Position, events: tuple[MidiEvent, ...]) -> None:
        """Process a block in place."""
        if self._glides:
            self._glide()
        dry = self._delay.run(sound, self.plugin.latency)
        self.plugin.run(sound, position, events if self.plugin.info.midi_in else ())
        self.blend(sound, dry)

    def blend(self, sound: Block, dry: Block) -> None:
        """Mix what came out with what went in, ``dry``."""
        share, wanted = self._share, self._wanted_share
        if share == wanted == 1.0:
            return
        way = wanted - share
        shares = share + np.clip(way, -self._step * self._count, self._step * self._count)
        self._share = wanted if abs(float(shares[-1]) - wanted) < self._step / 2 else float(shares[-1])
        sound -= dry
        sound *= shares.astype(np.float32)[:, None]
        sound += dry

    def _glide(self) -> None:
        for symbol, glide in list(self._glides.items()):
            self.plugin.set(symbol, _next_value(glide, self.plugin.get(symbol)))
            glide.left -= 1
            if glide.left == 0:
                del self._glides[symbol]


class HostedChain:
    """Opens and runs the plugins of ``chain``; ``PluginError`` carries what cannot be opened. One thread.

    ``notes`` says of values and states that were not taken, for a person; the plugin runs without them. ``mark`` gets
    the position of every plugin before it is called: if the process then ends, that is the one to blame.
    """

    def __init__(
        self,
        chain: PluginChain,
        sample_rate: int,
        open_plugin: Open,
        live: bool = False,
        bpm: float = 120.0,
        mark: Callable[[int], None] = lambda position: None,
    ) -> None:
        self.notes: list[str] = []
        self._mark = mark
        self._most_latency = round(MOST_LATENCY_SECONDS * sample_rate)
        self._positions: list[_Position] = []
        for number, hosted in enumerate(chain.plugins):
            mark(number)
            try:
                plugin = open_plugin(hosted.reference, sample_rate, BLOCK_FRAMES, live)
            except PluginError as error:
                self.close()
                raise PositionError(number, str(error)) from error
            self._prepare(hosted, plugin)
            self._positions.append(_Position(hosted, plugin, sample_rate))
        self._controls = controls(self.infos)
        silence = np.zeros((BLOCK_FRAMES, CHANNELS), dtype=np.float32)
        for _ in range(_WARM_BLOCKS):
            silence[:] = 0.0
            self._run(silence, Position(0, 0.0, bpm, playing=False), ())

    @property
    def infos(self) -> tuple[PluginInfo, ...]:
        """What is known of each plugin."""
        return tuple(position.plugin.info for position in self._positions)

    @property
    def values(self) -> tuple[tuple[tuple[str, float], ...], ...]:
        """The present value of every parameter that can be set, for each plugin."""
        return tuple(
            tuple((symbol, position.plugin.get(symbol)) for symbol in position.parameters)
            for position in self._positions
        )

    @property
    def latency(self) -> int:
        """The frames by which the sound comes later, at most a second."""
        return min(sum(position.plugin.latency for position in self._positions), self._most_latency)

    def run(self, sound: Block, asked: Asked) -> tuple[int, str] | None:
        """Process a block in place; the position and the kind of a fault, where a plugin gives no sound."""
        for number, value in asked.changes:
            if 0 <= number < len(self._controls):
                position, name = self._controls[number]
                self._positions[position].move(name, value)
        events = tuple(MidiEvent(note.frame, bytes(note.data)) for note in asked.notes)
        return self._run(sound, Position(asked.block * BLOCK_FRAMES, asked.beat, asked.bpm), events)

    @property
    def native(self) -> list[NativePlugin]:
        """What ``plugins.native_server`` runs the plugins by; none where one of them needs Python."""
        found = [position.plugin.native for position in self._positions]
        known = [plugin for plugin in found if plugin is not None]
        return known if len(known) == len(found) else []

    @property
    def rests(self) -> bool:
        """Whether nothing is on its way: blocks without changes and notes may be answered by ``native``."""
        return all(position.rests for position in self._positions)

    @property
    def rest(self) -> list[tuple[float, Block]]:
        """What ``native`` goes by: see ``NativeServer.serve``."""
        return [position.rest for position in self._positions]

    def before_native(self) -> None:
        """Have all plugins ready to be run by ``native``, after ``run``."""
        for position in self._positions:
            position.plugin.before_native()

    def attend(self) -> None:
        """Do the work that plugins have asked for while they were run by ``native``."""
        for position in self._positions:
            position.plugin.attend()

    def go_on(self, sound: Block, dry: Block, at: Position, number: int) -> tuple[int, str] | None:
        """As ``run``, from where the plugin at position ``number`` has made ``sound`` of ``dry``, not judged yet."""
        plugin = self._positions[number].plugin
        plugin.judge(sound, at.frame)
        self._positions[number].blend(sound, dry)
        return (number, plugin.fault.kind) if plugin.fault is not None else self._run(sound, at, (), number + 1)

    def states(self) -> tuple[bytes, ...]:
        """The state of every plugin; b"" where it gives none."""
        found = []
        for number, position in enumerate(self._positions):
            self._mark(number)
            found.append(_state(position.plugin))
        return tuple(found)

    def close(self) -> None:
        """Free the plugins."""
        for position in self._positions:
            position.plugin.close()
        self._positions.clear()

    def _run(self, sound: Block, at: Position, events: tuple[MidiEvent, ...], begin: int = 0) -> tuple[int, str] | None:
        for number, position in enumerate(self._positions[begin:], begin):
            self._mark(number)
            position.run(sound, at, events)
            if position.plugin.fault is not None:
                return number, position.plugin.fault.kind
        return None

    def _prepare(self, hosted: HostedPlugin, plugin: Plugin) -> None:
        if hosted.state:
            try:
                plugin.restore(hosted.state)
            except PluginError as error:
                self.notes.append(str(error))
        for symbol, value in hosted.values:
            try:
                plugin.set(symbol, value)
            except PluginError as error:
                self.notes.append(str(error))


class PositionError(PluginError):
    """The plugin at ``position`` of a chain cannot be opened."""

    def __init__(self, position: int, reason: str) -> None:
        super().__init__(reason)
        self.position = position


def _next_value(glide: _Glide, present: float) -> float:
    parameter, target, left = glide.parameter, glide.target, glide.left
    if left <= 1:
        return target
    if parameter.logarithmic and present > 0 and target > 0:
        return float(present * (target / present) ** (1.0 / left))
    return present + (target - present) / left


def _state(plugin: Guarded) -> bytes:
    try:
        return plugin.state()
    except PluginError:
        return b""
