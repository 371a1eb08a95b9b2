"""Lv2Plugin: one running LV2 plugin, loaded by liblilv and called directly on numpy buffers."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable
from ctypes import CFUNCTYPE, POINTER, c_char_p, c_uint32, c_void_p
from functools import cache
from pathlib import Path

import numpy as np

from riffengine.errors import PluginError, printable
from riffengine.plugins.channels import Channels
from riffengine.plugins.lilv import ATOM, CORE, TIME, PluginText, Port, World
from riffengine.plugins.lv2_atoms import EventPort
from riffengine.plugins.lv2_features import SUPPORTED, WORKER_INTERFACE, Features, Instance, Urids, Worker
from riffengine.plugins.native_plugin import MOST_CONTROLS, MOST_PORTS, NativePlugin
from riffengine.plugins.plugin import MidiEvent, PluginInfo, PluginParameter, Position
from riffengine.plugins.symbols import unique_symbols
from riffengine.processes.audio import Block

_STATE_URI = b"urn:riffengine:state"
_DEFAULT_STATE = "http://lv2plug.in/ns/ext/state#loadDefaultState"
_POD_AND_PORTABLE = 3

_GetValue = CFUNCTYPE(c_void_p, c_char_p, c_void_p, POINTER(c_uint32), POINTER(c_uint32))
_SetValue = CFUNCTYPE(None, c_char_p, c_void_p, c_void_p, c_uint32, c_uint32)

# Control inputs that the host writes, by designation: they are no parameters.
_FROM_POSITION: dict[str, Callable[[Position], float]] = {
    TIME + "beatsPerMinute": lambda position: position.bpm,
    TIME + "beatsPerBar": lambda position: position.beats_per_bar,
    TIME + "beatUnit": lambda position: 4.0,
    TIME + "beat": lambda position: position.beat,
    TIME + "bar": lambda position: position.beat // position.beats_per_bar,
    TIME + "barBeat": lambda position: position.beat % position.beats_per_bar,
    TIME + "frame": lambda position: position.frame,
    TIME + "speed": lambda position: 1.0 if position.playing else 0.0,
}
TOLD = tuple(_FROM_POSITION.values())  # by the numbers of native/serve.c
_FIXED = {CORE + "enabled": 1.0, CORE + "freeWheeling": 0.0}


@cache
def urids() -> Urids:
    """The numbers for URIs of this process."""
    return Urids()


class Lv2Plugin:
    """A plugin of an LV2 bundle, run in blocks of exactly ``block_frames``. One thread.

    ``realtime`` does the plugin's background work in a thread, so that no block waits for a file; without it the work
    is done between blocks and the result is the same at every run. ``PluginError`` when the plugin wants what this host
    has not, or refuses. ``run`` releases the interpreter lock while the plugin computes.
    """

    def __init__(self, world: World, uri: str, sample_rate: int, block_frames: int, realtime: bool = False) -> None:
        found = world.plugin(uri)
        if found is None:
            raise PluginError(f"no LV2 plugin {printable(uri)} is installed; `riffengine plugins list` shows what is")
        self._world, self._plugin, self._urids = world, found, urids()
        self._block_frames = block_frames
        if not world.library.lilv_plugin_verify(found):
            raise PluginError(f"the description of {printable(uri)} is incomplete; reinstall it")
        text = world.describe(found)
        self._ports = text.ports
        _check(text)
        controls = [port for port in text.ports if port.kind == "control"]
        exposed = [port for port in controls if _is_parameter(port, text.latency_port)]
        symbols = unique_symbols(port.symbol for port in exposed)
        self._index = {symbol: port.index for symbol, port in zip(symbols, exposed, strict=True)}
        main_in = _main(text.ports, True)
        main_out = _main(text.ports, False)
        self.info = PluginInfo(
            reference=f"lv2:{uri}",
            format="lv2",
            name=text.name,
            maker=text.maker,
            inputs=len(main_in),
            outputs=len(main_out),
            midi_in=any(port.input and port.midi for port in text.ports),
            parameters=tuple(_parameter(s, port, sample_rate) for s, port in zip(symbols, exposed, strict=True)),
            has_state=text.has_state,
        )
        self._parameters = {parameter.symbol: parameter for parameter in self.info.parameters}
        self._channels = Channels(len(main_in), len(main_out), block_frames)
        count = len(text.ports)
        # Both instances of a mono plugin read the same parameters; what they report goes to places of their own.
        self._controls = np.zeros((self._channels.instances, count), np.float32)
        for symbol, index in self._index.items():
            self._controls[:, index] = self._parameters[symbol].default
        for port in controls:
            if port.input and port.designation in _FIXED:
                self._controls[:, port.index] = _FIXED[port.designation]
        self._from_position = [
            (port.index, _FROM_POSITION[port.designation])
            for port in controls
            if port.input and port.designation in _FROM_POSITION
        ]
        self._latency_port = text.latency_port
        self._event_inputs: list[EventPort] = []
        self._event_outputs: list[EventPort] = []
        self._spare: list[object] = []  # buffers that only the plugin uses
        self._workers = [Worker(realtime and text.has_worker) for _ in range(self._channels.instances)]
        self._features = [Features(self._urids, sample_rate, block_frames, worker) for worker in self._workers]
        self._instances: list[Instance] = []
        for number in range(self._channels.instances):
            self._instances.append(self._start(number, sample_rate, main_in, main_out))
        self._work = any(text.has_worker for _ in self._workers)
        if world.library.lilv_plugin_has_feature(found, world.node(_DEFAULT_STATE)):
            self._restore(world.library.lilv_state_new_from_world(world.handle, self._map, world.node(uri)))
        if self._latency_port is not None:  # it is written by run: the first block must not find an old value
            self.run(np.zeros((block_frames, 2), np.float32), Position(0, 0.0, 120.0, playing=False))

    @property
    def latency(self) -> int:
        """The frames that the plugin reported with the last block; 0 where it reports none or nonsense."""
        if self._latency_port is None:
            return 0
        reported = float(self._controls[0, self._latency_port])
        return max(0, round(reported)) if math.isfinite(reported) else 0

    def set(self, symbol: str, value: float) -> None:
        """Set a parameter for the next block, clipped to its range; ``PluginError`` for an unknown one, or NaN."""
        parameter = self._parameters.get(symbol)
        if parameter is None or parameter.output:
            raise PluginError(f"{self.info.name} has no parameter {printable(symbol)} that can be set")
        if math.isnan(value):
            raise PluginError(
                f"{self.info.name}: {symbol} cannot be NaN; it goes from {parameter.low:g} to {parameter.high:g}"
            )
        clipped = min(max(value, parameter.low), parameter.high)
        self._controls[:, self._index[symbol]] = round(clipped) if parameter.integer else clipped

    def get(self, symbol: str) -> float:
        """The present value of a parameter or a meter; of a mono plugin's meters the greater of both channels."""
        index = self._index.get(symbol)
        if index is None:
            raise PluginError(f"{self.info.name} has no parameter {printable(symbol)}")
        return float(self._controls[:, index].max())

    def run(self, sound: Block, position: Position, events: tuple[MidiEvent, ...] = ()) -> None:
        """Process ``(block_frames, 2) float32`` in place."""
        self._channels.put(sound)
        for index, value in self._from_position:
            self._controls[:, index] = value(position)
        for port in self._event_inputs:
            port.write(position, events)
        for port in self._event_outputs:
            port.empty()
        for instance in self._instances:
            instance.descriptor.contents.run(instance.handle, self._block_frames)
        self._channels.take(sound)
        if self._work:
            for worker in self._workers:
                worker.after_block()

    @property
    def native(self) -> NativePlugin | None:
        """What ``plugins.native_server`` runs it by; ``None`` where only ``run`` knows how."""
        inputs, outputs = self._channels.inputs, self._channels.outputs
        twice = self._channels.instances > 1
        positions = tuple(port.address for port in self._event_inputs if port.takes_position)
        told = tuple(
            (row.ctypes.data + index * row.itemsize, TOLD.index(value))
            for index, value in self._from_position
            for row in self._controls
        )
        fits = max(len(positions), len(self._event_outputs)) <= MOST_PORTS and len(told) <= MOST_CONTROLS
        if not fits or not outputs[0] or (len(inputs[0]) == 1 and not twice):
            return None
        ins = [buffers[0] for buffers in inputs] if twice else inputs[0][:2]
        outs = [buffers[0] for buffers in outputs] if twice else [outputs[0][0], outputs[0][:2][-1]]
        work = [worker.native for worker in self._workers]
        latency = self._latency_port
        return NativePlugin(
            run=tuple(_address(instance.descriptor.contents.run) for instance in self._instances),
            handles=tuple(instance.handle for instance in self._instances),
            end_run=tuple(end_run for _, end_run in work),
            work=tuple(waits for waits, _ in work),
            inputs=tuple(int(channel.ctypes.data) for channel in ins),
            outputs=tuple(int(channel.ctypes.data) for channel in outs),
            latency=self._controls.ctypes.data + latency * self._controls.itemsize if latency is not None else 0,
            positions=positions,
            event_outputs=tuple((port.address, port.emptied) for port in self._event_outputs),
            controls=told,
        )

    def clear_events(self) -> None:
        """Leave nothing but the transport in the event inputs, as ``native`` expects it."""
        for port in self._event_inputs:
            port.write(Position(0, 0.0, 120.0), ())

    def attend(self) -> None:
        """Do the work that it has asked for while it was run by ``native``."""
        for worker in self._workers:
            if worker.waits:
                worker.after_block()

    def state(self) -> bytes:
        """The parameters and what else the plugin keeps, as a preset in Turtle that other LV2 hosts can read."""
        lib = self._world.library
        ports = {port.symbol.encode(): port.index for port in self._ports if port.kind == "control" and port.input}
        kind = self._urids.number(ATOM + "Float")

        def value_of(symbol: bytes, _: object, size: _Number, type_: _Number) -> int | None:
            index = ports.get(symbol)
            if index is None:
                size[0] = type_[0] = 0
                return None
            size[0], type_[0] = 4, kind
            return self._controls.ctypes.data + index * self._controls.itemsize

        callback = _GetValue(value_of)
        state = lib.lilv_state_new_from_instance(
            self._plugin, self._pointer(0), self._map, None, None, None, None, callback, None, _POD_AND_PORTABLE,
            self._features[0].array,
        )  # fmt: skip
        if not state:
            raise PluginError(f"{self.info.name} gave no state")
        raw = lib.lilv_state_to_string(self._world.handle, self._map, self._unmap, state, _STATE_URI, None)
        lib.lilv_state_free(state)
        if not raw:
            raise PluginError(f"the state of {self.info.name} cannot be written as text")
        text = ctypes.string_at(raw)
        lib.lilv_free(raw)
        return text

    def restore(self, state: bytes) -> None:
        """Bring back what ``state`` gave; ``PluginError`` for what is no state of this plugin."""
        lib = self._world.library
        parsed = None
        if b"\0" not in state:  # it ends a C string, and what stands before it could be read as a whole state
            parsed = lib.lilv_state_new_from_string(self._world.handle, self._map, state)
        uri = lib.lilv_node_as_uri(lib.lilv_state_get_plugin_uri(parsed)) if parsed else None
        if uri is None or uri.decode() != self.info.reference.removeprefix("lv2:"):
            if parsed:
                lib.lilv_state_free(parsed)
            raise PluginError(f"what should be the state of {self.info.name} is none of this plugin")
        self._restore(parsed)

    def close(self) -> None:
        """Free the instances, then the world."""
        for worker in self._workers:
            worker.close()
        for instance in self._instances:
            if instance.descriptor.contents.deactivate:
                instance.descriptor.contents.deactivate(instance.handle)
            self._world.library.lilv_instance_free(ctypes.addressof(instance))
        self._instances.clear()
        self._world.close()

    @property
    def _map(self) -> int:
        return ctypes.addressof(self._urids.map_structure)

    @property
    def _unmap(self) -> int:
        return ctypes.addressof(self._urids.unmap_structure)

    def _pointer(self, number: int) -> int:
        return ctypes.addressof(self._instances[number])

    def _start(self, number: int, sample_rate: int, main_in: list[Port], main_out: list[Port]) -> Instance:
        features = self._features[number].array
        address = self._world.library.lilv_plugin_instantiate(self._plugin, float(sample_rate), features)
        if not address:
            raise PluginError(f"{self.info.name} refused to start at {sample_rate} Hz")
        instance = Instance.from_address(address)
        calls, handle = instance.descriptor.contents, instance.handle
        inputs = dict(zip((port.index for port in main_in), self._channels.inputs[number], strict=True))
        outputs = dict(zip((port.index for port in main_out), self._channels.outputs[number], strict=True))
        for port in self._ports:
            if (channel := inputs.get(port.index, outputs.get(port.index))) is not None:
                calls.connect_port(handle, port.index, channel.ctypes.data)
            elif port.kind == "control":
                calls.connect_port(handle, port.index, self._controls[number, port.index :].ctypes.data)
            elif port.kind == "atom":
                events = EventPort(self._urids, port.minimum_bytes, port.midi, port.position)
                (self._event_inputs if port.input else self._event_outputs).append(events)
                calls.connect_port(handle, port.index, events.address)
            elif port.kind in ("audio", "cv"):  # side chains get silence
                silence = np.zeros(self._block_frames, np.float32)
                if port.kind == "cv" and port.input and math.isfinite(port.default):
                    silence[:] = port.default
                self._spare.append(silence)
                calls.connect_port(handle, port.index, silence.ctypes.data)
            else:
                calls.connect_port(handle, port.index, None)
        interface = calls.extension_data(WORKER_INTERFACE.encode()) if calls.extension_data else None
        self._workers[number].attach(handle, interface)
        if calls.activate:
            calls.activate(handle)
        return instance

    def _restore(self, state: int | None) -> None:
        """Restore a ``LilvState`` in every instance and free it."""
        if not state:
            return
        ports = {port.symbol.encode(): symbol for symbol, port in self._settable()}

        def set_value(symbol: bytes, _: object, value: int, size: int, type_: int) -> None:
            if symbol in ports and size == 4 and type_ == self._urids.number(ATOM + "Float"):
                number = ctypes.c_float.from_address(value).value
                if math.isfinite(number):
                    self.set(ports[symbol], number)

        callback = _SetValue(set_value)
        for number, worker in enumerate(self._workers):
            features = self._features[number].array
            self._world.library.lilv_state_restore(state, self._pointer(number), callback, None, 0, features)
            if self._work:
                worker.after_block()
        self._world.library.lilv_state_free(state)

    def _settable(self) -> list[tuple[str, Port]]:
        return [(symbol, self._ports[i]) for symbol, i in self._index.items() if self._ports[i].input]


_Number = ctypes.Array[c_uint32]  # a pointer to one number, as a callback gets it


def open_lv2(
    uri: str, bundles: tuple[Path, ...], sample_rate: int, block_frames: int, realtime: bool = False
) -> Lv2Plugin:
    """Open a plugin that is in one of ``bundles``; if it is in none, every bundle is loaded, which takes seconds."""
    world = World()
    try:
        for bundle in bundles:
            world.load_bundle(bundle)
        if world.plugin(uri) is None:
            world.load_all()
        return Lv2Plugin(world, uri, sample_rate, block_frames, realtime)
    except BaseException:
        world.close()
        raise


def _address(function: object) -> int:
    return ctypes.cast(function, c_void_p).value or 0  # type: ignore[arg-type]  # a ctypes function


def _check(text: PluginText) -> None:
    missing = sorted(set(text.required_features) - SUPPORTED)
    if missing:
        raise PluginError(f"{text.name} needs what this host does not have: {', '.join(missing)}")
    strange = [port.symbol for port in text.ports if not port.kind and not port.optional]
    if strange:
        raise PluginError(f"{text.name} has ports of a kind that this host does not know: {', '.join(strange)}")


def _is_parameter(port: Port, latency_port: int | None) -> bool:
    host_writes = port.input and (port.designation in _FROM_POSITION or port.designation in _FIXED)
    return port.index != latency_port and not host_writes


def _main(ports: tuple[Port, ...], inputs: bool) -> list[Port]:
    return [port for port in ports if port.kind == "audio" and port.input == inputs and not port.side_chain]


def _parameter(symbol: str, port: Port, sample_rate: int) -> PluginParameter:
    low = port.low if math.isfinite(port.low) else 0.0
    high = port.high if math.isfinite(port.high) else max(1.0, low)
    default = port.default if math.isfinite(port.default) else min(max(0.0, low), high)
    if port.of_sample_rate:  # in parts of the sample rate; some give the default in Hz all the same
        default = default * sample_rate if low <= default <= high else default
        low, high = low * sample_rate, high * sample_rate
    if high < low:
        low, high = high, low
    return PluginParameter(
        symbol=symbol,
        name=port.name or port.symbol,
        low=low,
        high=high,
        default=min(max(default, low), high),
        unit=port.unit,
        integer=port.integer,
        toggled=port.toggled,
        logarithmic=port.logarithmic and low > 0,
        output=not port.input,
        labels=port.labels,
    )
