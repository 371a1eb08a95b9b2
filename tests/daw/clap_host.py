"""ClapHost: a small CLAP host by ctypes: transport, events inside a block, parameters, notes, state, offline rendering.

Source: CLAP 1.1.1, the headers in ``riffengine/daw/native/vendor/clap``.
"""

from __future__ import annotations

import ctypes as c
from dataclasses import dataclass
from pathlib import Path

import numpy as np

BEATS = 1 << 31
HAS_TEMPO, HAS_BEATS, HAS_METRE, IS_PLAYING, IS_LOOPING = 1, 2, 8, 16, 64
NOTE_ON, NOTE_OFF, PARAM_VALUE, TRANSPORT, MIDI = 0, 1, 5, 9, 10


class Version(c.Structure):
    _fields_ = [("major", c.c_uint32), ("minor", c.c_uint32), ("revision", c.c_uint32)]


class Header(c.Structure):
    _fields_ = [
        ("size", c.c_uint32),
        ("time", c.c_uint32),
        ("space", c.c_uint16),
        ("type", c.c_uint16),
        ("flags", c.c_uint32),
    ]


class TransportEvent(c.Structure):
    _fields_ = [
        ("header", Header),
        ("flags", c.c_uint32),
        ("beats", c.c_int64),
        ("seconds", c.c_int64),
        ("tempo", c.c_double),
        ("tempo_increment", c.c_double),
        ("loop_start", c.c_int64),
        ("loop_end", c.c_int64),
        ("loop_start_seconds", c.c_int64),
        ("loop_end_seconds", c.c_int64),
        ("bar_start", c.c_int64),
        ("bar", c.c_int32),
        ("numerator", c.c_uint16),
        ("denominator", c.c_uint16),
    ]


class ParamEvent(c.Structure):
    _fields_ = [
        ("header", Header),
        ("id", c.c_uint32),
        ("cookie", c.c_void_p),
        ("note", c.c_int32),
        ("port", c.c_int16),
        ("channel", c.c_int16),
        ("key", c.c_int16),
        ("value", c.c_double),
    ]


class NoteEvent(c.Structure):
    _fields_ = [
        ("header", Header),
        ("note", c.c_int32),
        ("port", c.c_int16),
        ("channel", c.c_int16),
        ("key", c.c_int16),
        ("velocity", c.c_double),
    ]


class MidiEvent(c.Structure):
    _fields_ = [("header", Header), ("port", c.c_uint16), ("data", c.c_uint8 * 3)]


class AudioBuffer(c.Structure):
    _fields_ = [
        ("data32", c.POINTER(c.POINTER(c.c_float))),
        ("data64", c.c_void_p),
        ("channels", c.c_uint32),
        ("latency", c.c_uint32),
        ("constant_mask", c.c_uint64),
    ]


class InEvents(c.Structure):
    pass


class OutEvents(c.Structure):
    pass


SIZE = c.CFUNCTYPE(c.c_uint32, c.POINTER(InEvents))
GET = c.CFUNCTYPE(c.c_void_p, c.POINTER(InEvents), c.c_uint32)
PUSH = c.CFUNCTYPE(c.c_bool, c.POINTER(OutEvents), c.POINTER(Header))
InEvents._fields_ = [("context", c.c_void_p), ("size", SIZE), ("get", GET)]
OutEvents._fields_ = [("context", c.c_void_p), ("push", PUSH)]


class Process(c.Structure):
    _fields_ = [
        ("steady_time", c.c_int64),
        ("frames", c.c_uint32),
        ("transport", c.POINTER(TransportEvent)),
        ("inputs", c.POINTER(AudioBuffer)),
        ("outputs", c.POINTER(AudioBuffer)),
        ("inputs_count", c.c_uint32),
        ("outputs_count", c.c_uint32),
        ("in_events", c.POINTER(InEvents)),
        ("out_events", c.POINTER(OutEvents)),
    ]


class Descriptor(c.Structure):
    _fields_ = [
        ("version", Version),
        *((name, c.c_char_p) for name in ("id", "name", "vendor", "url", "manual", "support", "release", "about")),
        ("features", c.POINTER(c.c_char_p)),
    ]


class Plugin(c.Structure):
    pass


P = c.POINTER(Plugin)
Plugin._fields_ = [
    ("descriptor", c.POINTER(Descriptor)),
    ("data", c.c_void_p),
    ("init", c.CFUNCTYPE(c.c_bool, P)),
    ("destroy", c.CFUNCTYPE(None, P)),
    ("activate", c.CFUNCTYPE(c.c_bool, P, c.c_double, c.c_uint32, c.c_uint32)),
    ("deactivate", c.CFUNCTYPE(None, P)),
    ("start", c.CFUNCTYPE(c.c_bool, P)),
    ("stop", c.CFUNCTYPE(None, P)),
    ("reset", c.CFUNCTYPE(None, P)),
    ("process", c.CFUNCTYPE(c.c_int32, P, c.POINTER(Process))),
    ("extension", c.CFUNCTYPE(c.c_void_p, P, c.c_char_p)),
    ("on_main", c.CFUNCTYPE(None, P)),
]

EXTENSION = c.CFUNCTYPE(c.c_void_p, c.c_void_p, c.c_char_p)
REQUEST = c.CFUNCTYPE(None, c.c_void_p)


class Host(c.Structure):
    _fields_ = [
        ("version", Version),
        ("data", c.c_void_p),
        *((name, c.c_char_p) for name in ("name", "vendor", "url", "release")),
        ("extension", EXTENSION),
        ("restart", REQUEST),
        ("process", REQUEST),
        ("callback", REQUEST),
    ]


class Factory(c.Structure):
    pass


F = c.POINTER(Factory)
Factory._fields_ = [
    ("count", c.CFUNCTYPE(c.c_uint32, F)),
    ("get", c.CFUNCTYPE(c.POINTER(Descriptor), F, c.c_uint32)),
    ("create", c.CFUNCTYPE(P, F, c.POINTER(Host), c.c_char_p)),
]


class Entry(c.Structure):
    _fields_ = [
        ("version", Version),
        ("init", c.CFUNCTYPE(c.c_bool, c.c_char_p)),
        ("deinit", c.CFUNCTYPE(None)),
        ("factory", c.CFUNCTYPE(c.c_void_p, c.c_char_p)),
    ]


class ParamInfo(c.Structure):
    _fields_ = [
        ("id", c.c_uint32),
        ("flags", c.c_uint32),
        ("cookie", c.c_void_p),
        ("name", c.c_char * 256),
        ("module", c.c_char * 1024),
        ("low", c.c_double),
        ("high", c.c_double),
        ("default", c.c_double),
    ]


class Params(c.Structure):
    _fields_ = [
        ("count", c.CFUNCTYPE(c.c_uint32, P)),
        ("info", c.CFUNCTYPE(c.c_bool, P, c.c_uint32, c.POINTER(ParamInfo))),
        ("value", c.CFUNCTYPE(c.c_bool, P, c.c_uint32, c.POINTER(c.c_double))),
        ("text", c.CFUNCTYPE(c.c_bool, P, c.c_uint32, c.c_double, c.c_char_p, c.c_uint32)),
        ("parse", c.CFUNCTYPE(c.c_bool, P, c.c_uint32, c.c_char_p, c.POINTER(c.c_double))),
        ("flush", c.CFUNCTYPE(None, P, c.POINTER(InEvents), c.POINTER(OutEvents))),
    ]


class PortInfo(c.Structure):
    _fields_ = [
        ("id", c.c_uint32),
        ("name", c.c_char * 256),
        ("flags", c.c_uint32),
        ("channels", c.c_uint32),
        ("type", c.c_char_p),
        ("in_place", c.c_uint32),
    ]


class Ports(c.Structure):
    _fields_ = [
        ("count", c.CFUNCTYPE(c.c_uint32, P, c.c_bool)),
        ("get", c.CFUNCTYPE(c.c_bool, P, c.c_uint32, c.c_bool, c.POINTER(PortInfo))),
    ]


WRITE = c.CFUNCTYPE(c.c_int64, c.c_void_p, c.c_void_p, c.c_uint64)


class Stream(c.Structure):
    _fields_ = [("context", c.c_void_p), ("move", WRITE)]


class State(c.Structure):
    _fields_ = [
        ("save", c.CFUNCTYPE(c.c_bool, P, c.POINTER(Stream))),
        ("load", c.CFUNCTYPE(c.c_bool, P, c.POINTER(Stream))),
    ]


class Render(c.Structure):
    _fields_ = [("hard", c.CFUNCTYPE(c.c_bool, P)), ("set", c.CFUNCTYPE(c.c_bool, P, c.c_int32))]


@dataclass(frozen=True)
class Transport:
    """The host's time at ``frame`` of a block."""

    beat: float
    bpm: float = 120.0
    playing: bool = True
    loop: tuple[float, float] | None = None
    metre: tuple[int, int] = (4, 4)
    frame: int = 0

    def event(self) -> TransportEvent:
        flags = HAS_TEMPO | HAS_BEATS | HAS_METRE | self.playing * IS_PLAYING | (self.loop is not None) * IS_LOOPING
        start, end = self.loop or (0.0, 0.0)
        return TransportEvent(
            header=Header(c.sizeof(TransportEvent), self.frame, 0, TRANSPORT, 0),
            flags=flags,
            beats=round(self.beat * BEATS),
            tempo=self.bpm,
            loop_start=round(start * BEATS),
            loop_end=round(end * BEATS),
            numerator=self.metre[0],
            denominator=self.metre[1],
        )


def param(number: int, value: float, frame: int = 0) -> ParamEvent:
    return ParamEvent(Header(c.sizeof(ParamEvent), frame, 0, PARAM_VALUE, 0), number, None, -1, -1, -1, -1, value)


def note(key: int, velocity: float, frame: int = 0, on: bool = True) -> NoteEvent:
    header = Header(c.sizeof(NoteEvent), frame, 0, NOTE_ON if on else NOTE_OFF, 0)
    return NoteEvent(header, -1, 0, 0, key, velocity)


def midi(data: bytes, frame: int = 0) -> MidiEvent:
    return MidiEvent(Header(c.sizeof(MidiEvent), frame, 0, MIDI, 0), 0, (c.c_uint8 * 3)(*data.ljust(3, b"\0")))


class ClapHost:
    """One plugin of a CLAP file, activated and processing; blocks of at most 8192 frames."""

    def __init__(self, library: Path, plugin_id: str = "riffengine.plugin", rate: float = 48000.0) -> None:
        self._library = c.CDLL(str(library))
        self.entry = Entry.in_dll(self._library, "clap_entry")
        assert self.entry.init(str(library).encode())
        factory = c.cast(self.entry.factory(b"clap.plugin-factory"), F)
        self.ids = [
            factory.contents.get(factory, i).contents.id.decode() for i in range(factory.contents.count(factory))
        ]
        self._no_extension, self._no_request = EXTENSION(lambda host, name: None), REQUEST(lambda host: None)
        texts = (b"test", b"test", b"", b"1")
        requests = (self._no_request,) * 3
        self._host = Host(Version(1, 1, 1), None, *texts, self._no_extension, *requests)
        self.plugin = factory.contents.create(factory, c.byref(self._host), plugin_id.encode())
        assert self.plugin.contents.init(self.plugin)
        ports = self.extension("clap.audio-ports", Ports)
        self.inputs = ports.count(self.plugin, True)
        self.outputs = ports.count(self.plugin, False)
        self.changes: list[tuple[int, float]] = []
        self._given: list[c.Structure] = []
        self._in = InEvents(None, SIZE(lambda events: len(self._given)), GET(self._get))
        self._out = OutEvents(None, PUSH(self._push))
        self.activate(rate)

    def activate(self, rate: float) -> None:
        self.rate = rate
        assert self.plugin.contents.activate(self.plugin, rate, 1, 8192)
        assert self.plugin.contents.start(self.plugin)

    def deactivate(self) -> None:
        self.plugin.contents.stop(self.plugin)
        self.plugin.contents.deactivate(self.plugin)

    def _get(self, events: object, index: int) -> int:
        return c.addressof(self._given[index])

    def _push(self, events: object, header: c._Pointer[Header]) -> bool:
        if header.contents.type == PARAM_VALUE:
            event = c.cast(header, c.POINTER(ParamEvent)).contents
            self.changes.append((event.id, event.value))
        return True

    def extension(self, name: str, kind: type) -> c.Structure:
        found = self.plugin.contents.extension(self.plugin, name.encode())
        assert found, name
        return c.cast(found, c.POINTER(kind)).contents

    def run(
        self,
        frames: int,
        transport: Transport | None,
        *events: c.Structure | Transport,
        sound: np.ndarray | None = None,
    ) -> np.ndarray:
        """``(channels, frames) float32``: what the plugin plays."""
        self._given = [event.event() if isinstance(event, Transport) else event for event in events]
        out = np.full((2 * self.outputs, frames), 9.0, np.float32)
        outputs, kept = _buffers(out)
        inputs, kept_too = _buffers(np.zeros((2, frames), np.float32) if sound is None else sound)
        told = transport.event() if transport is not None else None
        process = Process(
            steady_time=-1,
            frames=frames,
            transport=c.pointer(told) if told is not None else None,
            inputs=inputs if self.inputs else None,
            outputs=outputs,
            inputs_count=self.inputs,
            outputs_count=self.outputs,
            in_events=c.pointer(self._in),
            out_events=c.pointer(self._out),
        )
        assert self.plugin.contents.process(self.plugin, c.byref(process)) == 1
        del kept, kept_too
        return out

    def value(self, number: int) -> float:
        value = c.c_double()
        assert self.extension("clap.params", Params).value(self.plugin, number, c.byref(value))
        return value.value

    def save(self) -> bytes:
        pieces: list[bytes] = []

        def write(stream: object, data: int, size: int) -> int:
            part = min(size, 100)  # hosts may take less than they are given
            pieces.append(c.string_at(data, part))
            return part

        move = WRITE(write)
        assert self.extension("clap.state", State).save(self.plugin, c.byref(Stream(None, move)))
        return b"".join(pieces)

    def load(self, state: bytes) -> bool:
        rest = bytearray(state)

        def read(stream: object, data: int, size: int) -> int:
            part = bytes(rest[: min(size, 100)])
            del rest[: len(part)]
            c.memmove(data, part, len(part))
            return len(part)

        move = WRITE(read)
        return bool(self.extension("clap.state", State).load(self.plugin, c.byref(Stream(None, move))))

    def render_offline(self, offline: bool) -> None:
        assert self.extension("clap.render", Render).set(self.plugin, int(offline))

    def close(self) -> None:
        self.deactivate()
        self.plugin.contents.destroy(self.plugin)


def _buffers(sound: np.ndarray) -> tuple[c.Array[AudioBuffer], list[object]]:
    """One stereo buffer for every two rows of ``(channels, frames)``."""
    kept: list[object] = []
    pointer = c.POINTER(c.c_float)
    buffers = (AudioBuffer * (len(sound) // 2))()
    for pair in range(len(sound) // 2):
        rows = (pointer * 2)(*(sound[2 * pair + side].ctypes.data_as(pointer) for side in (0, 1)))
        kept += [rows, sound]
        buffers[pair] = AudioBuffer(c.cast(rows, c.POINTER(pointer)), None, 2, 0, 0)
    return buffers, kept
