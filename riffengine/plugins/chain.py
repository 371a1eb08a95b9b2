"""PluginChain: the plugins of one place in their order, as the engine and a journal know them. Frozen."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from riffengine.errors import PluginError
from riffengine.plugins.plugin import PluginInfo, PluginParameter

ON, MIX = "on", "mix"
"""What every position of a chain has before the parameters of its plugin."""

_TAKEN = (ON, MIX, "plugin")

MOST_STATE_BYTES = 4 << 20
"""Of the state of one plugin: larger ones are not kept, for they cross pipes and are written while the music plays."""

MOST_LATENCY_SECONDS = 1.0
"""The most that is made up for; some plugins report nonsense."""


@dataclass(frozen=True)
class HostedPlugin:
    """A plugin to be opened, and how it sounds: ``values`` by symbol are set after ``state`` has been restored."""

    reference: str
    on: bool = True
    mix: float = 1.0
    values: tuple[tuple[str, float], ...] = ()
    state: bytes = b""


@dataclass(frozen=True)
class PluginChain:
    """The plugins of one place; the first is number 1."""

    plugins: tuple[HostedPlugin, ...] = field(default=())

    def as_text(self) -> str:
        """The chain as JSON."""
        return json.dumps(
            [
                {
                    "reference": plugin.reference,
                    "on": plugin.on,
                    "mix": plugin.mix,
                    "values": dict(plugin.values),
                    "state": b64encode(plugin.state).decode(),
                }
                for plugin in self.plugins
            ]
        )

    @classmethod
    def from_text(cls, text: str) -> PluginChain:
        """The chain that ``as_text`` wrote; ``PluginError`` for anything else."""
        try:
            return cls(tuple(_plugin(entry) for entry in json.loads(text)))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise PluginError(f"{text[:80]!r} describes no chain of plugins: {error}") from None


def settable(info: PluginInfo) -> tuple[PluginParameter, ...]:
    """The parameters of a plugin that can be set, in the order of their numbers."""
    return tuple(parameter for parameter in info.parameters if not parameter.output)


def control_name(symbol: str) -> str:
    """What a plugin's parameter is called in the parameter tree, where ``on`` and ``mix`` are the chain's own."""
    return f"own_{symbol}" if symbol in _TAKEN else symbol


def symbol_of(name: str) -> str:
    """The inverse of ``control_name``."""
    symbol = name.removeprefix("own_")
    return symbol if symbol in _TAKEN else name


def controls(infos: Sequence[PluginInfo]) -> tuple[tuple[int, str], ...]:
    """What can be moved in a chain, in the order of the numbers that blocks carry: position from 0, name."""
    return tuple(
        (position, name)
        for position, info in enumerate(infos)
        for name in (ON, MIX, *(control_name(parameter.symbol) for parameter in settable(info)))
    )


def _plugin(entry: dict[str, Any]) -> HostedPlugin:
    values = tuple((str(symbol), float(value)) for symbol, value in entry["values"].items())
    state = b64decode(entry["state"], validate=True)
    return HostedPlugin(str(entry["reference"]), bool(entry["on"]), float(entry["mix"]), values, state)
