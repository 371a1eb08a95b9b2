"""What an LV2 plugin may ask of its host: numbers for URIs, options, and work outside the audio thread.

Every structure is laid out as in the C headers of LV2 1.18 (urid.h, options.h, worker.h, lv2.h). The objects must live
as long as the plugin does, because it keeps pointers to them.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import threading
from collections import deque
from ctypes import CFUNCTYPE, POINTER, Structure, c_char_p, c_double, c_float, c_int, c_int32, c_uint32, c_void_p
from queue import SimpleQueue

LV2 = "http://lv2plug.in/ns/"
WORKER_INTERFACE = LV2 + "ext/worker#interface"
_BUFFERS = LV2 + "ext/buf-size#"
_ATOM = LV2 + "ext/atom#"

SUPPORTED = frozenset(
    {
        LV2 + "ext/urid#map",
        LV2 + "ext/urid#unmap",
        LV2 + "ext/options#options",
        LV2 + "ext/worker#schedule",
        LV2 + "ext/state#loadDefaultState",
        LV2 + "ext/state#threadSafeRestore",
        LV2 + "lv2core#isLive",
        LV2 + "lv2core#inPlaceBroken",  # sound never goes in and out by the same buffer
        _BUFFERS + "boundedBlockLength",
        _BUFFERS + "fixedBlockLength",
        _BUFFERS + "powerOf2BlockLength",
    }
)
"""The features that a plugin may require; ``inPlaceBroken`` and ``isLive`` ask nothing of this host."""

_WORK_BYTES = 1 << 20  # of requests and answers that wait; a plugin's usual message has some tens of bytes

MapFunction = CFUNCTYPE(c_uint32, c_void_p, c_char_p)
UnmapFunction = CFUNCTYPE(c_void_p, c_void_p, c_uint32)
ScheduleFunction = CFUNCTYPE(c_int, c_void_p, c_uint32, c_void_p)
RespondFunction = CFUNCTYPE(c_int, c_void_p, c_uint32, c_void_p)
_WorkFunction = CFUNCTYPE(c_int, c_void_p, RespondFunction, c_void_p, c_uint32, c_void_p)
_ResponseFunction = CFUNCTYPE(c_int, c_void_p, c_uint32, c_void_p)
_EndFunction = CFUNCTYPE(c_int, c_void_p)


class Feature(Structure):
    """``LV2_Feature``."""

    _fields_ = (("uri", c_char_p), ("data", c_void_p))


class _Map(Structure):
    _fields_ = (("handle", c_void_p), ("map", MapFunction))


class _Unmap(Structure):
    _fields_ = (("handle", c_void_p), ("unmap", UnmapFunction))


class _Option(Structure):
    _fields_ = (
        ("context", c_int),
        ("subject", c_uint32),
        ("key", c_uint32),
        ("size", c_uint32),
        ("type", c_uint32),
        ("value", c_void_p),
    )


class _Schedule(Structure):
    _fields_ = (("handle", c_void_p), ("schedule_work", ScheduleFunction))


class _WorkerInterface(Structure):
    _fields_ = (("work", _WorkFunction), ("work_response", _ResponseFunction), ("end_run", _EndFunction))


class Urids:
    """Numbers for URIs, the same for every plugin of the process. The plugin may ask from any of its threads."""

    def __init__(self) -> None:
        self._numbers: dict[bytes, int] = {}
        self._texts: list[ctypes.Array[ctypes.c_char]] = []  # what unmap gave out is never moved or freed
        self._lock = threading.Lock()
        self.map_structure = _Map(None, MapFunction(lambda _, uri: self._number(uri)))
        self.unmap_structure = _Unmap(None, UnmapFunction(self._text))

    def number(self, uri: str) -> int:
        """The number of a URI; from 1."""
        return self._number(uri.encode())

    def _number(self, uri: bytes | None) -> int:
        if uri is None:
            return 0
        with self._lock:
            number = self._numbers.get(uri)
            if number is None:
                self._texts.append(ctypes.create_string_buffer(uri))
                number = self._numbers[uri] = len(self._texts)
            return number

    def _text(self, _: object, number: int) -> int | None:
        return ctypes.addressof(self._texts[number - 1]) if 0 < number <= len(self._texts) else None


class Worker:
    """The work that one instance asks for while it runs: files to load, tables to compute.

    Without ``thread`` it is done between two blocks, so that the same sound in gives the same sound out. With
    ``thread`` no block waits for it, and its answer comes with a later block.
    """

    def __init__(self, thread: bool) -> None:
        self._instance: int | None = None
        self._interface: _WorkerInterface | None = None
        self._requests: deque[bytes] = deque()
        self._answers: deque[bytes] = deque()
        self._waits = c_int32(0)  # not 0: after_block has something to do
        self._asked_bytes = 0  # each is written by one thread only
        self._done_bytes = 0
        self._queue: SimpleQueue[bytes | None] | None = SimpleQueue() if thread else None
        self._thread: threading.Thread | None = None
        self._schedule = ScheduleFunction(lambda _, size, data: self._ask(size, data))
        self._respond = RespondFunction(lambda _, size, data: self._answer(size, data))
        self.structure = _Schedule(None, self._schedule)

    def attach(self, instance: int, interface: int | None) -> None:
        """Tell it the instance, and the address of its worker interface if it has one."""
        self._instance = instance
        if interface:
            self._interface = ctypes.cast(interface, POINTER(_WorkerInterface)).contents
        if self._queue is not None and self._interface is not None:
            self._thread = threading.Thread(target=self._serve, args=(self._queue,), name="lv2 worker", daemon=True)
            self._thread.start()

    @property
    def waits(self) -> bool:
        """Whether work was asked for that nobody does, or answers have not been handed to the plugin."""
        return bool(self._waits.value)

    @property
    def native(self) -> tuple[int, int]:
        """The addresses of the number behind ``waits`` and of the plugin's ``end_run``; 0 where there is none."""
        if self._interface is None:
            return 0, 0
        end_run = ctypes.cast(self._interface.end_run, c_void_p).value if self._interface.end_run else None
        return ctypes.addressof(self._waits), end_run or 0

    def after_block(self) -> None:
        """Do the work that was asked for, if there is no thread for it; then hand the answers to the plugin."""
        interface = self._interface
        if interface is None:
            return
        self._waits.value = 0
        while self._requests:
            self._work(interface, self._requests.popleft())
        while self._answers:
            answer = self._answers.popleft()
            interface.work_response(self._instance, len(answer), answer)
        if interface.end_run:
            interface.end_run(self._instance)

    def close(self) -> None:
        """End the thread; a call that runs is waited for."""
        if self._queue is not None and self._thread is not None:
            self._queue.put(None)
            self._thread.join()
        self._thread, self._interface = None, None

    def _serve(self, queue: SimpleQueue[bytes | None]) -> None:
        with contextlib.suppress(AttributeError, OSError):  # it has inherited the priority of the audio thread
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        while (request := queue.get()) is not None:
            if (interface := self._interface) is not None:
                self._work(interface, request)

    def _work(self, interface: _WorkerInterface, request: bytes) -> None:
        interface.work(self._instance, self._respond, None, len(request), request)
        self._done_bytes += len(request)

    def _ask(self, size: int, data: int | None) -> int:
        if self._asked_bytes - self._done_bytes + size > _WORK_BYTES:
            return 2  # LV2_WORKER_ERR_NO_SPACE
        request = ctypes.string_at(data, size) if data else b""
        self._asked_bytes += size
        if self._queue is None:
            self._requests.append(request)
            self._waits.value = 1
        else:
            self._queue.put(request)
        return 0

    def _answer(self, size: int, data: int | None) -> int:
        if len(self._answers) >= 4096:
            return 2
        self._answers.append(ctypes.string_at(data, size) if data else b"")
        self._waits.value = 1
        return 0


class Features:
    """The array of features for one instance: its own worker, and options for a fixed block at one sample rate."""

    def __init__(self, urids: Urids, sample_rate: int, block_frames: int, worker: Worker) -> None:
        number = urids.number
        self._block = c_int32(block_frames)
        self._sequence_bytes = c_int32(1 << 16)
        self._rate = c_float(sample_rate)
        whole, real = number(_ATOM + "Int"), number(_ATOM + "Float")
        lengths = ("minBlockLength", "maxBlockLength", "nominalBlockLength")
        rows: list[tuple[str, int, c_int32 | c_float]] = [(_BUFFERS + key, whole, self._block) for key in lengths]
        rows += [
            (_BUFFERS + "sequenceSize", whole, self._sequence_bytes),
            (LV2 + "ext/parameters#sampleRate", real, self._rate),
        ]
        self._options = (_Option * (len(rows) + 1))(
            *[_Option(0, 0, number(key), 4, kind, ctypes.addressof(value)) for key, kind, value in rows]
        )
        self._worker = worker
        data: dict[str, object] = {
            LV2 + "ext/urid#map": urids.map_structure,
            LV2 + "ext/urid#unmap": urids.unmap_structure,
            LV2 + "ext/options#options": self._options,
            LV2 + "ext/worker#schedule": worker.structure,
        }
        self._data = data
        names = [*data, *sorted(SUPPORTED - set(data))]
        self._features = [Feature(name.encode(), _address(data.get(name))) for name in names]
        self.array = (c_void_p * (len(names) + 1))(*[ctypes.addressof(feature) for feature in self._features], None)


def _address(structure: object) -> int | None:
    return None if structure is None else ctypes.addressof(structure)  # type: ignore[arg-type]  # ctypes data only


InstanceRun = CFUNCTYPE(None, c_void_p, c_uint32)
InstanceCall = CFUNCTYPE(None, c_void_p)


class Descriptor(Structure):
    """``LV2_Descriptor``: the functions of a plugin."""

    _fields_ = (
        ("uri", c_char_p),
        ("instantiate", CFUNCTYPE(c_void_p, c_void_p, c_double, c_char_p, c_void_p)),
        ("connect_port", CFUNCTYPE(None, c_void_p, c_uint32, c_void_p)),
        ("activate", InstanceCall),
        ("run", InstanceRun),
        ("deactivate", InstanceCall),
        ("cleanup", InstanceCall),
        ("extension_data", CFUNCTYPE(c_void_p, c_char_p)),
    )


class Instance(Structure):
    """``LilvInstance``: what lilv gives for an instantiated plugin."""

    _fields_ = (("descriptor", POINTER(Descriptor)), ("handle", c_void_p), ("private", c_void_p))
