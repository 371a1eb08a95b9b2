"""SystemdNotifier: tells systemd that the service is ready, alive or stopping.

Source: sd_notify(3): datagrams of ``NAME=value`` lines. Without ``NOTIFY_SOCKET`` in the environment nothing is sent.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

_PINGS_PER_TIMEOUT = 4  # systemd advises at least two; a busy machine may miss one


class SystemdNotifier:
    """Sends notifications to systemd; never blocks, never raises. ``unsent`` counts datagrams that failed.

    ``watchdog_seconds`` is how long systemd waits for a ping, 0 for no watchdog.
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
        """Whether systemd supervises this process."""
        return self._socket is not None

    def ready(self, status: str) -> None:
        """Report that the service plays music."""
        self._send("READY=1", f"STATUS={status}")

    def status(self, status: str) -> None:
        """Set the line that ``systemctl status`` shows."""
        self._send(f"STATUS={status}")

    def ping(self, now_ns: int) -> None:
        """Ping the watchdog if a ping is due; call this more often than that."""
        if not self.watchdog_seconds:
            return
        due_ns = self.watchdog_seconds * 1e9 / _PINGS_PER_TIMEOUT
        if self._last_ping_ns is None or now_ns - self._last_ping_ns >= due_ns:
            self._last_ping_ns = now_ns
            self._send("WATCHDOG=1")

    def stopping(self, seconds: float) -> None:
        """Report that the service is stopping, which may take ``seconds``."""
        self._send("STOPPING=1", f"EXTEND_TIMEOUT_USEC={round(seconds * 1e6)}", "STATUS=fading out")

    def close(self) -> None:
        """Close the socket."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send(self, *lines: str) -> None:
        if self._socket is None:
            return
        plain = "\n".join(" ".join(line.splitlines()) for line in lines)
        # An address that begins with @ is in Linux's abstract namespace, whose names begin with a NUL byte.
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            self._socket.sendto(plain.encode("utf-8", "replace"), address)
        except OSError:
            self.unsent += 1


def _watchdog_seconds(environment: Mapping[str, str]) -> float:
    """The watchdog timeout of this process; 0 for a child that only inherited the environment."""
    try:
        if int(environment.get("WATCHDOG_PID", os.getpid())) != os.getpid():
            return 0.0
        return max(0, int(environment.get("WATCHDOG_USEC", "0"))) / 1e6
    except ValueError:
        return 0.0
