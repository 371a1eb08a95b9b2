"""Output: the protocol of what pulls blocks from the player, and the settings that every output is opened with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from riffengine.output.host_mix import HostMix
from riffengine.processes.audio import Block, Fill


@dataclass(frozen=True)
class OutputSettings:
    """What an output is opened with; it uses what it needs.

    ``device`` is a name or index of PortAudio, ``None`` the default. With ``cue`` an output that has the channels asks
    for ``2 × channels``: the headphones follow the master. ``host`` is there for the output ``daw``. ``hear`` takes a
    block of input ``(frames, 1 or 2) float32`` in the audio thread, before ``fill`` is called for the block of output
    that is pulled with it; it comes from ``input_device``. An output without an input never calls it.
    """

    sample_rate: int
    block_frames: int
    channels: int
    device: str | int | None = None
    cue: bool = False
    host: HostMix | None = None
    hear: Callable[[Block], None] | None = None
    input_device: str | int | None = None


class Output(Protocol):
    """What drives time in the player: it calls ``fill`` for each block, from a thread of its own or of a driver.

    An output whose host pulls (a plugin, a stream) calls ``fill`` when the host asks and never ahead of it.
    ``latency_seconds`` is what it adds after a block is handed over, ``input_latency_seconds`` as in ``PlayerReady``.
    """

    name: str
    latency_seconds: float
    input_latency_seconds: float | None

    @property
    def running(self) -> bool:
        """Whether it still asks for blocks."""

    def start(self) -> None:
        """Begin to ask for blocks; ``DeviceError`` when it cannot."""

    def stop(self) -> None:
        """Ask for no more blocks, and close; ``DeviceError`` when it does not close."""


Opener = Callable[[OutputSettings, Fill, bool], Output]
"""``open_output(settings, fill, retry)`` makes an output that is not started yet; ``DeviceError`` when it cannot.

``retry`` is true when the output was lost and is looked for again.
"""
