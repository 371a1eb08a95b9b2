"""Guard: a plugin between two checks: nothing infinite goes in, and nothing infinite or far too loud comes out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from riffengine.plugins.native_plugin import NativePlugin, RunsNative
from riffengine.plugins.plugin import MidiEvent, Plugin, PluginInfo, Position
from riffengine.processes.audio import Block

LOUDEST = float(10 ** (24 / 20))
"""+24 dBFS: no more than this leaves a plugin."""

_RUNAWAY_SECONDS = 0.1  # a loud peak is music, a tenth of a second above +24 dBFS is feedback that grows


@dataclass(frozen=True)
class Fault:
    """What a plugin did wrong, and at which frame of the set it began."""

    kind: Literal["not finite", "runaway"]
    frame: int


class Guarded:
    """A ``Plugin`` whose sound is finite and at most +24 dBFS. One thread.

    While the plugin gives NaN or infinity, and from a tenth of a second above +24 dBFS on, its blocks are zeros and
    ``fault`` says why. A fault ends by itself if the plugin recovers. Many filters and reverbs never do once they hold
    a NaN, so that the host must start such a plugin anew.
    """

    def __init__(self, plugin: Plugin, sample_rate: int) -> None:
        self.info: PluginInfo = plugin.info
        self.fault: Fault | None = None
        self.faulty_blocks = 0
        self.cleaned_blocks = 0
        self._plugin = plugin
        self._runaway_frames = int(_RUNAWAY_SECONDS * sample_rate)
        self._loud_frames = 0

    @property
    def latency(self) -> int:
        """The plugin's latency in frames."""
        return self._plugin.latency

    def set(self, symbol: str, value: float) -> None:
        """Set a parameter."""
        self._plugin.set(symbol, value)

    def get(self, symbol: str) -> float:
        """The present value of a parameter."""
        return self._plugin.get(symbol)

    def run(self, sound: Block, position: Position, events: tuple[MidiEvent, ...] = ()) -> None:
        """Process ``(frames, 2) float32`` in place, and check it. ``cleaned_blocks`` counts bad blocks that came in."""
        if not _peak(sound) < np.inf:
            np.nan_to_num(sound, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
            self.cleaned_blocks += 1
        self._plugin.run(sound, position, events)
        self.judge(sound, position.frame)

    @property
    def calm(self) -> bool:
        """Whether its last block was neither too loud nor no sound."""
        return self.fault is None and self._loud_frames == 0

    @property
    def native(self) -> NativePlugin | None:
        """What ``plugins.native_server`` runs the plugin by, if it can."""
        return self._plugin.native if isinstance(self._plugin, RunsNative) else None

    def before_native(self) -> None:
        """Have the plugin ready to be run by ``native``, after it was run by ``run``."""
        if isinstance(self._plugin, RunsNative):
            self._plugin.clear_events()

    def attend(self) -> None:
        """Do the work that the plugin has asked for while it was run by ``native``."""
        if isinstance(self._plugin, RunsNative):
            self._plugin.attend()

    def judge(self, sound: Block, frame: int) -> None:
        """Check what has come out, in the block that begins at ``frame``, and make it fit to be heard."""
        peak = _peak(sound)
        if peak <= LOUDEST:
            self._loud_frames = 0
            self.fault = None
            return
        finite = peak < np.inf
        self._loud_frames += len(sound)
        if finite and self._loud_frames < self._runaway_frames:
            np.clip(sound, -LOUDEST, LOUDEST, out=sound)
            return
        sound[:] = 0
        self.faulty_blocks += 1
        kind: Literal["not finite", "runaway"] = "runaway" if finite else "not finite"
        if self.fault is None or self.fault.kind != kind:
            self.fault = Fault(kind, frame)

    def state(self) -> bytes:
        """The plugin's state."""
        return self._plugin.state()

    def restore(self, state: bytes) -> None:
        """Restore the plugin's state."""
        self._plugin.restore(state)

    def close(self) -> None:
        """Free the plugin."""
        self._plugin.close()


def _peak(sound: Block) -> float:
    """The greatest magnitude; NaN where there is a NaN, which no comparison lets pass."""
    return float(max(sound.max(), -sound.min())) if sound.size else 0.0
