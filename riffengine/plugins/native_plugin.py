"""NativePlugin: the addresses by which a running plugin is called without Python."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

MOST_PORTS = 4
"""Of each kind of event port."""

MOST_CONTROLS = 16
"""That are told the time."""


@dataclass(frozen=True)
class NativePlugin:
    """Where the functions and buffers of a plugin's one or two instances are; 0 for what there is not.

    ``positions`` are event inputs that hold one transport position, ``event_outputs`` the event outputs with the eight
    bytes that empty each; ``controls`` inputs that are told the time, each with what it is told, by number. It is good
    for as long as the plugin is open.
    """

    run: tuple[int, ...]
    handles: tuple[int, ...]
    end_run: tuple[int, ...]
    work: tuple[int, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    latency: int
    positions: tuple[int, ...]
    event_outputs: tuple[tuple[int, int], ...]
    controls: tuple[tuple[int, int], ...]


@runtime_checkable
class RunsNative(Protocol):
    """What a plugin has besides ``Plugin`` where C can run it."""

    @property
    def native(self) -> NativePlugin | None:
        """How; ``None`` where it has something that only Python knows how to run."""

    def clear_events(self) -> None:
        """Leave nothing but the transport in the event inputs."""

    def attend(self) -> None:
        """Do the work that it has asked for meanwhile."""
