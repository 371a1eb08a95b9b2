"""ClapInstance: one instance of a CLAP plugin with its buffers, events and extensions."""

from __future__ import annotations

import ctypes
import math
import re
from ctypes import POINTER, byref, c_float, cast
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from riffengine import __version__
from riffengine.errors import PluginError
from riffengine.plugins import clap_abi as abi
from riffengine.plugins.channels import Channels
from riffengine.plugins.clap_events import InputEvents, OutputEvents
from riffengine.plugins.clap_host import ClapHost
from riffengine.plugins.plugin import PluginParameter
from riffengine.plugins.symbols import unique_symbols

_Extension = TypeVar("_Extension", bound=ctypes.Structure)
_MOST_LABELS = 32  # a stepped parameter of more values is a number, not a choice


@dataclass(frozen=True)
class ClapParameter:
    """A parameter: its number and cookie for the plugin, and what the engine sees of it."""

    id: int
    cookie: int | None
    about: PluginParameter


class ClapInstance:
    """One ``clap_plugin`` with its buffers, events and extensions."""

    def __init__(self, factory: abi.Factory, plugin_id: bytes, name: str) -> None:
        self.id = plugin_id.decode("utf-8", "replace")
        self._name = name
        self._host = ClapHost(__version__)
        self._started = self._active = False
        address = factory.create_plugin(ctypes.addressof(factory), ctypes.addressof(self._host.structure), plugin_id)
        if not address:
            raise PluginError(f"{name} cannot be created")
        self.address: int = address
        self.calls = abi.Plugin.from_address(address)
        if not self.calls.init(address):
            raise PluginError(f"{name} refused to start")
        self._ports = self._extension(b"clap.audio-ports", abi.AudioPorts)
        self._params = self._extension(b"clap.params", abi.Params)
        self.latency = self._extension(b"clap.latency", abi.Latency)
        self.state = self._extension(b"clap.state", abi.State)
        self.dialect = self._dialect()
        self.events, self._sent = InputEvents(self.dialect), OutputEvents()
        self._process = abi.Process()
        self._kept: list[object] = []

    def channels(self, inputs: bool) -> list[int]:
        """The channels of each audio port."""
        if self._ports is None:
            return []
        counts, info = [], abi.AudioPortInfo()
        for index in range(self._ports.count(self.address, inputs)):
            counts.append(info.channel_count if self._ports.get(self.address, index, inputs, byref(info)) else 0)
        return counts

    def start(
        self, channels: Channels, number: int, ports: tuple[list[int], list[int]], sample_rate: int, frames: int
    ) -> None:
        """Connect the buffers, of which the main ports come first, and get ready for blocks."""
        inputs, outputs = ports
        process = self._process
        process.inputs, process.input_count = self._buffers(inputs, channels.inputs[number], frames), len(inputs)
        process.outputs, process.output_count = self._buffers(outputs, channels.outputs[number], frames), len(outputs)
        process.in_events = ctypes.pointer(self.events.structure)
        process.out_events = ctypes.pointer(self._sent.structure)
        self._activate(sample_rate, frames)

    def parameters(self) -> list[ClapParameter]:
        """The parameters that are not hidden."""
        if self._params is None:
            return []
        infos = []
        for index in range(self._params.count(self.address)):
            info = abi.ParamInfo()
            if self._params.get_info(self.address, index, byref(info)) and not info.flags & abi.IS_HIDDEN:
                infos.append(info)
        symbols = unique_symbols(info.name.decode("utf-8", "replace") for info in infos)
        return [self._parameter(symbol, info) for symbol, info in zip(symbols, infos, strict=True)]

    def value(self, number: int) -> float:
        """The value of a parameter; NaN where the plugin does not tell."""
        value = ctypes.c_double(math.nan)
        if self._params is not None:
            self._params.get_value(self.address, number, byref(value))
        return value.value

    def run(self, transport: abi.Transport, frame: int, frames: int) -> bool:
        """Process the buffers; whether the plugin reported no error."""
        if not self._started:  # as CLAP wants it, from what is now the audio thread
            self._host.in_block = True
            self._started = bool(self.calls.start_processing(self.address))
            self._host.in_block = False
        process = self._process
        process.steady_time, process.frames, process.transport = max(0, frame), frames, ctypes.pointer(transport)
        self._host.in_block = True
        status = self.calls.process(self.address, byref(process)) if self._started else abi.PROCESS_ERROR
        self._host.in_block = False
        self.events.clear()
        return bool(status != abi.PROCESS_ERROR)

    def flush(self) -> None:
        """Give the waiting events to the plugin without a block."""
        if self._params is not None:
            self._host.in_block = True  # of an active plugin it belongs to the audio thread
            self._params.flush(self.address, byref(self.events.structure), byref(self._sent.structure))
            self._host.in_block = False
        self.events.clear()

    def between_blocks(self, sample_rate: int, frames: int) -> None:
        """Do what the plugin asked for: a call of its main thread, or a restart, as after a change of its latency."""
        if self._host.wants_callback:
            self._host.wants_callback = False
            self.calls.on_main_thread(self.address)
        if self._host.wants_restart:
            self._host.wants_restart = False
            self._deactivate()
            self._activate(sample_rate, frames)

    def save(self) -> bytes | None:
        """The plugin's own state; ``None`` where it has none, or fails."""
        if self.state is None:
            return None
        parts: list[bytes] = []

        def write(_: object, data: int, size: int) -> int:
            parts.append(ctypes.string_at(data, size))
            return size

        stream = abi.Stream(None, abi.StreamCall(write))
        return b"".join(parts) if self.state.save(self.address, byref(stream)) else None

    def load(self, state: bytes) -> bool:
        """Restore the plugin's own state; whether the plugin took it."""
        if self.state is None:
            return False
        left = memoryview(state)

        def read(_: object, buffer: int, size: int) -> int:
            nonlocal left
            part = bytes(left[:size])
            left = left[len(part) :]
            ctypes.memmove(buffer, part, len(part))
            return len(part)

        stream = abi.Stream(None, abi.StreamCall(read))
        return bool(self.state.load(self.address, byref(stream)))

    def close(self) -> None:
        """Stop and destroy the plugin."""
        self._deactivate()
        self.calls.destroy(self.address)

    def _activate(self, sample_rate: int, frames: int) -> None:
        self._active = bool(self.calls.activate(self.address, float(sample_rate), frames, frames))
        if not self._active:
            raise PluginError(f"{self._name} refused {sample_rate} Hz in blocks of {frames} frames")

    def _deactivate(self) -> None:
        if self._started:
            self._host.in_block = True
            self.calls.stop_processing(self.address)
            self._host.in_block = False
        if self._active:
            self.calls.deactivate(self.address)
        self._started = self._active = False

    def _extension(self, name: bytes, kind: type[_Extension]) -> _Extension | None:
        address = self.calls.get_extension(self.address, name)
        return kind.from_address(address) if address else None

    def _dialect(self) -> int:
        """How the first note port wants its notes: MIDI where it may be, else CLAP's own; 0 without one."""
        ports, info = self._extension(b"clap.note-ports", abi.NotePorts), abi.NotePortInfo()
        if ports is None or not ports.count(self.address, True) or not ports.get(self.address, 0, True, byref(info)):
            return 0
        return abi.DIALECT_MIDI if info.dialects & abi.DIALECT_MIDI else info.dialects & abi.DIALECT_CLAP

    def _buffers(
        self, counts: list[int], main: list[np.ndarray[tuple[int, ...], np.dtype[np.float32]]], frames: int
    ) -> ctypes.Array[abi.AudioBuffer]:
        """One ``clap_audio_buffer`` a port; all but the first are side chains and stay silent."""
        ports = (abi.AudioBuffer * max(1, len(counts)))()
        for index, count in enumerate(counts):
            sound = main if index == 0 else [np.zeros(frames, np.float32) for _ in range(count)]
            pointers = (POINTER(c_float) * max(1, count))(*[cast(each.ctypes.data, POINTER(c_float)) for each in sound])
            ports[index].data32, ports[index].channel_count = pointers, count
            self._kept += [sound, pointers]
        self._kept.append(ports)
        return ports

    def _parameter(self, symbol: str, info: abi.ParamInfo) -> ClapParameter:
        low, high = sorted((info.low, info.high))
        stepped = bool(info.flags & abi.IS_STEPPED)
        labels: tuple[tuple[float, str], ...] = ()
        if stepped and high - low < _MOST_LABELS:
            texts = [(value, self._as_text(info.id, value)) for value in np.arange(low, high + 0.5)]
            labels = tuple((float(value), text) for value, text in texts if not re.fullmatch(r"-?[\d.]*", text))
        unit = re.fullmatch(r"[-+]?[\d.]+\s*(\D{1,8})", self._as_text(info.id, info.default))
        about = PluginParameter(
            symbol=symbol,
            name=info.name.decode("utf-8", "replace"),
            low=low,
            high=high,
            default=min(max(info.default, low), high),
            unit=unit[1].strip() if unit and not labels else "",
            integer=stepped,
            toggled=stepped and (low, high) == (0.0, 1.0),
            output=bool(info.flags & abi.IS_READONLY),
            labels=labels,
        )
        return ClapParameter(info.id, info.cookie, about)

    def _as_text(self, number: int, value: float) -> str:
        text = ctypes.create_string_buffer(256)
        if self._params is None or not self._params.value_to_text(self.address, number, float(value), text, len(text)):
            return ""
        return text.value.decode("utf-8", "replace").strip()
