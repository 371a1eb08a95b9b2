"""The web server's process: an event loop with an HTTP server, and the engine's handle on it.

It is a process of its own, so that a hundred slow listeners, an encoder or a crash never touch the engine's loop.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from dataclasses import dataclass
from multiprocessing.connection import Connection

from riffengine.errors import ControlError, RiffError, ServiceError
from riffengine.performance.parameter_tree import Parameter
from riffengine.processes.child_process import ChildProcess
from riffengine.processes.heap import keep_heap_small
from riffengine.processes.loop_store import StoreName
from riffengine.web.messages import FromWeb, Refused, ToWeb
from riffengine.web.options import WebLimits, WebOptions

_MOST_DESCRIPTORS = 8192
_NICENESS = 2  # the player and the engine have priority, the renderer has not


@dataclass(frozen=True)
class WebStart:
    """Everything the web server is started with.

    ``tap`` is the shared memory with the output; ``parameters`` is the tree, in its order. ``cache`` is the folder in
    which the set's pool keeps up to ``cache_mb`` of loops, "" for none.
    """

    options: WebOptions
    tap: str
    name: str
    model: str
    loop_beats: int
    parameters: tuple[Parameter, ...]
    limits: WebLimits = WebLimits()  # noqa: RUF009 (frozen)
    loops: StoreName | None = None  # the memory that holds the loops, where there is one
    cache: str = ""
    cache_mb: float = 0.0


def web_main(start: WebStart, connection: Connection) -> None:
    """The body of the process (target of ``spawn``): serve until the engine ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the engine, which ends this process last
    with contextlib.suppress(OSError):
        os.nice(_NICENESS)
    _allow_many_connections()
    keep_heap_small()
    import asyncio

    from riffengine.web.server import serve  # here: aiohttp takes a third of a second, which the engine need not wait

    try:
        asyncio.run(serve(start, connection))
    except (ServiceError, ControlError) as error:
        _refuse(connection, str(error), for_good=True)
    except ImportError as error:
        _refuse(connection, f"{error}; install aiohttp", for_good=True)
    except (RiffError, OSError, MemoryError) as error:  # no descriptor or memory just now: the next one may have it
        _refuse(connection, str(error) or type(error).__name__, for_good=False)


def _refuse(connection: Connection, reason: str, for_good: bool) -> None:
    with contextlib.suppress(OSError):
        connection.send(Refused(reason, for_good))


def _allow_many_connections() -> None:
    """Let this process open as many descriptors as the system allows: a listener is one, and 1024 are usual."""
    if sys.platform == "win32":
        return
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _MOST_DESCRIPTORS)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


class WebProcess(ChildProcess[WebStart, ToWeb, FromWeb]):
    """The engine's handle on the web server; ``Opened`` or ``Refused`` follows ``start``."""

    def __init__(self, start: WebStart) -> None:
        super().__init__("riffengine-web", web_main, start, parent=True)
