"""Messages between the engine and a host process. Frozen, picklable, no behaviour."""

from __future__ import annotations

from dataclasses import dataclass

from riffengine.plugins.chain import PluginChain
from riffengine.plugins.plugin import PluginInfo


@dataclass(frozen=True)
class HostOptions:
    """What a host process is started with.

    ``segment`` is its shared memory. ``takes_over``: another host was there before, so it begins with the newest block.
    ``live``: plugins may do background work in threads, and the process asks for real-time priority. What the plugins
    print goes to the file ``log``, "" for nowhere. ``opener`` is the module whose ``open_plugin`` opens them.
    """

    segment: str
    sample_rate: int
    chain: PluginChain
    bpm: float = 120.0
    takes_over: bool = False
    live: bool = True
    log: str = ""
    opener: str = "riffengine.plugins.registry"


# --- engine → host ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class TakeState:
    """Answer with ``StateTaken``."""


ToHost = TakeState | HostOptions  # the options go to a host that was started without any


# --- host → engine ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class HostReady:
    """All plugins run and are warm; ``latency`` is that of all together, frames. ``notes`` are for a person.

    ``values`` are those of the parameters that can be set, for each plugin by symbol.
    """

    infos: tuple[PluginInfo, ...]
    values: tuple[tuple[tuple[str, float], ...], ...]
    latency: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class HostFailed:
    """The plugin at ``position`` (from 0) cannot be opened; ``reason`` is for a person. The process ends."""

    position: int
    reason: str


@dataclass(frozen=True)
class LatencyChanged:
    """The plugins now delay the sound by ``frames``."""

    frames: int


@dataclass(frozen=True)
class StateTaken:
    """The state of every plugin; b"" where it gave none, or one of more than ``MOST_STATE_BYTES``.

    ``too_large`` are the positions of those, from 0.
    """

    states: tuple[bytes, ...]
    too_large: tuple[int, ...] = ()


@dataclass(frozen=True)
class PluginFault:
    """The plugin at ``position`` gives something that is no sound (``kind``); its blocks are not answered."""

    position: int
    kind: str


FromHost = HostReady | HostFailed | LatencyChanged | StateTaken | PluginFault
