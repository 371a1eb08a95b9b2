"""NativeServer: answers the blocks of a chain of LV2 plugins in C, where nothing but sound comes with them.

Python between two wakings costs most of what a chain costs: its code is out of the caches each time. ``native/serve.c``
does to a block what ``HostedChain`` does, to the bit, and gives back to Python whatever is out of the ordinary: moved
parameters, notes, sound that is too loud or none, a new latency. The library is built by
``riffengine plugins scan`` where there is a C compiler; without it everything works, at more cost.
"""

from __future__ import annotations

import ctypes
import hashlib
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from ctypes import c_double, c_float, c_int32, c_int64, c_void_p
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

import numpy as np

from riffengine.errors import PluginError, printable
from riffengine.plugins.atomic_file import cache_file
from riffengine.plugins.guard import LOUDEST
from riffengine.plugins.native_plugin import MOST_CONTROLS, MOST_PORTS, NativePlugin
from riffengine.processes.audio import CHANNELS, Block
from riffengine.processes.plugin_blocks import BLOCK_FRAMES, PluginBlocks

SOURCE = Path(__file__).parent / "native" / "serve.c"
_FLAGS = ("-std=c11", "-O2", "-ffp-contract=off", "-fPIC", "-shared", "-Wall", "-Wextra", "-Werror")
_COMPILER_SECONDS = 120
_INSTANCES = 2


class Ended(IntEnum):
    """Why it stopped; see ``riff_serve``."""

    IDLE, DUE, WORK, TO_BEGIN, TO_JUDGE, TO_GIVE = range(6)


class _Plugin(ctypes.Structure):
    _fields_ = (
        ("run", c_void_p * _INSTANCES),
        ("handle", c_void_p * _INSTANCES),
        ("end_run", c_void_p * _INSTANCES),
        ("work", c_void_p * _INSTANCES),
        ("inputs", c_void_p * CHANNELS),
        ("outputs", c_void_p * CHANNELS),
        ("latency", c_void_p),
        ("latency_was", c_float),
        ("kept", c_void_p),
        ("kept_frames", c_int64),
        ("share", c_float),
        ("positions", c_void_p * MOST_PORTS),
        ("event_outputs", c_void_p * MOST_PORTS),
        ("event_outputs_are", ctypes.c_uint64 * MOST_PORTS),
        ("controls", c_void_p * MOST_CONTROLS),
        ("controls_are", c_int32 * MOST_CONTROLS),
    )


class _Server(ctypes.Structure):
    _fields_ = (
        ("header", c_void_p),
        ("records", c_void_p),
        ("record_bytes", c_int64),
        ("slots", c_int64),
        ("sound_in", c_void_p),
        ("sound_out", c_void_p),
        ("asked_word", c_void_p),
        ("answered_word", c_void_p),
        ("frames", c_int64),
        ("most_behind", c_int64),
        ("idle_ns", c_int64),
        ("loudest", c_float),
        ("plugins", c_int32),
        ("chain", c_void_p),
        ("sound", c_void_p),
        ("dry", c_void_p),
        ("number", c_int64),
        ("left", c_int64),
        ("latency", c_int64),
        ("position", c_int64),
        ("beat", c_double),
        ("bpm", c_double),
    )


@dataclass(frozen=True)
class Served:
    """What came of a call: why it stopped, the block that is next or half done, the plugin to judge, its transport."""

    ended: Ended
    number: int
    position: int
    beat: float
    bpm: float


class NativeServer:
    """Serves ``blocks`` with ``plugins``. One thread.

    What is unfinished is in ``sound`` ``(BLOCK_FRAMES, 2)``; ``dry`` is then what went into the plugin to judge, where
    its share is below 1.
    """

    def __init__(
        self,
        library: Path,
        blocks: PluginBlocks,
        plugins: Sequence[NativePlugin],
        sound: Block,
        most_behind: int,
        idle_seconds: float,
    ) -> None:
        self._serve = ctypes.CDLL(str(library)).riff_serve
        self._serve.argtypes = (c_void_p,)
        self._chain = (_Plugin * len(plugins))(*map(_plugin, plugins))
        self.dry = np.zeros((BLOCK_FRAMES, CHANNELS), dtype=np.float32)
        memory = blocks.addresses()
        self._server = _Server(
            header=memory.header,
            records=memory.records,
            record_bytes=memory.record_bytes,
            slots=memory.slots,
            sound_in=memory.sound_in,
            sound_out=memory.sound_out,
            asked_word=memory.asked_word,
            answered_word=memory.answered_word,
            frames=BLOCK_FRAMES,
            most_behind=most_behind,
            idle_ns=round(idle_seconds * 1e9),
            loudest=LOUDEST,
            plugins=len(plugins),
            chain=ctypes.addressof(self._chain),
            sound=sound.ctypes.data,
            dry=self.dry.ctypes.data,
        )
        self._address = ctypes.addressof(self._server)

    def serve(self, number: int, most: int, latency: int, rest: Sequence[tuple[float, Block]]) -> Served:
        """Answer ``most`` blocks from ``number`` on, each ``latency`` frames late.

        ``rest`` has the share of each plugin, and the sound before it of as many frames as it is late, which is moved
        on.
        """
        server = self._server
        server.number, server.left, server.latency = number, most, latency
        for plugin, (share, sound) in zip(self._chain, rest, strict=True):
            plugin.share = share
            plugin.kept, plugin.kept_frames = sound.ctypes.data, len(sound)
            if plugin.latency:
                plugin.latency_was = c_float.from_address(plugin.latency).value
        ended = Ended(self._serve(self._address))
        return Served(ended, server.number, server.position, server.beat, server.bpm)


def library_file() -> Path:
    """Where the library of this version is, or would be."""
    text = f"{platform.machine()} {' '.join(_FLAGS)}".encode() + SOURCE.read_bytes()
    return cache_file(f"plugin-server-{hashlib.sha256(text).hexdigest()[:16]}.so")


def build(compiler: str = "cc") -> Path:
    """Build the library unless it is there; ``PluginError`` says what is missing."""
    library = library_file()
    if library.exists():
        return library
    found = shutil.which(compiler)
    if found is None:
        raise PluginError(f"there is no C compiler {compiler!r}; install one (Debian: apt-get install gcc libc6-dev)")
    try:
        library.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".build-", dir=library.parent) as folder:
            new = Path(folder) / library.name
            command = [found, *_FLAGS, str(SOURCE), "-lm", "-o", str(new)]
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=_COMPILER_SECONDS)
            new.replace(library)
    except subprocess.CalledProcessError as error:
        raise PluginError(f"{compiler} could not build {SOURCE.name}: {printable(error.stderr.strip())}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PluginError(f"{compiler} could not build {SOURCE.name}: {printable(error)}") from error
    return library


def _plugin(described: NativePlugin) -> _Plugin:
    plugin = _Plugin(latency=described.latency or None)
    for to, addresses in (
        (plugin.run, described.run),
        (plugin.handle, described.handles),
        (plugin.end_run, described.end_run),
        (plugin.work, described.work),
        (plugin.inputs, described.inputs),
        (plugin.outputs, described.outputs),
        (plugin.positions, described.positions),
        (plugin.event_outputs, [address for address, _ in described.event_outputs]),
        (plugin.event_outputs_are, [word for _, word in described.event_outputs]),
        (plugin.controls, [address for address, _ in described.controls]),
        (plugin.controls_are, [told for _, told in described.controls]),
    ):
        for index, address in enumerate(addresses):
            to[index] = address
    return plugin
