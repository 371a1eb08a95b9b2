"""Plugin: the protocol of one hosted effect or instrument, whatever its format, and what describes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from riffengine.processes.audio import Block


@dataclass(frozen=True)
class PluginParameter:
    """One parameter of a plugin, in the plugin's own unit.

    ``symbol`` is unique in the plugin and fits a path of the parameter tree (``[a-z0-9_]+``). ``labels`` names single
    values, such as the kinds of a filter. ``output`` parameters are meters: they are read only.
    """

    symbol: str
    name: str
    low: float
    high: float
    default: float
    unit: str = ""
    integer: bool = False
    toggled: bool = False
    logarithmic: bool = False
    output: bool = False
    labels: tuple[tuple[float, str], ...] = ()


@dataclass(frozen=True)
class PluginInfo:
    """What is known of a plugin before it runs.

    ``reference`` opens it again: ``lv2:URI``, ``clap:FILE#ID`` or ``vst3:FILE``, where FILE is relative to a folder of
    the format if it can be.
    ``inputs`` and ``outputs`` are numbers of audio channels; an instrument has no input and ``midi_in``.
    """

    reference: str
    format: str
    name: str
    maker: str
    inputs: int
    outputs: int
    midi_in: bool
    parameters: tuple[PluginParameter, ...]
    has_state: bool


@dataclass(frozen=True)
class Position:
    """The transport at the first frame of a block: beats are quarter notes since the start of the set."""

    frame: int
    beat: float
    bpm: float
    playing: bool = True
    beats_per_bar: int = 4


@dataclass(frozen=True)
class MidiEvent:
    """A MIDI message of at most three bytes at ``frame`` of a block, counted from the block's first frame."""

    frame: int
    data: bytes


class Plugin(Protocol):
    """One running plugin, stereo to both sides: mono plugins are run once a channel. One thread.

    Errors of loading and of state are ``PluginError``. A plugin may crash or hang its process at any call: only the
    host process (``plugins/host.py``) and the scan call it.
    """

    info: PluginInfo

    @property
    def latency(self) -> int:
        """The frames by which the sound comes later, as the plugin reports them now; never negative."""

    def set(self, symbol: str, value: float) -> None:
        """Set a parameter for the next block; the value is clipped to the parameter's range."""

    def get(self, symbol: str) -> float:
        """The present value of a parameter, meters too."""

    def run(self, sound: Block, position: Position, events: tuple[MidiEvent, ...] = ()) -> None:
        """Process ``(block_frames, 2) float32`` in place. An instrument replaces it by what it plays."""

    def state(self) -> bytes:
        """All that the plugin needs to sound the same again, files excluded; the parameters alone where it has none."""

    def restore(self, state: bytes) -> None:
        """Bring back what ``state`` gave."""

    def close(self) -> None:
        """Free the plugin."""
