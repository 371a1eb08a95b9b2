"""What our servers have in common where they admit clients: the certificate they show, and the token they are given."""

from __future__ import annotations

import ssl

from riffengine.errors import ControlError


def server_tls(certificate: str, key: str, what: str, certificate_option: str, key_option: str) -> ssl.SSLContext:
    """What a server with the PEM file ``certificate`` speaks; ``key`` may be "" where it is in the same file.

    ``ControlError`` where they cannot be read or do not belong together; it calls the protocol ``what`` and names the
    options. A key with a passphrase is refused, since nobody could be asked for it.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key or None, password=lambda: "")
    except (OSError, ValueError) as error:  # ``ssl.SSLError`` is an ``OSError``
        reason = error.strerror or getattr(error, "reason", "") or error if isinstance(error, OSError) else error
        raise ControlError(
            f"{what} with {certificate}{f' and {key}' if key else ''} is not possible: {reason}; give a PEM "
            f"certificate with {certificate_option} and its key, without a passphrase, with {key_option}"
        ) from None
    return context


def bearer_token(authorization: str) -> str | None:
    """The token in a header ``Authorization``; ``None`` where it has none of the scheme ``Bearer`` (RFC 6750)."""
    scheme, _, given = authorization.partition(" ")
    return given.strip() if scheme.lower() == "bearer" else None
