"""StaticFiles: the files of the page, read once. No name from the wire ever becomes a path."""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from aiohttp import web

FOLDER = Path(__file__).parent / "static"
_TYPES = {".js": "text/javascript", ".css": "text/css", ".html": "text/html", ".svg": "image/svg+xml"}
_TYPES |= {".webmanifest": "application/manifest+json", ".json": "application/json", ".txt": "text/plain"}
_TEXTS = frozenset((".js", ".css", ".html", ".svg", ".json", ".txt", ".webmanifest"))


@dataclass(frozen=True)
class _File:
    body: bytes
    packed: bytes | None  # gzip, where it is smaller
    content_type: str
    tag: str


class StaticFiles:
    """Every file of ``folder`` by its path on the server; ``/`` is ``index.html``, ``/watch`` is ``watch.html``."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._files: dict[str, _File] = dict(_read_all(folder))
        for page, file in (("/", "/index.html"), ("/watch", "/watch.html")):
            if file in self._files:
                self._files[page] = self._files[file]

    def find(self, path: str, headers: Mapping[str, str]) -> web.Response | None:
        """The answer to a GET of ``path``; ``None`` where there is no such file."""
        file = self._files.get(path)
        if file is None:
            return None
        answer = {"ETag": file.tag, "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
        if headers.get("If-None-Match") == file.tag:
            return web.Response(status=HTTPStatus.NOT_MODIFIED, headers=answer)
        body = file.body
        if file.packed is not None and "gzip" in headers.get("Accept-Encoding", ""):
            body, answer["Content-Encoding"] = file.packed, "gzip"
        return web.Response(body=body, headers={**answer, "Content-Type": file.content_type})


def _read_all(folder: Path) -> Iterator[tuple[str, _File]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            body, ending = path.read_bytes(), path.suffix
            packed = gzip.compress(body, mtime=0) if ending in _TEXTS else None
            content_type = _TYPES.get(ending) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
            if ending in _TEXTS:
                content_type += "; charset=utf-8"
            tag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
            yield (
                "/" + path.relative_to(folder).as_posix(),
                _File(body, packed if packed and len(packed) < len(body) else None, content_type, tag),
            )
