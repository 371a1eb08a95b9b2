"""WebFigures: how the web server is, as it says once a second and as health and metrics show it. Frozen."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class WebFigures:
    """``pid`` is 0 while no server runs; ``deaths`` counts its unasked ends and failed starts.

    The rest comes from the server itself: ``pages`` and ``listeners`` are connected, ``received`` commands came from
    pages, ``sent_bytes`` of audio went to listeners. ``waiting_packets`` is the longest queue of a listener, and
    ``dropped_packets`` were lost by those who read too slowly. ``lag_seconds`` is the longest delay of its event loop
    in the last second. ``refused`` counts connections for which there was no room, ``substitutes`` the answers of
    Riffusion's API that were no new loop. ``private_bytes`` is memory that no other process shares. ``icecast`` is
    whether an Icecast server takes the stream, ``None`` where none is asked to.
    """

    pid: int = 0
    deaths: int = 0
    pages: int = 0
    listeners: int = 0
    received: int = 0
    sent_bytes: int = 0
    waiting_packets: int = 0
    dropped_packets: int = 0
    lag_seconds: float = 0.0
    refused: int = 0
    substitutes: int = 0
    private_bytes: int = 0
    icecast: bool | None = None
