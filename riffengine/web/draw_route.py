"""DrawRoute: a picture or a sound that a page sends becomes what a deck starts from (its ``init``).

The body is the file itself. Its content type tells what it is, and no page of another site can send one of these types
without a preflight, which is refused. No name comes from the wire.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from aiohttp import web

from riffengine.errors import AudioFileError, ControlError, PictureError
from riffengine.performance.command import Accepted
from riffengine.web.controls import Controls
from riffengine.web.drawings import MOST_BYTES, Drawings, flac_of, png_file, read_drawing, read_sound
from riffengine.web.loop_pictures import LoopPicture, LoopPictures
from riffengine.web.options import Role
from riffengine.web.painted_sound import painted_sound
from riffengine.web.projection import Projection
from riffengine.web.responses import body_of, json_response, plain

SOURCE = "web:draw"
_PICTURES = frozenset(("image/png", "image/jpeg"))
_SOUNDS = frozenset(("audio/wav", "audio/x-wav", "audio/flac", "audio/x-flac", "audio/ogg", "audio/mpeg"))
_MOST_AT_ONCE = 2
_ANSWER_SECONDS = 5.0


@dataclass(frozen=True)
class _Wish:
    """``loop`` is the number of the loop that was painted on, "" for none."""

    deck: str
    strength: float
    loop: str


class DrawRoute:
    """``POST /draw``. ``takes_pictures``: the model starts from pictures; else they become sound here.

    The server's event loop; what takes long is done in threads.
    """

    def __init__(
        self, projection: Projection, controls: Controls, pictures: LoopPictures, drawings: Drawings, loop_beats: int,
        takes_pictures: bool,
    ) -> None:  # fmt: skip
        self._projection, self._controls, self._pictures = projection, controls, pictures
        self._drawings, self._loop_beats, self._takes_pictures = drawings, loop_beats, takes_pictures
        self._at_work = 0
        self.files_in_use: frozenset[str] = frozenset()  # as the engine said last

    async def post(self, request: web.BaseRequest, role: Role) -> web.StreamResponse:
        """Check everything, then set strength and init; the answer tells the beat on which it lands."""
        if role is not Role.PERFORMER:
            return plain(HTTPStatus.FORBIDDEN, "only a performer draws")
        kind = request.content_type
        if kind not in _PICTURES | _SOUNDS:
            return plain(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "the body must be a PNG or JPEG picture, or a WAV, FLAC, Ogg or MP3"
            )
        wish = self._wish(request.query)
        if isinstance(wish, str):
            return plain(HTTPStatus.BAD_REQUEST, wish)
        if self._at_work >= _MOST_AT_ONCE:
            return plain(HTTPStatus.SERVICE_UNAVAILABLE, "others are drawing; try again in a moment")
        self._at_work += 1
        try:
            content = await body_of(request, MOST_BYTES)
            if isinstance(content, web.Response):
                return content
            picture = self._pictures.find(int(wish.loop)) if wish.loop else None
            made, ending = await asyncio.to_thread(self._made, kind, content, picture)
            path = await asyncio.to_thread(self._drawings.put, made, ending, self._used())
            return await self._set(wish, path, kind)
        except (AudioFileError, PictureError) as error:
            return plain(HTTPStatus.UNPROCESSABLE_ENTITY, str(error))
        except ControlError as error:
            return plain(HTTPStatus.CONFLICT, str(error))
        finally:
            self._at_work -= 1

    def _wish(self, query: Mapping[str, str]) -> _Wish | str:
        """What the address asks for, or why not."""
        deck, strength, loop = query.get("deck", ""), query.get("strength", "0.5"), query.get("loop", "")
        if f"deck/{deck}/init" not in self._projection.values:
            return "deck must be one of the set's, such as ?deck=a"
        if loop and not (loop.isdecimal() and len(loop) < 12):
            return "loop must be the number of a loop that the figures name"
        try:
            share = float(strength)
        except ValueError:
            share = -1.0
        if not 0.0 <= share < 1.0:
            return "strength must be a number from 0 to below 1; at 1 nothing of the drawing would be left"
        return _Wish(deck, share, loop)

    def _made(self, kind: str, content: bytes, picture: LoopPicture | None) -> tuple[bytes, str]:
        """The file that is kept, and its ending. In a thread."""
        if kind in _SOUNDS:
            return read_sound(content), ".flac"
        levels = read_drawing(content)
        if self._takes_pictures:
            return png_file(levels), ".png"
        grid = self._projection.grid
        base = picture.mono if picture is not None else None
        sound = painted_sound(levels, base, grid.loop_frames(self._loop_beats), grid.sample_rate)
        return flac_of(sound, grid.sample_rate), ".flac"

    def _used(self) -> list[str]:
        """The files that must stay: those of decks, which may be newer than what the engine said, scenes and undo."""
        now = (str(value) for path, value in self._projection.values.items() if path.endswith("/init") and value)
        return [*self.files_in_use, *now]

    async def _set(self, wish: _Wish, path: Path, kind: str) -> web.StreamResponse:
        answer = None
        for control, value in (("strength", wish.strength), ("init", str(path))):
            reply = await self._controls.ask(f"deck/{wish.deck}/{control}", value, SOURCE, _ANSWER_SECONDS)
            if not isinstance(reply, Accepted):
                return plain(HTTPStatus.CONFLICT, reply.reason)
            answer = self._projection.answer(None, reply)
        assert answer is not None
        return json_response({"init": path.name, "kind": kind, "landing": answer["landing"], "note": answer["note"]})
