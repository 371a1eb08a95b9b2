"""Vst3Plugin: one running VST3 plugin, by pedalboard: the optional extra ``riffengine[vst]``, which is under the GPL.

Pedalboard is imported here only, in the host process and in the children of the scan, never in the engine or player.
It tells plugins no tempo: synchronous delays run at 120 bpm.
"""

from __future__ import annotations

import math
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from riffengine.errors import PluginError, printable
from riffengine.plugins.plugin import MidiEvent, PluginInfo, PluginParameter, Position
from riffengine.plugins.saved_state import pack_state, unpack_state
from riffengine.plugins.symbols import unique_symbols
from riffengine.processes.audio import Block

if TYPE_CHECKING:
    from types import ModuleType

_MISSING = (
    "VST3 plugins need the extra riffengine[vst], which is not installed: pip install 'riffengine[vst]'"
    " (pedalboard, under the GPL)"
)
_LOAD_SECONDS = 10.0  # of pedalboard's own; who opens a plugin must have a limit too, since some never return


class Vst3Plugin:
    """A plugin of a VST3 file, run in blocks of exactly ``block_frames``. One thread.

    ``PluginError`` where the extra is not installed, or the plugin refuses. ``run`` allocates, and releases the
    interpreter lock while the plugin computes.
    """

    def __init__(self, path: Path, name: str, reference: str, sample_rate: int, block_frames: int) -> None:
        self._sample_rate, self._block_frames = float(sample_rate), block_frames
        first = _load(path, name)
        self._instrument = bool(first.is_instrument)
        self._instances = [first]
        self._channels = 2
        if not self._instrument and not self._accepts(first, 2):
            if not self._accepts(first, 1):
                raise PluginError(f"{first.name} takes neither stereo nor mono")
            self._channels = 1
            second = _load(path, name)
            self._accepts(second, 1)
            self._instances.append(second)
        elif self._instrument:
            self._play(first, (), reset=True)
        self._names = dict(zip(unique_symbols(first.parameters), first.parameters, strict=True))
        parameters = tuple(_parameter(symbol, first.parameters[name]) for symbol, name in self._names.items())
        self._parameters = {parameter.symbol: parameter for parameter in parameters}
        self._id = str(first.identifier)
        self.info = PluginInfo(
            reference=reference,
            format="vst3",
            name=str(first.name),
            maker=str(first.manufacturer_name),
            inputs=0 if self._instrument else self._channels,
            outputs=self._channels,
            midi_in=self._instrument,
            parameters=parameters,
            has_state=True,
        )

    @property
    def latency(self) -> int:
        """The frames that the plugin reports now."""
        return max(0, int(self._instances[0].reported_latency_samples))

    def set(self, symbol: str, value: float) -> None:
        """Set a parameter for the next block, to the nearest of about 1000 steps of its range."""
        about = self._parameters.get(symbol)
        if about is None or about.output:
            raise PluginError(f"{self.info.name} has no parameter {printable(symbol)} that can be set")
        if math.isnan(value):
            raise PluginError(f"{self.info.name}: {symbol} cannot be NaN; it goes from {about.low:g} to {about.high:g}")
        clipped = min(max(value, about.low), about.high)
        for instance in self._instances:
            if about.labels:
                wanted: Any = dict(about.labels)[float(round(clipped))]
            elif about.toggled:
                wanted = clipped >= (about.low + about.high) / 2
            else:
                wanted = clipped
            setattr(instance, self._names[symbol], wanted)

    def get(self, symbol: str) -> float:
        """The present value of a parameter or a meter."""
        about = self._parameters.get(symbol)
        if about is None:
            raise PluginError(f"{self.info.name} has no parameter {printable(symbol)}")
        value = getattr(self._instances[0], self._names[symbol])
        if about.labels:
            return next((number for number, label in about.labels if label == value), about.default)
        return float(value)

    def run(self, sound: Block, position: Position, events: tuple[MidiEvent, ...] = ()) -> None:
        """Process ``(block_frames, 2) float32`` in place. The plugin is not told the position."""
        if self._instrument:
            sound[:] = self._play(self._instances[0], events).T
        elif self._channels == 2:
            sound[:] = self._process(self._instances[0], np.ascontiguousarray(sound.T)).T
        else:
            for channel, instance in enumerate(self._instances):
                sound[:, channel] = self._process(instance, np.ascontiguousarray(sound[:, channel : channel + 1].T))[0]

    def state(self) -> bytes:
        """The plugin's state and the values of its parameters, as JSON.

        The values are kept beside it, because the plugin itself learns of a new value with its next block only.
        """
        values = {symbol: self.get(symbol) for symbol, about in self._parameters.items() if not about.output}
        return pack_state(self._id, values, bytes(self._instances[0].raw_state))

    def restore(self, state: bytes) -> None:
        """Bring back what ``state`` gave; ``PluginError`` for what is no state of this plugin."""
        values, own = unpack_state(state, self._id, self.info.name)
        if own is not None:
            for instance in self._instances:
                instance.raw_state = own
        for symbol, value in values.items():
            if symbol in self._parameters and not self._parameters[symbol].output and self.get(symbol) != value:
                self.set(symbol, value)

    def close(self) -> None:
        """Free the instances."""
        self._instances.clear()

    def _process(self, instance: Any, sound: Block) -> Block:
        out = instance.process(sound, self._sample_rate, buffer_size=self._block_frames, reset=False)
        if out.shape != sound.shape:  # some frames may be held back at the start
            whole = np.zeros_like(sound)
            if out.shape[1]:
                whole[:, -out.shape[1] :] = out
            return whole
        return np.asarray(out, np.float32)

    def _play(self, instance: Any, events: tuple[MidiEvent, ...], reset: bool = False) -> Block:
        messages = [(event.data, event.frame / self._sample_rate) for event in events]
        seconds = (self._block_frames + 0.5) / self._sample_rate  # pedalboard rounds down to whole frames
        out = instance.process(
            messages, seconds, self._sample_rate, num_channels=2, buffer_size=self._block_frames, reset=reset
        )
        return np.asarray(out, np.float32)[:, : self._block_frames]

    def _accepts(self, instance: Any, channels: int) -> bool:
        silence = np.zeros((channels, self._block_frames), np.float32)
        try:
            instance.process(silence, self._sample_rate, buffer_size=self._block_frames, reset=True)
        except ValueError:
            return False
        return True


def vst3_problem() -> str:
    """Why VST3 plugins cannot be opened here; empty if they can. Nothing is imported."""
    return "" if find_spec("pedalboard") else _MISSING


def vst3_names(path: Path) -> tuple[str, ...]:
    """The names of the plugins in a VST3 file; its code is loaded."""
    try:
        return tuple(_pedalboard().VST3Plugin.get_plugin_names_for_file(str(path)))
    except (ImportError, ValueError, RuntimeError) as problem:
        raise PluginError(f"{path.name} is no VST3 plugin: {problem}") from problem


def _load(path: Path, name: str) -> Any:
    try:
        return _pedalboard().VST3Plugin(str(path), plugin_name=name or None, initialization_timeout=_LOAD_SECONDS)
    except (ImportError, ValueError, RuntimeError) as problem:
        raise PluginError(f"{path.name} cannot be loaded: {problem}") from problem


def _pedalboard() -> ModuleType:
    try:
        import pedalboard
    except ImportError as problem:
        raise PluginError(_MISSING) from problem
    return pedalboard


def _parameter(symbol: str, parameter: Any) -> PluginParameter:
    low, high, step = parameter.range
    labels: tuple[tuple[float, str], ...] = ()
    if parameter.type is str:
        labels = tuple((float(number), str(value)) for number, value in enumerate(parameter.valid_values))
        low, high, step = 0.0, float(max(0, len(labels) - 1)), 1.0
    elif parameter.type is bool:
        low, high, step = 0.0, 1.0, 1.0
    low, high = float(low), float(high)
    default = low + float(parameter.default_raw_value or 0.0) * (high - low)
    two_values = step is not None and high - low == step and not labels
    return PluginParameter(
        symbol=symbol,
        name=str(parameter.name),
        low=low,
        high=high,
        default=min(max(round(default) if labels else default, low), high),
        unit=str(parameter.label or "").strip(),
        integer=bool(labels) or two_values,
        toggled=two_values,
        output=not parameter.is_automatable,
        labels=labels,
    )
