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

from riffengine.web.app_files import APP_HEADERS, read_app

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
    headers: Mapping[str, str]


class StaticFiles:
    """Every file of ``folder`` by its path on the server; ``/`` is ``index.html``, ``/watch`` is ``watch.html``.

    ``app`` is the folder of another page that is served in place of ours, which is then at ``/play``.
    """

    def __init__(self, folder: Path = FOLDER, app: Path | None = None) -> None:
        self._files: dict[str, _File] = dict(_read_all(folder))
        for page, file in (("/", "/index.html"), ("/play", "/index.html"), ("/watch", "/watch.html")):
            if file in self._files:
                self._files[page] = self._files[file]
        if app is not None:
            self._files |= {path: _file(_page_name(path), body, APP_HEADERS) for path, body in read_app(app)}

    def find(self, path: str, headers: Mapping[str, str]) -> web.Response | None:
        """The answer to a GET of ``path``; ``None`` where there is no such file."""
        file = self._files.get(path)
        if file is None:
            return None
        answer = {"ETag": file.tag, "Cache-Control": "no-cache", "Vary": "Accept-Encoding", **file.headers}
        if headers.get("If-None-Match") == file.tag:
            return web.Response(status=HTTPStatus.NOT_MODIFIED, headers=answer)
        body = file.body
        if file.packed is not None and "gzip" in headers.get("Accept-Encoding", ""):
            body, answer["Content-Encoding"] = file.packed, "gzip"
        return web.Response(body=body, headers={**answer, "Content-Type": file.content_type})


def _read_all(folder: Path) -> Iterator[tuple[str, _File]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield "/" + path.relative_to(folder).as_posix(), _file(path.name, path.read_bytes(), {})


def _page_name(path: str) -> str:
    """The file that ``path`` of an app stands for: a page has no ending of its own."""
    name = path.rsplit("/", 1)[-1]
    return name if "." in name else "page.html"


def _file(name: str, body: bytes, headers: Mapping[str, str]) -> _File:
    ending = name[name.rfind(".") :]
    packed = gzip.compress(body, mtime=0) if ending in _TEXTS else None
    content_type = _TYPES.get(ending) or mimetypes.guess_type(name)[0] or "application/octet-stream"
    if ending in _TEXTS:
        content_type += "; charset=utf-8"
    tag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
    return _File(body, packed if packed and len(packed) < len(body) else None, content_type, tag, headers)
