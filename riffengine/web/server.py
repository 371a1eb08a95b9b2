"""WebServer: the page, the control and audio sockets and the audio streams over HTTP. Runs in the web process.

``serve`` is its whole life. It reads the output from the tap and the performance from the engine's messages, and sends
commands to the engine; it holds nothing that a new server would not get again.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from multiprocessing.connection import Connection
from typing import Any

from aiohttp import web

from riffengine.clock import SystemClock
from riffengine.control.osc.options import is_loopback
from riffengine.errors import ServiceError
from riffengine.http_server.server import BoundedServer
from riffengine.processes.audio_tap import AudioTap
from riffengine.renderer.registry import family_of
from riffengine.transport.beat_grid import BeatGrid
from riffengine.transport.sync.source import SLOWEST_BPM
from riffengine.web.access import SECURITY_HEADERS, TOKEN_COOKIE, Access
from riffengine.web.audio_socket import TARGET_SECONDS, format_text, grid_text
from riffengine.web.controls import Controls
from riffengine.web.encoders import OpusEncoder, PcmEncoder, opus_library
from riffengine.web.engine_pipe import EnginePipe
from riffengine.web.feeds import EncoderMaker, Feeds
from riffengine.web.messages import Alive, Answered, Opened, ToWeb, WholeState
from riffengine.web.ogg import OggOpusEncoder
from riffengine.web.options import Role
from riffengine.web.process import WebStart
from riffengine.web.projection import Message, Projection
from riffengine.web.renditions import Renditions
from riffengine.web.riffusion_api import PATH, RiffusionApi, wanted_format
from riffengine.web.static_files import StaticFiles
from riffengine.web.stream_encoders import FileStreamEncoder
from riffengine.web.suggestions import Suggestions

_ALIVE_SECONDS = 1.0
_HEARTBEAT_SECONDS = 20.0
_STREAMS = {
    "/stream.flac": ("flac", "audio/flac"),
    "/stream.ogg": ("ogg", "audio/ogg"),
    "/stream.mp3": ("mp3", "audio/mpeg"),
}
Handler = Callable[[web.BaseRequest, Role], Awaitable[web.StreamResponse]]


async def serve(start: WebStart, connection: Connection) -> None:
    """Serve until the engine has gone; ``ServiceError`` when the port cannot be opened."""
    tap = AudioTap.attach(start.tap)
    server = WebServer(start, tap, connection)
    try:
        await server.run()
    finally:
        tap.close()


def audio_makers() -> Mapping[str, EncoderMaker]:
    """The codecs that this machine can make, best first."""
    makers: dict[str, EncoderMaker] = {}
    if opus_library() is not None:
        makers |= {"opus": OpusEncoder, "ogg": OggOpusEncoder}
    makers["pcm"] = PcmEncoder
    makers["flac"] = lambda rate, channels: FileStreamEncoder("FLAC", rate, channels)
    makers["mp3"] = lambda rate, channels: FileStreamEncoder("MP3", rate, channels)
    return makers


class WebServer:
    """All of the web process, on its event loop."""

    def __init__(self, start: WebStart, tap: AudioTap, connection: Connection) -> None:
        self._start, self._tap, self._limits = start, tap, start.limits
        self._clock = SystemClock()
        self._access = Access(start.options)
        self._feeds = Feeds(tap, audio_makers(), start.limits)
        self._socket_codecs = tuple(codec for codec in self._feeds.codecs if codec in TARGET_SECONDS)
        self._pipe = EnginePipe(connection, self._on_message, self._engine_ended)
        self._projection = Projection(start, tap.sample_rate)
        self._controls = Controls(
            self._projection,
            self._pipe.send,
            self._clock,
            self._clock_message,
            Suggestions(family_of(start.model).vocabulary(start.model)),
            start.limits,
        )
        self._controls.guest = frozenset(start.options.guest)
        self._renditions = Renditions(start.model, self._longest_loop_frames(), self._clock)
        self._riffusion = RiffusionApi(
            start.model, start.loop_beats, tap, lambda: self._projection.values, self._renditions
        )
        options = start.options
        self._http = BoundedServer(
            self._answer, options.host, options.port, names=options.names, limits=start.limits.connections,
            origins=options.origins, headers=SECURITY_HEADERS,
        )  # fmt: skip
        self._static = StaticFiles()
        self._ended = asyncio.Event()
        self._routes: Mapping[tuple[str, str], Handler] = {
            ("GET", "/ws/control"): self._control_socket,
            ("GET", "/ws/audio"): self._audio_socket,
            ("GET", "/api/welcome"): self._welcome,
            ("POST", PATH): self._run_inference,
            ("POST", PATH.rstrip("/")): self._moved,
            **{("GET", path): self._stream for path in _STREAMS},
        }

    async def run(self) -> None:
        """Listen, and serve until the engine has gone."""
        options = self._start.options
        feeding = asyncio.get_running_loop().create_task(self._feeds.run())
        try:
            await self._http.start()
            self._pipe.open()
            url, note = self._url(self._http.port)
            self._pipe.send(Opened(url, self._http.port, note))
            while not self._ended.is_set():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._ended.wait(), _ALIVE_SECONDS)
                self._pipe.send(Alive(len(self._controls), len(self._feeds), self._controls.received))
        except OSError as error:
            raise ServiceError(
                f"{options.host}:{options.port} cannot be opened: {error.strerror or error}; another program may use "
                "the port: choose one with --web PORT"
            ) from None
        finally:
            feeding.cancel()
            await self._renditions.close()
            self._pipe.close()
            await self._http.stop()

    def _longest_loop_frames(self) -> int:
        return round(self._start.loop_beats * 60.0 / SLOWEST_BPM * self._tap.sample_rate)

    def _url(self, port: int) -> tuple[str, str]:
        """The address of the page, and a note about roles for the performer alone."""
        host = self._start.options.host
        shown = f"[{host}]" if ":" in host else "127.0.0.1" if host == "0.0.0.0" else host
        base = f"http://{shown}:{port}/"
        links = [f"{role}: {base}#token={token}" for role, token in self._start.options.tokens]
        if not links:
            return base, ""
        secure = "" if is_loopback(host) else "  (no HTTPS: use it in a network that you trust)"
        return base, "  ".join(links) + secure

    # --- the engine -----------------------------------------------------------------------------------------------

    def _engine_ended(self) -> None:
        self._ended.set()

    def _on_message(self, message: ToWeb) -> None:
        if isinstance(message, Answered):
            self._controls.answered(message.number, message.reply)
            return
        if isinstance(message, WholeState):
            self._controls.forget_commands()
        before = self._projection.grid
        for_all = self._projection.handle(message)
        if for_all is not None:
            self._controls.broadcast(for_all)
        if self._projection.grid != before:
            self._tell_grid(self._projection.grid, reset=self._projection.grid.bpm != before.bpm)

    def _tell_grid(self, grid: BeatGrid, reset: bool) -> None:
        beats = self._start.loop_beats
        self._feeds.tell(self._socket_codecs, lambda encoder: grid_text(encoder, grid, beats, reset))

    def _clock_message(self) -> Message:
        """Which frame the player hands over now."""
        tapped = self._tap.read(self._tap.end, 0)
        frames = (
            (self._clock.now_ns() - tapped.host_ns) * self._tap.sample_rate // 1_000_000_000 if tapped.host_ns else 0
        )
        return {"frame": tapped.frame + max(0, min(frames, self._tap.sample_rate)), "rate": self._tap.sample_rate}

    # --- requests -------------------------------------------------------------------------------------------------

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Find who answers a request, which is none of another site. Every answer has the security headers."""
        headers = request.headers
        if request.method == "OPTIONS":
            return self._finished(self._preflight(request))
        if (request.method, request.path) == ("POST", "/api/login"):
            return self._finished(await self._login(request))
        if request.method in ("GET", "HEAD") and (found := self._static.find(request.path, headers)) is not None:
            return self._finished(found)
        role = self._access.role(request.cookies.get(TOKEN_COOKIE, ""), headers.get("Authorization", ""))
        if role is None:
            return self._finished(_plain(HTTPStatus.UNAUTHORIZED, "a token is needed; open the link with #token="))
        handler = self._routes.get((request.method, request.path))
        if handler is None:
            known = {method for method, path in self._routes if path == request.path}
            status = HTTPStatus.METHOD_NOT_ALLOWED if known else HTTPStatus.NOT_FOUND
            return self._finished(_plain(status, "there is nothing at this path, or not for this method"))
        return self._finished(await handler(request, role))

    def _finished(self, response: web.StreamResponse) -> web.StreamResponse:
        if not response.prepared:
            response.headers.update(SECURITY_HEADERS)
        return response

    async def _login(self, request: web.BaseRequest) -> web.StreamResponse:
        """Turn a token into a cookie that scripts cannot read."""
        asked = await self._json(request)
        if isinstance(asked, web.Response):
            return asked
        token = asked.get("token")
        role = self._access.role(str(token or ""), "")
        if role is None:
            return _plain(HTTPStatus.UNAUTHORIZED, "this token is not known; it may be of an earlier start")
        response = _json({"role": role})
        if self._access.needs_token:
            response.set_cookie(TOKEN_COOKIE, str(token), httponly=True, samesite="Strict", path="/")
        return response

    async def _json(self, request: web.BaseRequest) -> dict[str, Any] | web.Response:
        """The JSON object of a POST, or why it is refused."""
        if request.content_type != "application/json":
            return _plain(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "the body must be application/json")
        if (request.content_length or 0) > self._limits.body_bytes:
            return _plain(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"at most {self._limits.body_bytes} bytes")
        body = await request.content.read(self._limits.body_bytes + 1)
        if len(body) > self._limits.body_bytes:
            return _plain(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"at most {self._limits.body_bytes} bytes")
        try:
            asked = json.loads(body)
        except (ValueError, RecursionError):
            return _plain(HTTPStatus.BAD_REQUEST, "the body is not JSON")
        return asked if isinstance(asked, dict) else _plain(HTTPStatus.BAD_REQUEST, "the body is not a JSON object")

    # --- Riffusion's API ---------------------------------------------------------------------------------------------

    async def _run_inference(self, request: web.BaseRequest, role: Role) -> web.StreamResponse:
        if role is not Role.PERFORMER:
            return _plain(HTTPStatus.FORBIDDEN, "only a performer has loops rendered")
        asked = await self._json(request)
        answer = asked
        if not isinstance(asked, web.Response):
            answer = await self._riffusion.answer(
                asked, wanted_format(request.query, request.headers.get("Accept", ""))
            )
        assert isinstance(answer, web.Response)
        answer.headers.update(self._cors(request))
        return answer

    async def _moved(self, request: web.BaseRequest, role: Role) -> web.StreamResponse:
        return web.Response(status=HTTPStatus.PERMANENT_REDIRECT, headers={"Location": PATH})

    def _preflight(self, request: web.BaseRequest) -> web.Response:
        """The answer to a browser that asks whether a page of a listed site may post to Riffusion's API."""
        cors = self._cors(request)
        if request.path.rstrip("/") != PATH.rstrip("/") or not cors:
            return _plain(HTTPStatus.METHOD_NOT_ALLOWED, "only pages of sites given by --web-origin may ask this")
        allowed = {
            "Access-Control-Allow-Methods": "POST",
            "Access-Control-Allow-Headers": "content-type, authorization",
        }
        return web.Response(status=HTTPStatus.NO_CONTENT, headers={**cors, **allowed, "Access-Control-Max-Age": "600"})

    def _cors(self, request: web.BaseRequest) -> Mapping[str, str]:
        origin = request.headers.get("Origin", "")
        if origin not in self._start.options.origins:
            return {}
        return {"Access-Control-Allow-Origin": origin, "Vary": "Origin"}

    async def _welcome(self, request: web.BaseRequest, role: Role) -> web.StreamResponse:
        return _json(self._projection.welcome("", role, self._socket_codecs))

    # --- sockets and streams --------------------------------------------------------------------------------------

    async def _control_socket(self, request: web.BaseRequest, role: Role) -> web.StreamResponse:
        if len(self._controls) >= self._limits.most_controls:
            return _plain(HTTPStatus.SERVICE_UNAVAILABLE, f"{self._limits.most_controls} pages are open already")
        wire = web.WebSocketResponse(
            max_msg_size=self._limits.message_bytes, heartbeat=_HEARTBEAT_SECONDS, compress=False, timeout=1.0
        )
        if not wire.can_prepare(request):
            return _plain(HTTPStatus.UPGRADE_REQUIRED, "this path is a WebSocket")
        if not self._http.make_lasting(request):
            return _plain(HTTPStatus.SERVICE_UNAVAILABLE, "there are too many connections; try again later")
        wire.headers.update(SECURITY_HEADERS)
        await wire.prepare(request)
        await self._controls.serve(wire, role, self._socket_codecs)
        return wire

    async def _audio_socket(self, request: web.BaseRequest, role: Role) -> web.StreamResponse:
        codec = request.query.get("codec", self._socket_codecs[0])
        if codec not in self._socket_codecs:
            codec = "pcm"
        if len(self._feeds) >= self._limits.most_listeners:
            return _plain(HTTPStatus.SERVICE_UNAVAILABLE, f"{self._limits.most_listeners} listen already")
        wire = web.WebSocketResponse(max_msg_size=256, heartbeat=_HEARTBEAT_SECONDS, compress=False, timeout=1.0)
        if not wire.can_prepare(request):
            return _plain(HTTPStatus.UPGRADE_REQUIRED, "this path is a WebSocket")
        if not self._http.make_lasting(request):
            return _plain(HTTPStatus.SERVICE_UNAVAILABLE, "there are too many connections; try again later")
        wire.headers.update(SECURITY_HEADERS)
        await wire.prepare(request)

        async def send(data: bytes | str) -> None:
            await (wire.send_bytes(data) if isinstance(data, bytes) else wire.send_str(data))

        async with self._feeds.listener(codec) as (encoder, listener):
            await wire.send_str(format_text(codec, encoder, self._tap.channels, self._tap.sample_rate))
            await wire.send_str(grid_text(encoder, self._projection.grid, self._start.loop_beats, reset=True))
            sending = asyncio.get_running_loop().create_task(listener.run(send))
            try:
                async for _ in wire:  # a listener says nothing; the loop ends when it goes
                    if sending.done():
                        break
            finally:
                await self._end_sending(sending, request)
        return wire

    async def _end_sending(self, sending: asyncio.Task[None], request: web.BaseRequest) -> None:
        sending.cancel()
        with contextlib.suppress(asyncio.CancelledError, ConnectionError, TimeoutError):
            await sending

    async def _stream(self, request: web.BaseRequest, role: Role) -> web.StreamResponse:
        codec, content_type = _STREAMS[request.path]
        if codec not in self._feeds.codecs:
            return _plain(HTTPStatus.NOT_FOUND, "this machine has no libopus; use /stream.flac or /stream.mp3")
        if len(self._feeds) >= self._limits.most_listeners:
            return _plain(HTTPStatus.SERVICE_UNAVAILABLE, f"{self._limits.most_listeners} listen already")
        if not self._http.make_lasting(request):
            return _plain(HTTPStatus.SERVICE_UNAVAILABLE, "there are too many connections; try again later")
        response = web.StreamResponse(
            headers={
                "Content-Type": content_type,
                "Cache-Control": "no-store",
                "icy-name": "riffengine",
                **SECURITY_HEADERS,
            }
        )
        await response.prepare(request)

        async def send(data: bytes | str) -> None:
            if isinstance(data, bytes):
                await response.write(data)

        async with self._feeds.listener(codec) as (encoder, listener):
            with contextlib.suppress(ConnectionError, TimeoutError):
                if encoder.head:
                    await response.write(encoder.head)
                await listener.run(send)
        if request.transport is not None:
            request.transport.abort()  # it has read too slowly, or has gone
        return response


def _json(message: Message) -> web.Response:
    return web.json_response(message, headers={"Cache-Control": "no-store"})


def _plain(status: HTTPStatus, text: str) -> web.Response:
    return web.Response(status=status, text=f"{text}\n", headers={"Cache-Control": "no-store"})
