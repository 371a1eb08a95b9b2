"""ChildProcess: a process of ours at the other end of a pipe; started, sent to, received from, ended.

The engine's handles on the renderer and on the player are this class with their own messages. No call waits for the
other process to read, write or import, whatever the size of a message; ``join`` and ``finish`` wait for its end, and
``close`` and ``dismiss`` for that of one that was killed, half a second at most. One thread only.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from importlib import import_module
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Generic, TypeVar

from riffengine.errors import RiffError
from riffengine.processes.loop_store import start_resource_tracker
from riffengine.processes.message_pipe import MessagePipe
from riffengine.processes.orphan import end_with_parent, outlive_parent

_KILL_SECONDS = 0.5  # a killed process is gone in milliseconds

Options = TypeVar("Options")
Sent = TypeVar("Sent")
Received = TypeVar("Received")

_Pipe = MessagePipe[object, Received]  # sends the options, then the messages


class ChildProcess(Generic[Options, Sent, Received]):
    """A process that runs ``target(options, connection)``. ``start`` may be called again after it has ended.

    ``name`` is what the operating system and error messages call it. ``parent``: it may start processes of its own, and
    ends by itself when its pipe does. ``finishes``: it has something to finish when we have been killed, as a file has;
    one that has nothing is killed by the system then, whatever it does. ``prepare`` starts a process ahead, which the
    next ``start`` uses: what takes most of the time of a start, a quarter of a second of imports and seconds on a busy
    machine, is then done.
    """

    def __init__(
        self,
        name: str,
        target: Callable[[Options, Connection], None],
        options: Options,
        parent: bool = False,
        finishes: bool = True,
    ) -> None:
        self.options = options
        self._daemon, self._finishes = not parent, finishes
        self._name, self._target = name, target
        self._process: SpawnProcess | None = None
        self._pipe: _Pipe[Received] | None = None
        self._spare: tuple[SpawnProcess, _Pipe[Received]] | None = None

    def start(self) -> None:
        """Start the process and return at once; its first message follows by ``receive``.

        ``OSError`` when the system has no descriptor, process or memory for it; then nothing is left behind, and it may
        be tried again.
        """
        self.close()
        spare, self._spare = self._spare, None
        if spare is not None:
            spare[1].send(self.options)
            if spare[1].open:
                self._process, self._pipe = spare
                return
            spare[1].close()  # it has died; a new one does as well, later
            _end(spare[0])
        self._process, self._pipe = self._spawn()
        self._pipe.send(self.options)

    def prepare(self, modules: tuple[str, ...] = ()) -> None:
        """Have a process wait for the next ``start``, with ``modules`` imported; one that has died is replaced.

        ``OSError`` as ``start``.
        """
        if self._spare is not None and not self._spare[0].is_alive():
            self.dismiss()
        if self._spare is None:
            self._spare = self._spawn(modules)

    def dismiss(self) -> None:
        """End the process that was prepared, if there is one."""
        spare, self._spare = self._spare, None
        if spare is not None:
            spare[1].close()
            _end(spare[0])

    def _spawn(self, modules: tuple[str, ...] = ()) -> tuple[SpawnProcess, _Pipe[Received]]:
        """A process that imports ``modules`` and waits for its options.

        They follow by the pipe, for ``Process.start`` hands over at most 64 KiB at once: it would wait for the
        interpreter of the new process to read the rest, a fifth of a second and more.
        """
        context = get_context("spawn")
        ours, theirs = context.Pipe()
        body = (pickle.dumps((modules, self._target)), _guard(), self._finishes, theirs)
        process = context.Process(target=_run_child, args=body, name=self._name, daemon=self._daemon)
        try:
            with terminal_signals_blocked():  # the child inherits it
                process.start()
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()  # so that either side sees the other's death as the end of the pipe
        return process, MessagePipe(ours)

    @property
    def prepared(self) -> bool:
        """Whether a process waits for the next ``start``."""
        return self._spare is not None and self._spare[0].is_alive()

    @property
    def started(self) -> bool:
        """Whether there is a process, alive or dead, that ``close`` has not been called for."""
        return self._process is not None

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.is_alive()

    @property
    def pid(self) -> int | None:
        """Process id, ``None`` before the first start."""
        return None if self._process is None else self._process.pid

    @property
    def exit_code(self) -> int | None:
        """What the process ended with, minus the signal where one ended it; ``None`` while it runs."""
        return None if self._process is None else self._process.exitcode

    @property
    def unsent(self) -> int:
        """How many messages wait because the process does not read."""
        return 0 if self._pipe is None else self._pipe.unsent

    def fileno(self) -> int:
        """The pipe's descriptor: readable when a message waits or the process ended. ``RiffError`` before a start."""
        if self._pipe is None:
            raise RiffError(f"the process {self._name} has not been started; call start() first")
        return self._pipe.fileno()

    def send(self, message: Sent) -> None:
        """Hand over a message in order; what the pipe does not take now goes with a later call.

        One to a process that has ended, or was not started, is lost: ``receive`` tells so, after its last messages.
        """
        if self._pipe is not None:
            self._pipe.send(message)

    def flush(self) -> None:
        """Send what the pipe did not take, of the options too; ``receive`` does the same."""
        if self._pipe is not None:
            self._pipe.flush()

    def receive(self) -> tuple[list[Received], bool]:
        """Everything that came since the last call, and whether the process still holds its end of the pipe.

        Flushes, too. The descriptor stays open until ``close``, so that an event loop can stop watching it first.
        """
        if self._pipe is None:
            return [], False
        self._pipe.flush()
        return self._pipe.receive()

    def join(self, timeout: float) -> bool:
        """Wait at most ``timeout`` seconds for its end; whether it has ended."""
        if self._process is not None:
            self._process.join(timeout)
        return not self.alive

    def terminate(self) -> None:
        """Ask it to end by a signal."""
        if self._process is not None:
            self._process.terminate()

    def kill(self) -> None:
        """End it by force; its death is noticed like any other."""
        if self._process is not None:
            self._process.kill()

    def finish(self, farewell: Sent, timeout: float) -> None:
        """Ask it to end by ``farewell``, wait at most ``timeout`` seconds for it, then end it by force."""
        self.send(farewell)
        self.join(timeout)
        self.close()

    def hang_up(self) -> None:
        """Close the pipe and leave the end to the process; ``join`` and ``close`` may follow."""
        if self._pipe is not None:
            self._pipe.close()
            self._pipe = None

    def close(self) -> None:
        """Hang up, and end the process by force if it still runs. One that was prepared is kept for ``start``."""
        process = self._process
        self.hang_up()
        if process is not None:
            _end(process)
        self._process = None


def _guard() -> int:
    """The process with which a child ends while it imports; 0 where the thread that starts it may end before."""
    return os.getpid() if threading.current_thread() is threading.main_thread() else 0


def _run_child(body: bytes, parent: int, finishes: bool, connection: Connection) -> None:
    """The body of every child: import what ``body`` names, wait for the options, run the target. For ``spawn``."""
    if parent:
        end_with_parent(parent)
    modules, target = pickle.loads(body)  # imports the module of the target
    for module in modules:
        import_module(module)
    if finishes:
        outlive_parent()
    try:
        options = connection.recv()
    except (EOFError, OSError):  # it was not needed
        return
    until_hung_up(target, options, connection)


def until_hung_up(target: Callable[..., None], *arguments: object) -> None:
    """Run ``target``; where the engine has ended meanwhile, nobody is left to be told so."""
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        target(*arguments)


def _end(process: SpawnProcess) -> None:
    process.kill()
    process.join(_KILL_SECONDS)


@contextlib.contextmanager
def terminal_signals_blocked() -> Iterator[None]:
    """Keep SIGINT and SIGHUP from this thread and from the processes that it starts; other threads still receive them.

    A terminal sends them to every process of its group: Ctrl-C while a child imports would end it with a traceback, and
    a terminal that is closed would end the player before the fade. The engine alone decides.
    """
    if sys.platform == "win32":
        yield
        return
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    try:
        start_resource_tracker()  # started later, by ``Process.start``, it would unblock SIGINT again
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
