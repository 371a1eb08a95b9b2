"""IcecastTarget: where a stream is sent, out of an address as people write it. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from riffengine.errors import ControlError

PASSWORD_VARIABLE = "RIFFENGINE_ICECAST_PASSWORD"
FORMATS = {".mp3": ("mp3", "audio/mpeg"), ".ogg": ("ogg", "application/ogg"), ".opus": ("ogg", "application/ogg")}
_SCHEMES = {"icecast": False, "http": False, "icecasts": True, "https": True}  # and whether it is encrypted
_PORT = 8000


@dataclass(frozen=True)
class IcecastTarget:
    """Where a stream goes. ``mount`` begins with a slash; its ending says which ``codec`` is sent."""

    host: str
    port: int
    mount: str
    user: str
    password: str = field(repr=False)
    encrypted: bool

    def __str__(self) -> str:
        return f"{self.host}:{self.port}{self.mount}"  # never the password

    @property
    def codec(self) -> str:
        """The codec of ``Feeds``."""
        return FORMATS[self.ending][0]

    @property
    def content_type(self) -> str:
        """The MIME type of the stream."""
        return FORMATS[self.ending][1]

    @property
    def ending(self) -> str:
        """Of the mount, with its dot."""
        return "." + self.mount.rsplit(".", 1)[-1]


def icecast_target(url: str, password: str = "") -> IcecastTarget:
    """The target in ``icecast://user:password@host:port/mount.mp3``; ``password`` is used where the URL has none.

    ``ControlError`` for what is none; its text never holds the password.
    """
    rule = f"use icecast://source:PASSWORD@HOST:PORT/MOUNT, where the mount ends in {', '.join(FORMATS)}"
    try:
        parts = urlsplit(url)
        port = parts.port or _PORT
    except ValueError:
        raise ControlError(f"the address of the Icecast server has no valid host and port; {rule}") from None
    if parts.scheme not in _SCHEMES or not parts.hostname or not parts.path.isprintable() or " " in parts.path:
        raise ControlError(f"the address of the Icecast server is not complete; {rule}")
    given = unquote(parts.password) if parts.password else password
    target = IcecastTarget(
        parts.hostname, port, parts.path, unquote(parts.username or "source"), given, _SCHEMES[parts.scheme]
    )
    if target.ending not in FORMATS:
        raise ControlError(f"{parts.path or '/'} does not say which format is to be sent; {rule}")
    if not given:
        raise ControlError(f"the Icecast server {target} needs a password; put it into {PASSWORD_VARIABLE}, or {rule}")
    return target
