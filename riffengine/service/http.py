"""MonitorServer: a small read-only HTTP server for health checks and metrics, in its own thread.

It builds every response from data that the engine has left there, so requests never use the engine's event loop,
however many there are; ``http_server`` bounds how many. Other modules may add paths.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from riffengine.errors import ServiceError

if TYPE_CHECKING:
    from aiohttp.web import BaseRequest, StreamResponse

    from riffengine.http_server.server import BoundedServer

MAX_CONNECTIONS = 32  # a watcher and a scraper use one each, and close it


@dataclass(frozen=True)
class Response:
    """What a path returns: the body, its content type (a MIME type with its charset) and the HTTP status."""

    body: bytes
    content_type: str = "application/json; charset=utf-8"
    status: HTTPStatus = HTTPStatus.OK


class MonitorServer:
    """Serves ``paths`` by GET on ``host:port`` (0: any free port). The server's thread calls the path's function.

    ``requests`` counts all requests, ``failures`` the responses that could not be built.
    """

    def __init__(self, paths: Mapping[str, Callable[[], Response]], host: str = "127.0.0.1", port: int = 9464) -> None:
        self.host, self.port = host, port
        self.requests = self.failures = 0
        self.server: BoundedServer | None = None
        self._paths = dict(paths)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop_event: asyncio.Event | None = None
        self._startup_done = threading.Event()
        self._error_text = ""
        self._thread = threading.Thread(target=self._run, name="monitor", daemon=True)

    @property
    def url(self) -> str:
        """The address of the server."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    def start(self, wait_seconds: float = 5.0) -> bool:
        """Open the port and wait up to ``wait_seconds`` (importing aiohttp is slow); whether that has finished."""
        self._thread.start()
        return self._startup_done.wait(wait_seconds)

    def is_listening(self) -> bool:
        """Whether the port is open; false while it is being opened. ``ServiceError`` when that has failed."""
        if self._error_text:
            raise ServiceError(self._error_text)
        return self._startup_done.is_set()

    def close(self) -> None:
        """Stop the server."""
        if self._loop is not None and self._stop_event is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stop_event.set)
            self._thread.join(2.0)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except OSError as error:
            self._error_text = (
                f"HTTP cannot listen on {self.url}: {error.strerror or error}; another program may use the port: "
                "choose another with --http-port, or switch HTTP off with --no-http"
            )
        except ImportError as error:
            self._error_text = f"no HTTP: aiohttp cannot be imported ({error}); install it for /health and /metrics"
        finally:
            self._startup_done.set()

    async def _serve(self) -> None:
        from riffengine.http_server.connections import ConnectionLimits
        from riffengine.http_server.server import BoundedServer

        self._loop, self._stop_event = asyncio.get_running_loop(), asyncio.Event()
        limits = ConnectionLimits(in_all=MAX_CONNECTIONS, per_address=MAX_CONNECTIONS, lasting=0)
        self.server = server = BoundedServer(self._respond, self.host, self.port, limits=limits)
        await server.start()
        try:
            self.port = server.port
            self._startup_done.set()
            await self._stop_event.wait()
        finally:
            await server.stop()

    async def _respond(self, request: BaseRequest) -> StreamResponse:
        from aiohttp import web

        self.requests += 1
        if request.method not in ("GET", "HEAD"):
            return web.Response(status=HTTPStatus.METHOD_NOT_ALLOWED, headers={"Allow": "GET, HEAD"})
        respond = self._paths.get(request.path)
        if respond is None:
            known = "\n".join(sorted(self._paths))
            return web.Response(
                status=HTTPStatus.NOT_FOUND, text=f"there is nothing at this path; the paths are:\n{known}\n"
            )
        try:
            response = respond()
        except Exception as error:  # noqa: BLE001 (the server must answer the next request; the failure is counted)
            self.failures += 1
            return web.Response(status=HTTPStatus.INTERNAL_SERVER_ERROR, text=f"{type(error).__name__}: {error}\n")
        headers = {"Content-Type": response.content_type, "Cache-Control": "no-store"}
        return web.Response(status=response.status, body=response.body, headers=headers)
