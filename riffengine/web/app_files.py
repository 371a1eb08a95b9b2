"""The files of another page that is served in place of ours, such as a static export of Riffusion's app.

They are read once, so no name from the wire becomes a path. What is hidden, leads out of the folder or is no regular
file is left out; number and size are bounded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from riffengine.errors import ControlError
from riffengine.files.regular import is_file, read_regular

MOST_FILES = 4096
MOST_BYTES = 128 << 20  # of all together; the export of Riffusion's app has 28 MB

APP_HEADERS: Mapping[str, str] = MappingProxyType(
    {
        "Content-Security-Policy": (
            "default-src 'none'; script-src 'self' 'unsafe-inline' blob:; style-src 'self' 'unsafe-inline'; "
            "img-src 'self' data: blob:; media-src 'self' data: blob:; font-src 'self' data:; "
            "connect-src 'self' data: blob:; worker-src 'self' blob:; manifest-src 'self'; frame-ancestors 'none'; "
            "base-uri 'none'; form-action 'none'"
        )
    }
)
"""In place of ours: such apps have scripts and styles within the page, and their clips are data addresses."""


def check_app(folder: Path) -> None:
    """``ControlError`` where ``folder`` holds no page. Reads nothing."""
    if not is_file(folder / "index.html"):
        raise ControlError(
            f"{folder} holds no index.html, so it is no page that could be served; name the folder that the static "
            "export of the app has written (docs/riffusion-app.md)"
        )


def read_app(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every file of ``folder`` by its path on the server, ``/`` and a path without ``.html`` among them.

    ``ControlError`` where it holds no page, too much, or what cannot be read.
    """
    check_app(folder)
    root, left, files = folder.resolve(), MOST_BYTES, 0
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if any(part.startswith(".") for part in relative.parts) or not path.is_file():
            continue
        if not path.resolve().is_relative_to(root):
            continue
        files += 1
        try:
            body = read_regular(path, left)
        except OSError as error:
            raise ControlError(
                f"{path} cannot be served: {error.strerror or error}; an app may have {MOST_BYTES >> 20} MB in all"
            ) from None
        left -= len(body)
        if files > MOST_FILES:
            raise ControlError(f"{folder} holds more than {MOST_FILES} files; name the folder of the static export")
        for name in _names(relative.as_posix()):
            yield name, body


def _names(relative: str) -> tuple[str, ...]:
    """The paths on the server of one file: a page is also asked for without its ending."""
    if relative == "index.html":
        return "/", "/index.html"
    if relative.endswith("/index.html"):
        folder = "/" + relative.removesuffix("/index.html")
        return "/" + relative, folder, folder + "/"
    if relative.endswith(".html"):
        return "/" + relative, "/" + relative.removesuffix(".html")
    return ("/" + relative,)
