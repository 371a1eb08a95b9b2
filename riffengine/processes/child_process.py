"""ChildProcess: a process of ours at the other end of a pipe; started, sent to, received from, ended.

The engine's handles on the renderer and on the player are this class with their own messages. No call waits for the
other process but ``join``; one thread only.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import select
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from importlib import import_module
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Generic, TypeVar

from riffengine.errors import RiffError
from riffengine.processes.loop_store import start_resource_tracker
from riffengine.processes.orphan import end_with_parent, outlive_parent

_KILL_SECONDS = 0.5  # a killed process is gone in milliseconds

Options = TypeVar("Options")
Sent = TypeVar("Sent")
Received = TypeVar("Received")


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
        self._connection: Connection | None = None
        self._spare: tuple[SpawnProcess, Connection] | None = None
        self._unsent: deque[Sent] = deque()

    def start(self) -> None:
        """Start the process and return at once; its first message follows by ``receive``.

        ``OSError`` when the system has no descriptor, process or memory for it; then nothing is left behind, and it may
        be tried again.
        """
        self.close()
        spare, self._spare = self._spare, None
        if spare is not None:
            process, connection = spare
            try:
                connection.send(self.options)
            except OSError:  # it has died; a new one does as well, later
                connection.close()
                _end(process)
            else:
                self._process, self._connection = process, connection
                return
        self._process, self._connection = self._spawn(self._target, self.options)

    def prepare(self, modules: tuple[str, ...] = ()) -> None:
        """Have a process wait for the next ``start``, with ``modules`` imported; one that has died is replaced.

        ``OSError`` as ``start``.
        """
        if self._spare is not None and not self._spare[0].is_alive():
            self.dismiss()
        if self._spare is None:
            self._spare = self._spawn(_wait_for_options, modules, self._target)

    def dismiss(self) -> None:
        """End the process that was prepared, if there is one."""
        spare, self._spare = self._spare, None
        if spare is not None:
            spare[1].close()
            _end(spare[0])

    def _spawn(self, target: Callable[..., None], *arguments: object) -> tuple[SpawnProcess, Connection]:
        context = get_context("spawn")
        ours, theirs = context.Pipe()
        body = (pickle.dumps((target, arguments)), _guard(), self._finishes, theirs)
        process = context.Process(target=_run_child, args=body, name=self._name, daemon=self._daemon)
        try:
            with terminal_signals_blocked():  # the child inherits it
                process.start()
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()  # so that either side sees the other's death as the end of the pipe
        return process, ours

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
        return len(self._unsent)

    def fileno(self) -> int:
        """The pipe's descriptor: readable when a message waits or the process ended. ``RiffError`` before a start."""
        if self._connection is None:
            raise RiffError(f"the process {self._name} has not been started; call start() first")
        return self._connection.fileno()

    def send(self, message: Sent) -> None:
        """Hand over a message in order; what the pipe does not take now goes with the next call."""
        self._unsent.append(message)
        self._flush()

    def receive(self) -> tuple[list[Received], bool]:
        """Everything that came since the last call, and whether the process still holds its end of the pipe.

        Never waits. The descriptor stays open until ``close``, so that an event loop can stop watching it first.
        """
        self._flush()
        messages: list[Received] = []
        if self._connection is None:
            return messages, False
        try:
            while self._connection.poll():
                messages.append(self._connection.recv())
        except (EOFError, OSError):  # OSError: it was killed within a message
            return messages, False
        return messages, True

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
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self._unsent.clear()

    def close(self) -> None:
        """Hang up, and end the process by force if it still runs. One that was prepared is kept for ``start``."""
        process = self._process
        self.hang_up()
        if process is not None:
            _end(process)
        self._process = None

    def _flush(self) -> None:
        while self._connection is not None and self._unsent and writable(self._connection):
            try:
                self._connection.send(self._unsent[0])
            except OSError:  # the process has gone; `receive` says so, after its last messages
                self._unsent.clear()
                return
            self._unsent.popleft()


def _guard() -> int:
    """The process with which a child ends while it imports; 0 where the thread that starts it may end before."""
    return os.getpid() if threading.current_thread() is threading.main_thread() else 0


def _run_child(body: bytes, parent: int, finishes: bool, connection: Connection) -> None:
    """The body of every child: import what ``body`` needs, and run it. For ``spawn``."""
    if parent:
        end_with_parent(parent)
    target, arguments = pickle.loads(body)  # imports the modules of both
    if target is _wait_for_options:
        arguments = (finishes, *arguments)
    elif finishes:
        outlive_parent()
    until_hung_up(target, *arguments, connection)


def until_hung_up(target: Callable[..., None], *arguments: object) -> None:
    """Run ``target``; where the engine has ended meanwhile, nobody is left to be told so."""
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        target(*arguments)


def _wait_for_options(
    finishes: bool, modules: tuple[str, ...], target: Callable[[Options, Connection], None], connection: Connection
) -> None:
    """The body of a process that was prepared: the modules of ``target`` are there, its options follow by the pipe."""
    for module in modules:
        import_module(module)
    if finishes:
        outlive_parent()
    try:
        options: Options = connection.recv()
    except (EOFError, OSError):  # it was not needed
        return
    target(options, connection)


def _end(process: SpawnProcess) -> None:
    process.kill()
    process.join(_KILL_SECONDS)


def writable(connection: Connection) -> bool:
    """Whether ``connection`` takes a message without waiting."""
    if sys.platform == "win32":
        return True
    poll = select.poll()  # select() knows descriptors up to 1023 alone
    poll.register(connection.fileno(), select.POLLOUT)
    return bool(poll.poll(0))


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
