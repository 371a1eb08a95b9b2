"""A call in a process of its own with a time limit: what a plugin's code does there cannot harm the caller.

The child is forked from a small server process that has loaded Python and numpy but no plugin, which takes 10 ms
instead of 200 ms for a new interpreter.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal

from riffengine.clock import SystemClock
from riffengine.errors import PluginError, printable

_END_SECONDS = 0.5
_LONGEST = 10

Send = Callable[[object], None]
"""Sends one message to the parent; only frozen dataclasses, text and numbers."""


@dataclass(frozen=True)
class CallEnd:
    """What a child sent, in order, and how it ended.

    ``detail`` is the message of a ``PluginError`` for ``refused``, the signal or the exit status for ``crashed``, and
    what the child last wrote to standard error is in ``last_words``.
    """

    messages: tuple[object, ...]
    ended: Literal["done", "refused", "crashed", "hung"]
    detail: str = ""
    last_words: str = ""


@dataclass(frozen=True)
class _Done:
    refusal: str = ""


def call_in_child(function: Callable[..., None], arguments: tuple[Any, ...], seconds: float) -> CallEnd:
    """Run ``function(send, *arguments)`` in a child to its end, or kill it when it sends nothing for ``seconds``.

    Each message gives it that time again, up to 10 times as long in all: a child that gets little of a busy machine is
    not taken for one that hangs.
    ``function`` must be importable. The child has the environment of now, no core dumps, and its output goes nowhere.
    """
    methods = "forkserver" if sys.platform != "win32" else "spawn"
    context = get_context(methods)
    if methods == "forkserver":
        context.set_forkserver_preload(["riffengine.plugins.probe"])
    ours, theirs = context.Pipe(duplex=False)
    descriptor, name = tempfile.mkstemp(prefix="riffengine-plugin-")
    os.close(descriptor)
    errors = Path(name)
    process = context.Process(  # type: ignore[attr-defined]  # as above
        target=_child, args=(theirs, errors, dict(os.environ), function, arguments), daemon=True
    )
    try:
        process.start()
        theirs.close()
        messages, done = _messages(ours, seconds)
        process.join(_END_SECONDS)  # after its last message, or the end of its pipe, it is gone in milliseconds
        words = _last_line(errors)
        if done is not None:
            return CallEnd(tuple(messages), "refused" if done.refusal else "done", done.refusal, words)
        if process.is_alive():
            return CallEnd(tuple(messages), "hung", f"no sign of life for {seconds:g} s", words)
        return CallEnd(tuple(messages), "crashed", _exit_text(process.exitcode), words)
    finally:
        if process.is_alive():
            _kill(process.pid)
        process.join()
        ours.close()
        errors.unlink(missing_ok=True)


def _messages(connection: Connection, seconds: float) -> tuple[list[object], _Done | None]:
    clock = SystemClock()
    last_ns = clock.now_ns() + int(seconds * _LONGEST * 1e9)
    messages: list[object] = []
    while connection.poll(min(seconds, max(0.0, (last_ns - clock.now_ns()) / 1e9))):
        try:
            message = connection.recv()
        except (EOFError, OSError):
            break
        if isinstance(message, _Done):
            return messages, message
        messages.append(message)
    return messages, None


def _child(
    connection: Connection, errors: Path, environment: dict[str, str], function: Callable[..., None], arguments: Any
) -> None:
    """The child's whole life. It ends without the destructors of the plugin's libraries, which may crash."""
    os.environ.clear()  # the server's are those of its own start
    os.environ.update(environment)
    if hasattr(os, "setsid"):
        os.setsid()  # so that what the plugin starts ends with it
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1):
        os.dup2(nowhere, descriptor)
    os.dup2(os.open(errors, os.O_WRONLY | os.O_APPEND), 2)
    status = 1
    try:
        function(connection.send, *arguments)
        connection.send(_Done())
        status = 0
    except PluginError as problem:
        connection.send(_Done(str(problem)))
        status = 0
    except Exception as problem:  # noqa: BLE001  # a plugin's library may raise anything; the parent reports it
        sys.stderr.write(f"{type(problem).__name__}: {problem}\n")
        sys.stderr.flush()
    finally:
        connection.close()
        os._exit(status)


def _kill(pid: int | None) -> None:
    if pid is None:
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(pid, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)


def _exit_text(code: int | None) -> str:
    if code is not None and code < 0:
        return f"signal {-code}"
    return f"exit status {code}"


def _last_line(errors: Path) -> str:
    lines = errors.read_bytes()[-2000:].decode("utf-8", "replace").strip().splitlines()
    return printable(lines[-1]) if lines else ""
