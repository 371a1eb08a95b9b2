"""ClapHost: what a CLAP plugin sees of its host: a few extensions, and requests that are met between two blocks."""

from __future__ import annotations

import ctypes
from ctypes import Structure

from riffengine.plugins import clap_abi as abi


class _LatencyExtension(Structure):
    _fields_ = (("changed", abi.HostCall),)


class _StateExtension(Structure):
    _fields_ = (("mark_dirty", abi.HostCall),)


class _ParamsExtension(Structure):
    _fields_ = (
        ("rescan", abi.HostCallNumber),
        ("clear", abi.HostCallTwoNumbers),
        ("request_flush", abi.HostCall),
    )


class _AudioPortsExtension(Structure):
    _fields_ = (("is_rescan_flag_supported", abi.HostAsksNumber), ("rescan", abi.HostCallNumber))


class _NotePortsExtension(Structure):
    _fields_ = (("supported_dialects", abi.HostNumber), ("rescan", abi.HostCallNumber))


class _ThreadCheckExtension(Structure):
    _fields_ = (("is_main_thread", abi.HostAsks), ("is_audio_thread", abi.HostAsks))


class _LogExtension(Structure):
    _fields_ = (("log", abi.HostLog),)


class ClapHost:
    """The ``clap_host`` of one instance. The plugin may set the flags from any of its threads.

    Blocks and everything else run in one thread, which is the audio thread while ``in_block`` is true, and the main
    thread otherwise: the plugin's own checks of threads hold.
    """

    def __init__(self, version: str) -> None:
        self.in_block = False
        self.wants_restart = False
        self.wants_callback = False
        nothing, ignored = abi.HostCall(lambda _: None), abi.HostCallNumber(lambda *_: None)
        self._extensions: dict[bytes, Structure] = {
            b"clap.latency": _LatencyExtension(nothing),
            b"clap.state": _StateExtension(nothing),
            b"clap.params": _ParamsExtension(ignored, abi.HostCallTwoNumbers(lambda *_: None), nothing),
            b"clap.audio-ports": _AudioPortsExtension(abi.HostAsksNumber(lambda *_: False), ignored),
            b"clap.note-ports": _NotePortsExtension(
                abi.HostNumber(lambda _: abi.DIALECT_CLAP | abi.DIALECT_MIDI), ignored
            ),
            b"clap.thread-check": _ThreadCheckExtension(
                abi.HostAsks(lambda _: not self.in_block), abi.HostAsks(lambda _: self.in_block)
            ),
            b"clap.log": _LogExtension(abi.HostLog(lambda *_: None)),
        }
        self.structure = abi.Host(
            abi.Version(1, 1, 1), None, b"Riffengine", b"Riffengine", b"", version.encode(),
            abi.HostGetExtension(self._extension), abi.HostCall(self._restart), nothing, abi.HostCall(self._callback),
        )  # fmt: skip

    def _extension(self, _: object, name: bytes | None) -> int | None:
        found = self._extensions.get(name or b"")
        return None if found is None else ctypes.addressof(found)

    def _restart(self, _: object) -> None:
        self.wants_restart = True

    def _callback(self, _: object) -> None:
        self.wants_callback = True
