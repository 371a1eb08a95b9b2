"""StageRoutes: what a page needs to show and to draw music: the spectrum socket, pictures of loops, and drawings."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from importlib import resources
from pathlib import Path

from aiohttp import web

from riffengine.http_server.server import BoundedServer
from riffengine.processes.audio_tap import AudioTap
from riffengine.processes.loop_store import LoopStore
from riffengine.renderer.registry import family_of
from riffengine.web.controls import Controls
from riffengine.web.draw_route import DrawRoute
from riffengine.web.drawings import Drawings, drawings_folder, png_file
from riffengine.web.inference import SEED_IMAGES
from riffengine.web.lasting_parts import Part
from riffengine.web.loop_picture import loop_picture
from riffengine.web.loop_pictures import LoopPictures
from riffengine.web.messages import Figures
from riffengine.web.options import Role
from riffengine.web.process import WebStart
from riffengine.web.projection import Projection
from riffengine.web.responses import plain
from riffengine.web.sockets import bound_buffers, feed_socket, open_socket
from riffengine.web.spectrum_feed import SpectrumFeed

_MOST_WATCHERS = 64
_BUFFER_BYTES = 1 << 14  # of one watcher, in the program and in the system each: 2 s at 120 bpm
_LOOPS, _SEEDS = "/loops/", "/seeds/"
Handler = Callable[[web.BaseRequest, Role], Awaitable[web.StreamResponse]]


class StageRoutes:
    """Answers for ``find``; ``parts`` run as long as the server does. The server's event loop."""

    def __init__(
        self, start: WebStart, tap: AudioTap, projection: Projection, controls: Controls, http: BoundedServer
    ) -> None:
        self._http, self._limits = http, start.limits
        store = None
        if start.loops is not None:
            store = LoopStore.attach(start.loops.name, start.loops.slots, start.loops.slot_floats)
        self._pictures = LoopPictures(store, tap.sample_rate, lambda: tap.end)
        self._spectrum = SpectrumFeed(tap, lambda: projection.grid, start.limits.stalled_seconds)
        self._rate = tap.sample_rate
        takes_pictures = family_of(start.model).name == "riffusion"
        self._draw = DrawRoute(
            projection, controls, self._pictures, Drawings(drawings_folder()), start.loop_beats, takes_pictures
        )
        self._seeds = _seed_pictures()

    @property
    def parts(self) -> Mapping[str, Part]:
        """What the routes need while the server runs, by names for people."""
        return {"the spectrum": self._spectrum.run, "the pictures of loops": self._pictures.run}

    def close(self) -> None:
        """Detach from the engine's memory, after the parts were stopped."""
        self._pictures.close()

    def figures(self, message: Figures) -> None:
        """The engine says which loops and files are in use."""
        self._draw.files_in_use = message.files
        refs = [ref for deck in message.decks.values() for ref in (deck.loop, deck.coming) if ref is not None]
        self._pictures.use(refs, message.frame)

    def find(self, method: str, path: str) -> Handler | None:
        """Who answers ``method`` at ``path``; ``None``: nobody here."""
        if method == "POST" and path == "/draw":
            return self._draw.post
        if method != "GET":
            return None
        if path == "/ws/spectrum":
            return self._socket
        if path.startswith(_LOOPS):
            return self._loop
        return self._seed if path.startswith(_SEEDS) else None

    async def _socket(self, request: web.BaseRequest, role: Role) -> web.StreamResponse:
        """``/ws/spectrum``: columns of the spectrogram of what is played."""
        if len(self._spectrum) >= _MOST_WATCHERS:
            return plain(HTTPStatus.SERVICE_UNAVAILABLE, f"{_MOST_WATCHERS} watch already")
        bound_buffers(request, _BUFFER_BYTES)
        wire = await open_socket(request, self._http)
        if isinstance(wire, web.Response):
            return wire
        async with self._spectrum.watcher() as watcher:
            await feed_socket(request, wire, watcher.run, _BUFFER_BYTES)
        return wire

    async def _loop(self, request: web.BaseRequest, role: Role) -> web.StreamResponse:
        """``/loops/17``: its columns, stem by stem; ``/loops/17.png``: the picture of its mix, to be painted on."""
        number, dot, ending = request.path.removeprefix(_LOOPS).partition(".")
        if not (number.isdecimal() and len(number) < 12) or (dot and ending != "png"):
            return plain(HTTPStatus.NOT_FOUND, "a loop has a number; ask for one that the figures name")
        picture = self._pictures.find(int(number))
        if picture is None:  # not yet, or no longer: no error, since a browser writes each of those to its console
            return web.Response(status=HTTPStatus.NO_CONTENT, headers={"Cache-Control": "no-store"})
        if dot:
            content = await asyncio.to_thread(lambda: png_file(loop_picture(picture.mono, self._rate)))
            return web.Response(body=content, content_type="image/png", headers={"Cache-Control": "no-store"})
        return web.Response(
            body=picture.file(), content_type="application/octet-stream", headers={"Cache-Control": "no-store"}
        )

    async def _seed(self, request: web.BaseRequest, role: Role) -> web.StreamResponse:
        """``/seeds/og_beat.png``: a hand-drawn picture to start from, by Riffusion's name of it or by ours."""
        file = self._seeds.get(request.path.removeprefix(_SEEDS).removesuffix(".png"))
        if file is None:
            return plain(HTTPStatus.NOT_FOUND, f"there is no such picture; there are {', '.join(self._seeds)}")
        return web.Response(body=file, content_type="image/png", headers={"Cache-Control": "no-cache"})


def _seed_pictures() -> Mapping[str, bytes]:
    folder = Path(str(resources.files("riffengine") / "pictures" / "seed"))
    found = {path.stem: path.read_bytes() for path in sorted(folder.glob("*.png"))}
    return {**{name: found[ours] for name, ours in SEED_IMAGES.items()}, **found}
