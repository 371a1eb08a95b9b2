"""WebOptions: where the web server listens, whom it admits as what, and its limits. Frozen; no socket."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from riffengine.http_server.connections import ConnectionLimits
from riffengine.web.icecast_target import IcecastTarget

DEFAULT_PORT = 9480
CONNECTIONS = ConnectionLimits(in_all=512, per_address=256, lasting=400, lasting_per_address=200, answer_seconds=90.0)
"""One phone has two or three, a hall behind one router many; a loop for Riffusion's API may take 45 s."""


class Role(StrEnum):
    """What somebody at a page may do. Every role may listen and read everything."""

    PERFORMER = "performer"  # everything
    GUEST = "guest"  # vote for prompts, and set the parameters that the preset lists
    LISTENER = "listener"  # nothing more


@dataclass(frozen=True)
class WebOptions:
    """The options of the web server.

    ``tokens`` are pairs of role and secret; without any, everyone who reaches the server is a performer, which is
    allowed on loopback alone. ``names`` are further host names by which the server may be addressed, ``origins``
    further origins (``https://example.org``) whose pages may use it. ``guest`` lists the parameters that a guest may
    set. ``certificate`` and ``key`` are PEM files: with them the server speaks HTTPS alone.
    ``icecast`` is where a stream is sent besides. ``app`` is a folder with a page that is served at ``/`` in place of
    ours, such as Riffusion's app.
    """

    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    names: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    tokens: tuple[tuple[str, str], ...] = ()
    guest: tuple[str, ...] = ()
    certificate: str = ""
    key: str = ""
    icecast: IcecastTarget | None = None
    app: str = ""


@dataclass(frozen=True)
class WebLimits:
    """What one client, one address and all together may take of the server."""

    most_controls: int = 64  # control sockets
    most_listeners: int = 256  # audio sockets and streams together
    connections: ConnectionLimits = CONNECTIONS
    messages_per_second: float = 120.0  # of one control socket: two faders at a step for each frame of the screen
    burst_messages: float = 240.0
    message_bytes: int = 4096
    body_bytes: int = 65_536
    audio_body_bytes: int = 4 << 20  # of a recording as base64
    listener_seconds: float = 2.0  # of audio that wait for one slow listener; whole packets beyond it are dropped
    stalled_seconds: float = 10.0  # without reading anything, after which a listener is disconnected
