"""Access: as whom a request comes, by its token, and the headers of every answer. Pure but for the file of tokens.

Which hosts and which other sites may ask at all is decided before, for all our servers alike, by
``http_server.origin``. Beyond loopback nobody is admitted without a token.
"""

from __future__ import annotations

import hmac
import secrets
import ssl
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from riffengine.control.osc.options import is_loopback
from riffengine.errors import ControlError
from riffengine.files.private_text import private_text
from riffengine.http_server.admission import bearer_token, server_tls
from riffengine.web.options import Role, WebOptions

_TOKEN_BYTES = 16
_SHORTEST_TOKEN = 16  # characters
_MOST_TOKEN_BYTES = 64 << 10

SECURITY_HEADERS: Mapping[str, str] = MappingProxyType(
    {
        "Content-Security-Policy": (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
            "media-src 'self' blob:; worker-src 'self'; font-src 'self'; manifest-src 'self'; frame-ancestors 'none'; "
            "base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types riffengine lit-html"
        ),
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Embedder-Policy": "require-corp",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Server": "riffengine",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Permissions-Policy": "midi=(self), microphone=(self), camera=(), geolocation=()",
    }
)
"""On every answer."""


def token_cookie(port: int) -> str:
    """The cookie that holds the token for the server on ``port``: browsers send one to all ports of a host."""
    return f"riffengine_token_{port}"


class Access:
    """Tells roles by the tokens of ``options``."""

    def __init__(self, options: WebOptions) -> None:
        self._tokens = dict(options.tokens)

    @property
    def needs_token(self) -> bool:
        """Whether a request without a token has no role."""
        return bool(self._tokens)

    def role(self, cookie: str, authorization: str) -> Role | None:
        """The role that the token of a request gives; ``None`` for a missing or wrong one."""
        if not self._tokens:
            return Role.PERFORMER
        given = bearer_token(authorization)
        token = cookie if given is None else given
        found = None
        for role in Role:  # all are compared, so that the time says nothing
            known = self._tokens.get(role, "")
            if known and hmac.compare_digest(known.encode(), token.encode("utf-8", "replace")):
                found = role
        return found


def tls_of(certificate: str, key: str) -> ssl.SSLContext | None:
    """What a server with these PEM files speaks, ``None`` for "" and "" (plain HTTP).

    ``ControlError`` where one is missing, cannot be read, or does not belong to the other. ``key`` may be in the file
    of the certificate; one with a passphrase is refused, since nobody could be asked for it.
    """
    if not certificate and not key:
        return None
    if not certificate:
        raise ControlError(f"the key {key} has no certificate; add --web-cert FILE (web: certificate: in a preset)")
    return server_tls(certificate, key, "HTTPS", "--web-cert", "--web-key")


def prepare_tokens(host: str, tokens: str | None) -> tuple[tuple[str, str], ...]:
    """Pairs of role and token: none for ``None``, new ones for "", else those of the file ``tokens``, made if missing.

    ``ControlError`` where there are none and ``host`` is not this machine alone, or where others can read the file.
    """
    if tokens is None:
        if not is_loopback(host):
            raise ControlError(
                f"the web page would be open to everyone who reaches {host}; add --web-tokens (web: tokens: in a "
                "preset), or listen on 127.0.0.1"
            )
        return ()
    if not tokens:
        return tuple(_new_tokens().items())
    return tuple(_tokens_of(Path(tokens)).items())


def _new_tokens() -> dict[str, str]:
    return {str(role): secrets.token_urlsafe(_TOKEN_BYTES) for role in Role}


def _tokens_of(path: Path) -> dict[str, str]:
    """Lines of ``role token``; the file is made with new ones if there is none."""
    text = private_text(
        path, _MOST_TOKEN_BYTES, lambda: "".join(f"{role} {token}\n" for role, token in _new_tokens().items())
    )
    pairs = dict(line.split() for line in text.split("\n") if len(line.split()) == 2)
    for role, token in pairs.items():
        if role not in set(Role) or len(token) < _SHORTEST_TOKEN:
            raise ControlError(
                f"{path}: each line is a role ({', '.join(Role)}) and a token of {_SHORTEST_TOKEN} characters or more"
            )
    if not pairs:
        raise ControlError(f"{path} holds no tokens; remove the file, and it is made anew")
    return pairs
