"""Plugins in Python for tests of the host process; ``open_plugin`` opens ``test:NAME``."""

from __future__ import annotations

import os
import signal
import time

import numpy as np

from riffengine.errors import PluginError
from riffengine.plugins.chain import MOST_STATE_BYTES
from riffengine.plugins.plugin import MidiEvent, PluginInfo, PluginParameter, Position
from riffengine.processes.audio import Block


class PythonPlugin:
    """A gain (``gain``, 0 … 4) that delays by ``latency`` frames and does what ``fault`` says: nothing, or harm.

    ``fault``: 1 ends the process by a signal, 2 sleeps for a second, 3 gives NaN, 4 gives far too much.
    """

    def __init__(self, name: str, block_frames: int, latency: int) -> None:
        parameters = (
            PluginParameter("gain", "Gain", 0.0, 4.0, 1.0),
            PluginParameter("fault", "Fault", 0, 4, 0, integer=True),
            PluginParameter("delay", "Delay", 0, 8192, latency, integer=True),
            PluginParameter("peak", "Peak", 0.0, 1.0, 0.0, output=True),
        )
        self.info = PluginInfo(f"test:{name}", "test", name, "tests", 2, 2, False, parameters, True)
        self._values = {parameter.symbol: parameter.default for parameter in parameters}
        self._kept = np.zeros((latency, 2), dtype=np.float32)

    @property
    def latency(self) -> int:
        return int(self._values["delay"])

    def set(self, symbol: str, value: float) -> None:
        if symbol not in self._values:
            raise PluginError(f"{self.info.name} has no parameter {symbol}")
        self._values[symbol] = value

    def get(self, symbol: str) -> float:
        return self._values[symbol]

    def run(self, sound: Block, position: Position, events: tuple[MidiEvent, ...] = ()) -> None:
        match int(self._values["fault"]):
            case 1:
                os.kill(os.getpid(), signal.SIGSEGV)
            case 2:
                self._values["fault"] = 0
                time.sleep(1.0)
            case 3:
                sound[:] = np.nan
                return
            case 4:
                sound[:] = 1e9
                return
        sound *= np.float32(self._values["gain"])
        kept = self._kept[max(0, len(self._kept) - self.latency) :]
        filled = np.zeros((self.latency - len(kept), 2), dtype=np.float32)
        both = np.concatenate((filled, kept, sound))
        self._kept = both[len(sound) :]
        sound[:] = both[: len(sound)]

    def state(self) -> bytes:
        found = repr(self._values["gain"]).encode()
        if self.info.name != "large":
            return found
        return found.ljust(MOST_STATE_BYTES + (self._values["gain"] > 1.0))

    def restore(self, state: bytes) -> None:
        try:
            self._values["gain"] = float(state)
        except ValueError:
            raise PluginError(f"{state!r} is no state of {self.info.name}") from None

    def close(self) -> None:
        pass


def open_plugin(reference: str, sample_rate: int, block_frames: int, realtime: bool = False) -> PythonPlugin:
    """``test:gain``, ``test:late`` with 256 frames of latency, ``test:large`` with a state that is just not too large.

    The last one's is larger from a gain of 1 on.
    """
    latencies = {"test:gain": 0, "test:late": 256, "test:large": 0}
    if reference not in latencies:
        raise PluginError(f"there is no {reference}")
    return PythonPlugin(reference.removeprefix("test:"), block_frames, latencies[reference])
