"""WebServer: the page, the control and audio sockets and the audio streams over HTTP. Runs in the web process.

``serve`` is its whole life. It reads the output from the tap and the performance from the engine's messages, and sends
commands to the engine; it holds nothing that a new server would not get again.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import re
from collections.abc import Mapping
from http import HTTPStatus
from multiprocessing.connection import Connection
from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import web

from riffengine.clock import SystemClock
from riffengine.control.osc.options import is_loopback
from riffengine.errors import ControlError, ServiceError
from riffengine.http_server.origin import OriginRules
from riffengine.http_server.server import BoundedServer
from riffengine.performance.command import Value
from riffengine.processes.audio_tap import AudioTap
from riffengine.processes.process_stats import read_process_stats
from riffengine.processes.web_figures import WebFigures
from riffengine.renderer.registry import family_of
from riffengine.transport.sync.source import SLOWEST_BPM
from riffengine.web.access import SECURITY_HEADERS, Access, tls_of, token_cookie
from riffengine.web.audio_routes import STREAMS, AudioRoutes
from riffengine.web.controls import Controls
from riffengine.web.engine_pipe import EnginePipe
from riffengine.web.history import History, file_name, flac_file
from riffengine.web.icecast import IcecastSource
from riffengine.web.invitation import invitation
from riffengine.web.lasting_parts import LastingParts
from riffengine.web.messages import Alive, Answered, Changes, Figures, Opened, Parameters, Told, ToWeb, WholeState
from riffengine.web.options import Role
from riffengine.web.process import WebStart
from riffengine.web.projection import Message, Projection
from riffengine.web.rendition_cache import RenditionCache
from riffengine.web.renditions import Renditions
from riffengine.web.responses import json_body, json_response, plain
from riffengine.web.riffusion_api import RiffusionApi
from riffengine.web.riffusion_routes import Handler, RiffusionRoutes
from riffengine.web.sharing import Sharing
from riffengine.web.sockets import open_socket
from riffengine.web.stage_routes import StageRoutes
from riffengine.web.static_files import StaticFiles
from riffengine.web.suggestions import Suggestions
from riffengine.web.vitals import LoopLag
from riffengine.web.vst_api import VstApi

_ALIVE_SECONDS = 1.0
_MOST_BARS = 64
_MOST_SAVES = 2  # at a time
_NOT_A_NAME = re.compile(r"[^a-z0-9-]+")
_LONGEST_AGENT = 24
_NO_ROOM = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})  # just now: another start may succeed


async def serve(start: WebStart, connection: Connection) -> None:
    """Serve until the engine has gone; ``ServiceError`` when the port cannot be opened."""
    tap = AudioTap.attach(start.tap)
    server = WebServer(start, tap, connection)
    try:
        await server.run()
    finally:
        tap.close()


class WebServer:
    """All of the web process, on its event loop."""

    def __init__(self, start: WebStart, tap: AudioTap, connection: Connection) -> None:
        self._start, self._tap, self._limits = start, tap, start.limits
        self._clock = SystemClock()
        self._access = Access(start.options)
        options = start.options
        self._http = BoundedServer(
            self._answer, options.host, options.port, limits=start.limits.connections,
            rules=OriginRules((options.host, *options.names), options.origins), headers=SECURITY_HEADERS,
            tls=tls_of(options.certificate, options.key),
        )  # fmt: skip
        self._history = History(tap)
        self._pipe = EnginePipe(connection, self._on_message, self._engine_ended)
        self._projection = Projection(start, tap.sample_rate)
        self._audio = AudioRoutes(tap, lambda: self._projection.grid, start.loop_beats, self._http, start.limits)
        self._sharing = Sharing(start.model, start.loop_beats, tap.sample_rate, start.parameters)
        self._controls = Controls(
            self._projection,
            self._pipe.send,
            self._clock,
            self._clock_message,
            Suggestions(family_of(start.model).vocabulary(start.model)),
            self._sharing,
            start.limits,
        )
        self._controls.guest = frozenset(start.options.guest)
        self._controls.invitation = invitation(start.options)
        cache = RenditionCache(start.cache, start.cache_mb) if start.cache else None
        self._renditions = Renditions(start.model, self._longest_loop_frames(), self._clock, cache=cache)
        api = RiffusionApi(start.model, start.loop_beats, tap, self._values, self._renditions)
        vst = VstApi(start.model, start.loop_beats, tap.sample_rate, self._values, self._renditions)
        self._riffusion = RiffusionRoutes(api, vst, options.origins, start.limits)
        self._icecast = self._icecast_source()
        self._stage = StageRoutes(start, tap, self._projection, self._controls, self._http)
        self._static = StaticFiles(app=Path(options.app) if options.app else None)
        self._lag = LoopLag()
        self._saving = 0
        self._ended = asyncio.Event()
        self._routes: Mapping[tuple[str, str], Handler] = {
            ("GET", "/ws/control"): self._control_socket,
            ("GET", "/ws/audio"): self._audio.socket,
            ("GET", "/api/welcome"): self._welcome,
            ("GET", "/save-last.flac"): self._save_last,
            **self._riffusion.handlers,
            **{("GET", path): self._audio.stream for path in STREAMS},
        }

    async def run(self) -> None:
        """Listen, and serve until the engine has gone."""
        options = self._start.options
        parts = LastingParts(self._tell, self._clock)
        parts.start("the sound", self._audio.feeds.run)
        parts.start("the history", self._history.run)
        parts.start("the measurement of delays", self._lag.run)
        for name, part in self._stage.parts.items():
            parts.start(name, part)
        if self._icecast is not None:
            parts.start("icecast", self._icecast.run)
        try:
            await self._http.start()
            self._pipe.open()
            url, note = self._url(self._http.port)
            self._pipe.send(Opened(url, self._http.port, note))
            while not self._ended.is_set():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._ended.wait(), _ALIVE_SECONDS)
                self._pipe.send(Alive(self._figures()))
        except OSError as error:
            if error.errno in _NO_ROOM:
                raise
            raise ServiceError(
                f"{options.host}:{options.port} cannot be opened: {error.strerror or error}; another program may use "
                "the port: choose one with --web PORT"
            ) from None
        finally:
            parts.stop()
            self._stage.close()
            await self._renditions.close()
            self._riffusion.vst.close()
            self._pipe.close()
            await self._http.stop()

    def _figures(self) -> WebFigures:
        feeds, stats = self._audio.feeds, read_process_stats(os.getpid())
        return WebFigures(
            pages=len(self._controls),
            listeners=len(feeds),
            received=self._controls.received,
            sent_bytes=feeds.sent_bytes,
            waiting_packets=feeds.longest_queue,
            dropped_packets=feeds.dropped,
            lag_seconds=self._lag.take(),
            refused=self._http.refused,
            substitutes=self._riffusion.substitutes,
            private_bytes=stats.private_bytes if stats is not None else 0,
            icecast=self._icecast.connected if self._icecast is not None else None,
        )

    def _icecast_source(self) -> IcecastSource | None:
        target = self._start.options.icecast
        if target is None:
            return None
        if target.codec not in self._audio.feeds.codecs:
            self._tell(f"icecast {target}: this machine has no libopus; use a mount that ends in .mp3")
            return None
        return IcecastSource(target, self._audio.feeds, self._start.name, self._tell)

    def _tell(self, text: str) -> None:
        self._pipe.send(Told(text))

    def _values(self) -> Mapping[str, Value]:
        return self._projection.values

    def _longest_loop_frames(self) -> int:
        return round(self._start.loop_beats * 60.0 / SLOWEST_BPM * self._tap.sample_rate)

    def _url(self, port: int) -> tuple[str, str]:
        """The address of the page, and a note about roles for the performer alone."""
        host = self._start.options.host
        shown = f"[{host}]" if ":" in host else "127.0.0.1" if host == "0.0.0.0" else host
        encrypted = bool(self._start.options.certificate)
        base = f"{'https' if encrypted else 'http'}://{shown}:{port}/"
        links = [f"{role}: {base}#token={token}" for role, token in self._start.options.tokens]
        if not links:
            return base, ""
        secure = "" if encrypted or is_loopback(host) else "  (no HTTPS: use it in a network that you trust)"
        return base, "  ".join(links) + secure

    # --- the engine -----------------------------------------------------------------------------------------------

    def _engine_ended(self) -> None:
        self._ended.set()

    def _on_message(self, message: ToWeb) -> None:
        if isinstance(message, Answered):
            self._controls.answered(message.number, message.reply)
            return
        if isinstance(message, Figures):
            self._stage.figures(message)
        if isinstance(message, WholeState):
            self._controls.forget_commands()
        if isinstance(message, Parameters):
            self._sharing.parameters = message.parameters
        before = self._projection.grid
        for_all = self._projection.handle(message)
        if for_all is not None:
            self._controls.broadcast(for_all)
        if isinstance(message, Parameters | Changes | WholeState):
            self._controls.plugins_changed()
        if self._projection.grid != before:
            self._audio.tell_grid(self._projection.grid, reset=self._projection.grid.bpm != before.bpm)

    def _clock_message(self) -> Message:
        """Which frame the player hands over now."""
        tapped = self._tap.read(self._tap.end, 0)
        frames = (
            (self._clock.now_ns() - tapped.host_ns) * self._tap.sample_rate // 1_000_000_000 if tapped.host_ns else 0
        )
        return {"frame": tapped.frame + max(0, min(frames, self._tap.sample_rate)), "rate": self._tap.sample_rate}

    # --- requests -------------------------------------------------------------------------------------------------

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a request, which is none of another site. Every answer has the security headers."""
        response = await self._found(request)
        if not response.prepared:
            for name, value in SECURITY_HEADERS.items():
                response.headers.setdefault(name, value)
            if not self._is_trustworthy(request):
                # A browser ignores it there, and says so in its console on every page.
                response.headers.pop("Cross-Origin-Opener-Policy")
        return response

    async def _found(self, request: web.BaseRequest) -> web.StreamResponse:
        """Find who answers."""
        headers = request.headers
        if request.method == "OPTIONS":
            return self._riffusion.preflight(request)
        if (request.method, request.path) == ("POST", "/api/login"):
            return await self._login(request)
        if request.method in ("GET", "HEAD") and (found := self._static.find(request.path, headers)) is not None:
            return found
        cookie = request.cookies.get(token_cookie(self._http.port), "")
        role = self._access.role(cookie, headers.get("Authorization", ""))
        if role is None:
            return plain(
                HTTPStatus.UNAUTHORIZED,
                "a token is needed, of this start; open the link that it has printed, or scan its code",
            )
        handler = self._routes.get((request.method, request.path)) or self._stage.find(request.method, request.path)
        if handler is None:
            known = {method for method, path in self._routes if path == request.path}
            status = HTTPStatus.METHOD_NOT_ALLOWED if known else HTTPStatus.NOT_FOUND
            return plain(status, "there is nothing at this path, or not for this method")
        return await handler(request, role)

    def _is_trustworthy(self, request: web.BaseRequest) -> bool:
        """Whether a browser takes the origin of ``request`` for trustworthy: HTTPS, or this machine."""
        host = urlsplit(f"//{request.headers.get('Host', '')}").hostname  # the rules have refused what is none
        return bool(self._start.options.certificate) or is_loopback(host or "")

    async def _login(self, request: web.BaseRequest) -> web.StreamResponse:
        """Turn a token into a cookie that scripts cannot read."""
        asked = await json_body(request, self._limits.body_bytes)
        if isinstance(asked, web.Response):
            return asked
        token = asked.get("token")
        role = self._access.role(str(token or ""), "")
        if role is None:
            return plain(HTTPStatus.UNAUTHORIZED, "this token is not known; it may be of an earlier start")
        response = json_response({"role": role})
        if self._access.needs_token:
            response.set_cookie(
                token_cookie(self._http.port), str(token), httponly=True, samesite="Strict", path="/",
                secure=bool(self._start.options.certificate),
            )  # fmt: skip
        return response

    async def _welcome(self, request: web.BaseRequest, role: Role) -> web.StreamResponse:
        return json_response(self._projection.welcome("", role, self._audio.socket_codecs))

    async def _save_last(self, request: web.BaseRequest, role: Role) -> web.StreamResponse:
        """The last bars as a file, named by what is heard."""
        asked, grid = request.query.get("bars", "8"), self._projection.grid
        if not (asked.isdecimal() and 1 <= int(asked) <= _MOST_BARS):
            return plain(HTTPStatus.BAD_REQUEST, f"bars must be a whole number from 1 to {_MOST_BARS}")
        if self._saving >= _MOST_SAVES:
            return plain(HTTPStatus.SERVICE_UNAVAILABLE, "others are saving; try again in a moment")
        try:
            excerpt = self._history.excerpt(int(asked), grid)
        except ControlError as error:
            return plain(HTTPStatus.CONFLICT, str(error))
        self._saving += 1
        try:
            body = await asyncio.to_thread(flac_file, excerpt.samples, self._tap.sample_rate)
        finally:
            self._saving -= 1
        name = file_name(self._projection.heard, int(asked), grid.bpm)
        return web.Response(
            body=body,
            content_type="audio/flac",
            headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
        )

    # --- sockets and streams --------------------------------------------------------------------------------------

    async def _control_socket(self, request: web.BaseRequest, role: Role) -> web.StreamResponse:
        if len(self._controls) >= self._limits.most_controls:
            return plain(HTTPStatus.SERVICE_UNAVAILABLE, f"{self._limits.most_controls} pages are open already")
        wire = await open_socket(request, self._http, self._limits.message_bytes)
        if isinstance(wire, web.Response):
            return wire
        agent = _NOT_A_NAME.sub("-", request.query.get("agent", "")[:_LONGEST_AGENT])
        await self._controls.serve(wire, role, self._audio.socket_codecs, agent)
        return wire
