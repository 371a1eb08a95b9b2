"""MonitorServer: a small HTTP server in a thread of its own, for health checks and metrics. It only reads.

Every answer is made from what the engine has left there, so a scraper, however eager, takes no turn of the engine's
event loop. Others may add paths.
"""

from __future__ import annotations

import asyncio
import ipaddress
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from riffengine.errors import ServiceError

if TYPE_CHECKING:
    from aiohttp.web import Request, StreamResponse


@dataclass(frozen=True)
class Answer:
    """What a path gives: the body in its type (a MIME type with its charset) and the status of HTTP."""

    body: bytes
    content_type: str = "application/json; charset=utf-8"
    status: HTTPStatus = HTTPStatus.OK


class MonitorServer:
    """Serves ``paths`` on ``host:port`` (0: a free one) by GET. Each is a call in the monitor's thread.

    ``requests`` counts what was asked, ``failures`` the answers that could not be made.
    """

    def __init__(self, paths: Mapping[str, Callable[[], Answer]], host: str = "127.0.0.1", port: int = 9464) -> None:
        self.host, self.port = host, port
        self.requests = self.failures = 0
        self._paths = dict(paths)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ending: asyncio.Event | None = None
        self._begun = threading.Event()
        self._problem = ""
        self._thread = threading.Thread(target=self._run, name="monitor", daemon=True)

    @property
    def url(self) -> str:
        """Where it is."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    def start(self, wait_seconds: float = 5.0) -> bool:
        """Open the port, and wait so long for it; whether it is settled. Loading the library takes its time."""
        self._thread.start()
        return self._begun.wait(wait_seconds)

    def settled(self) -> bool:
        """Whether the port is open, or false while it is on its way; ``ServiceError`` when it cannot be had."""
        if self._problem:
            raise ServiceError(self._problem)
        return self._begun.is_set()

    def close(self) -> None:
        """Answer no more."""
        if self._loop is not None and self._ending is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._ending.set)
            self._thread.join(2.0)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except OSError as error:
            self._problem = (
                f"HTTP cannot listen on {self.url}: {error.strerror or error}; another program may have the port: "
                "name another with --http-port, or none with --no-http"
            )
        except ImportError as error:
            self._problem = f"no HTTP: aiohttp cannot be loaded ({error}); install it for /health and /metrics"
        finally:
            self._begun.set()

    async def _serve(self) -> None:
        from aiohttp import web

        self._loop, self._ending = asyncio.get_running_loop(), asyncio.Event()
        application = web.Application(client_max_size=1024)
        application.router.add_route("GET", "/{path:.*}", self._answer)
        runner = web.AppRunner(application, access_log=None, keepalive_timeout=15.0, shutdown_timeout=0.5)
        await runner.setup()
        try:
            site = web.TCPSite(runner, self.host, self.port, backlog=32)
            await site.start()
            self.port = runner.addresses[0][1]
            self._begun.set()
            await self._ending.wait()
        finally:
            await runner.cleanup()

    async def _answer(self, request: Request) -> StreamResponse:
        from aiohttp import web

        self.requests += 1
        if not _is_named_as_here(request.host, self.host):
            # A page from elsewhere whose name was made to point here must not read along.
            return web.Response(status=HTTPStatus.FORBIDDEN, text="this address is not mine\n")
        make = self._paths.get(request.path)
        if make is None:
            known = "\n".join(sorted(self._paths))
            return web.Response(status=HTTPStatus.NOT_FOUND, text=f"nothing is here; there are:\n{known}\n")
        try:
            answer = make()
        except Exception as error:  # noqa: BLE001 (whatever it is, the next question must find an answer; counted)
            self.failures += 1
            return web.Response(status=HTTPStatus.INTERNAL_SERVER_ERROR, text=f"{type(error).__name__}: {error}\n")
        headers = {"Content-Type": answer.content_type, "Cache-Control": "no-store"}
        return web.Response(status=answer.status, body=answer.body, headers=headers)


def _is_named_as_here(host_header: str, bound: str) -> bool:
    name = host_header.rsplit(":", 1)[0] if not host_header.endswith("]") else host_header
    name = name.strip("[]").lower()
    if name in ("localhost", bound.lower()):
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
