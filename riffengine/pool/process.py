"""The pool process: to the engine it is a renderer process with several seats. It loads no model, so no torch."""

from __future__ import annotations

import asyncio
import signal
from multiprocessing.connection import Connection

from riffengine.pool.options import PoolOptions
from riffengine.processes.child_process import ChildProcess
from riffengine.processes.render_messages import FromRenderer, Shutdown, ToRenderer


def pool_main(options: PoolOptions, connection: Connection) -> None:
    """Body of the pool process. Ends on ``Shutdown``, or when the engine's end of the pipe closes."""
    from riffengine.pool.pipe_service import serve_pipe  # here: the engine needs none of what it imports

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the engine handles Ctrl-C: it fades out first
    asyncio.run(serve_pipe(options, connection))


class PoolProcess(ChildProcess[PoolOptions, ToRenderer, FromRenderer]):
    """The engine's handle on a pool process; ``Ready`` follows ``start`` when the first member is ready."""

    def __init__(self, options: PoolOptions) -> None:
        super().__init__("riffengine-pool", pool_main, options, parent=True)

    def stop(self, timeout: float = 2.0) -> None:
        """Ask it to end, then make it; its members end with it."""
        self.finish(Shutdown(), timeout)
