"""The host process: a chain of plugins that may crash or hang without harm to the sound.

It answers the blocks of one insert (``processes.plugin_blocks``) as they come, one priority below the player. The
engine holds a ``PluginHost``; the process itself runs ``host_main``. If the engine ends, it ends.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import signal
from dataclasses import dataclass
from multiprocessing.connection import Connection

import numpy as np

from riffengine.errors import PluginError
from riffengine.plugins.chain import MOST_STATE_BYTES
from riffengine.plugins.denormals import flush_denormals
from riffengine.plugins.guard import LOUDEST
from riffengine.plugins.host_messages import (
    FromHost,
    HostFailed,
    HostOptions,
    HostReady,
    LatencyChanged,
    PluginFault,
    StateTaken,
    ToHost,
)
from riffengine.plugins.hosted_chain import HostedChain, Open, PositionError
from riffengine.plugins.native_server import Ended, NativeServer, library_file
from riffengine.plugins.plugin import Position
from riffengine.processes.audio import CHANNELS, Block
from riffengine.processes.child_process import ChildProcess
from riffengine.processes.message_pipe import MessagePipe
from riffengine.processes.plugin_blocks import BLOCK_FRAMES, SLOTS, PluginBlocks
from riffengine.processes.realtime import raise_own_priority

_PRIORITY = 8  # SCHED_FIFO, below the player's 10
_IDLE_SECONDS = 0.02
_BLOCKS_BETWEEN_MESSAGES = 8
_BLOCKS_IN_A_CALL = 32  # answered without Python before it looks at the pipe: 93 ms
_MOST_BEHIND = SLOTS // 2  # a host that was further behind goes on with the newest block

_Fault = tuple[int, str] | None  # the position of a plugin, and what is wrong with its sound


def host_main(options: HostOptions | None, connection: Connection) -> None:
    """The body of a host process (target of ``spawn``): answer blocks until the engine hangs up."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the engine, which ends the hosts last
    assert options is not None  # they are there before it is started
    if options.live:
        raise_own_priority(_PRIORITY)
    _redirect_output(options.log)
    flush_denormals()
    try:
        blocks = PluginBlocks.attach(options.segment)
        open_plugin = _opener(options.opener)
        chain = HostedChain(
            options.chain, options.sample_rate, open_plugin, options.live, options.bpm, blocks.set_position
        )
    except PositionError as error:
        connection.send(HostFailed(error.position, str(error)))
        return
    except PluginError as error:
        connection.send(HostFailed(0, str(error)))
        return
    gc.collect()
    gc.freeze()
    gc.disable()
    with contextlib.suppress(EOFError):
        pipe: MessagePipe[FromHost, ToHost] = MessagePipe(connection)  # a large state goes while blocks are answered
        pipe.send(HostReady(chain.infos, chain.values, chain.latency, tuple(chain.notes)))
        _Host(options, pipe, blocks, chain).run()
    os._exit(0)  # without what plugins do at the end of a process: some wait there for ever


@dataclass
class _Host:
    """The loop of a host process."""

    options: HostOptions
    pipe: MessagePipe[FromHost, ToHost]
    blocks: PluginBlocks
    chain: HostedChain

    def run(self) -> None:
        """Answer blocks; ends by ``EOFError`` when the engine hangs up."""
        blocks, chain = self.blocks, self.chain
        sound = np.zeros((BLOCK_FRAMES, CHANNELS), dtype=np.float32)
        latency, fault, done = chain.latency, None, 0
        number = self._first_block()
        native, by_python = self._native(sound), True
        while True:
            if native is not None and chain.rests:
                if by_python:
                    chain.before_native()
                by_python = False
                served = native.serve(number, _BLOCKS_IN_A_CALL, chain.latency, chain.rest)
                number = served.number
                chain.attend()
                if served.ended in (Ended.IDLE, Ended.DUE, Ended.WORK):
                    self._receive()
                    continue
                if served.ended is not Ended.TO_BEGIN:
                    at = Position(number * BLOCK_FRAMES, served.beat, served.bpm)
                    found = (
                        chain.go_on(sound, native.dry, at, served.position) if served.ended is Ended.TO_JUDGE else None
                    )
                    latency, fault = self._answer(number, sound, found, latency, fault)
                    number, by_python = number + 1, True
                    continue
            by_python = True
            if not blocks.wait(number, _IDLE_SECONDS):
                self._receive()
                continue
            if blocks.asked_to - number > _MOST_BEHIND:
                number = blocks.asked_to - 1
            asked = blocks.take(number, sound)
            if asked is None:
                number += 1
                continue
            latency, fault = self._answer(number, sound, chain.run(sound, asked), latency, fault)
            number, done = number + 1, done + 1
            if done % _BLOCKS_BETWEEN_MESSAGES == 0:
                self._receive()

    def _answer(self, number: int, sound: Block, found: _Fault, latency: int, fault: _Fault) -> tuple[int, _Fault]:
        """Give a block, or say what is wrong with it; returns the latency and the fault that are known now."""
        chain = self.chain
        if found is None:
            if float(np.abs(sound).max()) < LOUDEST:  # what the guard had to cut is not music
                self.blocks.give(number, sound, chain.latency)
        elif found != fault:
            self._say(PluginFault(*found))
        if chain.latency != latency:
            self._say(LatencyChanged(chain.latency))
        return chain.latency, found

    def _native(self, sound: Block) -> NativeServer | None:
        """What answers without Python, where it has been built and every plugin of the chain can be run so."""
        library, plugins = library_file(), self.chain.native
        if not plugins or not library.exists():
            return None
        try:
            return NativeServer(library, self.blocks, plugins, sound, _MOST_BEHIND, _IDLE_SECONDS)
        except OSError:  # built for another system, or on one that lets no code be loaded from there
            return None

    def _first_block(self) -> int:
        """The oldest block that waits; where a host was there before, the next one: it may have died of the newest."""
        blocks = self.blocks
        if self.options.takes_over:
            return blocks.asked_to
        while not blocks.wait(0, _IDLE_SECONDS):
            self._receive()
        number = blocks.asked_to - 1
        scratch = np.zeros((BLOCK_FRAMES, CHANNELS), dtype=np.float32)
        while number > 0 and blocks.take(number - 1, scratch) is not None:
            number -= 1
        return number

    def _receive(self) -> None:
        self.pipe.flush()
        messages, connected = self.pipe.receive()
        if not connected:
            raise EOFError
        if messages:  # TakeState, the only one
            states = self.chain.states()
            too_large = tuple(at for at, state in enumerate(states) if len(state) > MOST_STATE_BYTES)
            self._say(StateTaken(tuple(b"" if at in too_large else s for at, s in enumerate(states)), too_large))

    def _say(self, message: FromHost) -> None:
        self.pipe.send(message)


class PluginHost(ChildProcess[HostOptions | None, ToHost, FromHost]):
    """The engine's handle on a host process; ``HostReady`` or ``HostFailed`` follows ``start``.

    One that may take any place is prepared without ``options``, which must be there before it is started.
    """

    def __init__(self, options: HostOptions | None = None) -> None:
        super().__init__("riffengine-plugins", host_main, options, finishes=False)

    @classmethod
    def spare(cls) -> PluginHost:
        """A process that waits for plugins, with all that it needs imported; ``OSError`` where there is no room."""
        host = cls()
        host.prepare(("riffengine.plugins.lv2",))
        return host


def _opener(module: str) -> Open:
    found: Open = importlib.import_module(module).open_plugin
    return found


def _redirect_output(path: str) -> None:
    """Send what plugins print to ``path``: the terminal belongs to the performer."""
    with contextlib.suppress(OSError):
        target = os.open(path or os.devnull, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(target, 1)
        os.dup2(target, 2)
        os.close(target)
