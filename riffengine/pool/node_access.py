"""Who may use a node, and by which certificate it is known: the token file, TLS of both sides, and what is refused."""

from __future__ import annotations

import hmac
import secrets
import ssl
from pathlib import Path
from urllib.parse import urlsplit

from riffengine.control.osc.options import is_loopback
from riffengine.errors import ControlError, reason
from riffengine.files.private_text import private_text
from riffengine.http_server.admission import bearer_token, server_tls

_SHORTEST_TOKEN = 16  # characters
_MOST_TOKEN_BYTES = 4096
_TOKEN_BYTES = 24


def read_token(path: Path, make: bool = False) -> str:
    """The token in ``path``; with ``make``, a new one where there is no such file.

    ``ControlError`` where it cannot be read, others may read it, or it is too short.
    """
    new = (lambda: f"{secrets.token_urlsafe(_TOKEN_BYTES)}\n") if make else None
    token = private_text(path, _MOST_TOKEN_BYTES, new).strip()
    if len(token) < _SHORTEST_TOKEN or not token.isascii() or not token.isprintable() or " " in token:
        raise ControlError(f"{path} holds no token: {_SHORTEST_TOKEN} ASCII characters or more in one word are needed")
    return token


def admits(token: str, authorization: str) -> bool:
    """Whether the header ``authorization`` has ``token``; takes the same time for every wrong one."""
    given = bearer_token(authorization) or ""
    return hmac.compare_digest(given.encode("utf-8", "replace"), token.encode()) or not token


def node_tls(host: str, token: str, certificate: str, key: str) -> ssl.SSLContext | None:
    """What a node at ``host`` speaks; ``None`` is no TLS, on this machine alone.

    ``ControlError`` where it would be open to others without a token or in the clear, or the files cannot be used.
    """
    if not is_loopback(host) and not token:
        raise ControlError(f"everyone who reaches {host} could use this machine; add --token-file FILE")
    if not certificate:
        if key:
            raise ControlError(f"the key {key} has no certificate; add --cert FILE")
        if not is_loopback(host):
            raise ControlError(
                "the token would cross the network in the clear; add --cert FILE, or listen on 127.0.0.1"
            )
        return None
    return server_tls(certificate, key, "TLS", "--cert", "--key")


def check_url(url: str, token: str) -> None:
    """``ControlError`` where ``url`` is no address of a node, or would carry ``token`` in the clear."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if host is None or port is None or parts.scheme not in ("ws", "wss") or parts.path not in ("", "/"):
        raise ControlError(f"{url[:200]!r} is no address of a node; it is written wss://HOST:PORT")
    if parts.scheme == "ws" and not is_loopback(host):
        raise ControlError(f"{url} would be reached in the clear; write wss:// and start the node with --cert")
    if not token and not is_loopback(host):
        raise ControlError(f"{url} needs a token; name its file with token: in the section pool")


def trusting(certificate: str) -> ssl.SSLContext:
    """What a client of ``wss://`` trusts: ``certificate`` alone, or the authorities of the system for ""."""
    try:
        return ssl.create_default_context(cafile=certificate or None)
    except (OSError, ValueError) as error:
        raise ControlError(f"the certificate {certificate} cannot be read: {reason(error)}; give a PEM file") from None
