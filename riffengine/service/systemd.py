"""SystemdNotifier: the word to systemd that all is well. Source: sd_notify(3): datagrams of ``NAME=value`` lines.

Without ``NOTIFY_SOCKET`` in the environment nobody listens and nothing is sent.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

_PINGS_PER_TIMEOUT = 4  # systemd advises two at least; a busy machine may lose one


class SystemdNotifier:
    """Speaks to whoever supervises this process; never waits, never raises. What could not be sent is ``unsent``.

    ``watchdog_seconds`` is how long it waits for a sign of life, 0 for ever.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.unsent = 0
        self.watchdog_seconds = _watchdog_seconds(environment)
        self._address = environment.get("NOTIFY_SOCKET", "")
        self._socket: socket.socket | None = None
        self._last_ping_ns: int | None = None
        if self._address and hasattr(socket, "AF_UNIX"):
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._socket.setblocking(False)

    @property
    def listening(self) -> bool:
        """Whether there is a supervisor."""
        return self._socket is not None

    def ready(self, status: str) -> None:
        """The service does what it is for."""
        self._send("READY=1", f"STATUS={status}")

    def status(self, status: str) -> None:
        """One line for ``systemctl status``."""
        self._send(f"STATUS={status}")

    def alive(self, now_ns: int) -> None:
        """A sign of life, as often as the supervisor needs one; to be called more often than that."""
        if not self.watchdog_seconds:
            return
        due_ns = self.watchdog_seconds * 1e9 / _PINGS_PER_TIMEOUT
        if self._last_ping_ns is None or now_ns - self._last_ping_ns >= due_ns:
            self._last_ping_ns = now_ns
            self._send("WATCHDOG=1")

    def stopping(self, seconds: float) -> None:
        """The end has begun, and may take ``seconds``."""
        self._send("STOPPING=1", f"EXTEND_TIMEOUT_USEC={round(seconds * 1e6)}", "STATUS=fading out")

    def close(self) -> None:
        """No more."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send(self, *lines: str) -> None:
        if self._socket is None:
            return
        plain = "\n".join(" ".join(line.splitlines()) for line in lines)
        # An address that begins with @ lies in Linux's abstract namespace, which is written with a NUL.
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            self._socket.sendto(plain.encode("utf-8", "replace"), address)
        except OSError:
            self.unsent += 1


def _watchdog_seconds(environment: Mapping[str, str]) -> float:
    """What the supervisor asks of this very process; a child that inherited the environment is not meant."""
    try:
        if int(environment.get("WATCHDOG_PID", os.getpid())) != os.getpid():
            return 0.0
        return max(0, int(environment.get("WATCHDOG_USEC", "0"))) / 1e6
    except ValueError:
        return 0.0
