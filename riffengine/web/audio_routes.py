"""AudioRoutes: the audio socket and the streams for players, over HTTP. The server's event loop."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from http import HTTPStatus

from aiohttp import web

from riffengine.http_server.server import BoundedServer
from riffengine.processes.audio_tap import AudioTap
from riffengine.transport.beat_grid import BeatGrid
from riffengine.web.access import SECURITY_HEADERS
from riffengine.web.audio_socket import TARGET_SECONDS, format_text, grid_text
from riffengine.web.encoders import OpusEncoder, PcmEncoder, opus_library
from riffengine.web.feeds import EncoderMaker, Feeds
from riffengine.web.ogg import OggOpusEncoder
from riffengine.web.options import Role, WebLimits
from riffengine.web.responses import plain
from riffengine.web.sockets import bound_buffers, feed_socket, hang_up, open_socket
from riffengine.web.stream_encoders import FileStreamEncoder

_BUFFER_BYTES = 1 << 16  # of one listener, in the program and in the system each: 0.4 s of PCM, 0.6 s of FLAC
STREAMS = {
    "/stream.flac": ("flac", "audio/flac"),
    "/stream.ogg": ("ogg", "audio/ogg"),
    "/stream.mp3": ("mp3", "audio/mpeg"),
}


def audio_makers() -> Mapping[str, EncoderMaker]:
    """The codecs that this machine can make, best first."""
    makers: dict[str, EncoderMaker] = {}
    if opus_library() is not None:
        makers |= {"opus": OpusEncoder, "ogg": OggOpusEncoder}
    makers["pcm"] = PcmEncoder
    makers["flac"] = lambda rate, channels: FileStreamEncoder("FLAC", rate, channels)
    makers["mp3"] = lambda rate, channels: FileStreamEncoder("MP3", rate, channels)
    return makers


class AudioRoutes:
    """Serves the output that is in ``tap``. ``grid`` is the beat grid that rules now.

    ``socket_codecs`` are those of the audio socket, best first.
    """

    def __init__(
        self, tap: AudioTap, grid: Callable[[], BeatGrid], loop_beats: int, http: BoundedServer, limits: WebLimits
    ) -> None:
        self.feeds = Feeds(tap, audio_makers(), limits)
        self.socket_codecs = tuple(codec for codec in self.feeds.codecs if codec in TARGET_SECONDS)
        self._tap, self._grid, self._loop_beats, self._http, self._limits = tap, grid, loop_beats, http, limits

    def tell_grid(self, grid: BeatGrid, reset: bool) -> None:
        """Tell every listener by socket the new ``grid``; ``reset``: it has another tempo."""
        beats = self._loop_beats
        self.feeds.tell(self.socket_codecs, lambda encoder: grid_text(encoder, grid, beats, reset))

    async def socket(self, request: web.BaseRequest, role: Role) -> web.StreamResponse:
        """``/ws/audio``: packets of one codec, the format and the beat grid."""
        codec = request.query.get("codec", self.socket_codecs[0])
        if codec not in self.socket_codecs:
            codec = "pcm"
        if len(self.feeds) >= self._limits.most_listeners:
            return plain(HTTPStatus.SERVICE_UNAVAILABLE, f"{self._limits.most_listeners} listen already")
        bound_buffers(request, _BUFFER_BYTES)
        wire = await open_socket(request, self._http)
        if isinstance(wire, web.Response):
            return wire
        async with self.feeds.listener(codec) as (encoder, listener):
            await wire.send_str(format_text(codec, encoder, self._tap.channels, self._tap.sample_rate))
            await wire.send_str(grid_text(encoder, self._grid(), self._loop_beats, reset=True))
            await feed_socket(request, wire, listener.run, _BUFFER_BYTES)
        return wire

    async def stream(self, request: web.BaseRequest, role: Role) -> web.StreamResponse:
        """``/stream.…``: an endless file."""
        codec, content_type = STREAMS[request.path]
        if codec not in self.feeds.codecs:
            return plain(HTTPStatus.NOT_FOUND, "this machine has no libopus; use /stream.flac or /stream.mp3")
        if len(self.feeds) >= self._limits.most_listeners:
            return plain(HTTPStatus.SERVICE_UNAVAILABLE, f"{self._limits.most_listeners} listen already")
        if not self._http.make_lasting(request):
            return plain(HTTPStatus.SERVICE_UNAVAILABLE, "there are too many connections; try again later")
        response = web.StreamResponse(
            headers={
                "Content-Type": content_type,
                "Cache-Control": "no-store",
                "icy-name": "riffengine",
                **SECURITY_HEADERS,
            }
        )
        bound_buffers(request, _BUFFER_BYTES)
        await response.prepare(request)

        async def send(data: bytes | str) -> None:
            if isinstance(data, bytes):
                await response.write(data)

        async with self.feeds.listener(codec) as (encoder, listener):
            with contextlib.suppress(ConnectionError, TimeoutError):
                if encoder.head:
                    await response.write(encoder.head)
                await listener.run(send)
        hang_up(request)  # it has read too slowly, or has gone
        return response
