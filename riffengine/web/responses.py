"""The plain answers that the web server gives: JSON, a line of text, and the JSON body of a request."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

from aiohttp import web


def json_response(message: dict[str, Any]) -> web.Response:
    """``message`` as JSON that nobody keeps."""
    return web.json_response(message, headers={"Cache-Control": "no-store"})


def plain(status: HTTPStatus, text: str) -> web.Response:
    """A line for a person."""
    return web.Response(status=status, text=f"{text}\n", headers={"Cache-Control": "no-store"})


async def body_of(request: web.BaseRequest, most_bytes: int) -> bytes | web.Response:
    """The body of a POST, or the answer that refuses one of more than ``most_bytes``."""
    too_long = plain(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"at most {most_bytes} bytes")
    if (request.content_length or 0) > most_bytes:
        return too_long
    body = bytearray()
    while len(body) <= most_bytes and (piece := await request.content.read(1 << 16)):
        body += piece
    return too_long if len(body) > most_bytes else bytes(body)


async def json_body(request: web.BaseRequest, most_bytes: int) -> dict[str, Any] | web.Response:
    """The JSON object of a POST, or the answer that refuses it: another content type, too long, or no object.

    A page of another site can post any text without asking, but JSON as such only after a preflight.
    """
    if request.content_type != "application/json":
        return plain(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "the body must be application/json")
    body = await body_of(request, most_bytes)
    if isinstance(body, web.Response):
        return body
    try:
        asked = json.loads(body)
    except (ValueError, RecursionError):
        return plain(HTTPStatus.BAD_REQUEST, "the body is not JSON")
    return asked if isinstance(asked, dict) else plain(HTTPStatus.BAD_REQUEST, "the body is not a JSON object")
