"""The notifications to systemd, received at the other end of a real socket."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from riffengine.service.systemd import SystemdNotifier

SECOND = 1_000_000_000


@pytest.fixture
def notify_socket(tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(tmp_path / "notify"))
        receiver.setblocking(False)
        yield receiver, str(tmp_path / "notify")


def received(receiver: socket.socket) -> list[str]:
    found = []
    while True:
        try:
            found.append(receiver.recv(4096).decode())
        except BlockingIOError:
            return found


def test_ready_status_and_the_end(notify_socket: tuple[socket.socket, str]) -> None:
    receiver, path = notify_socket
    notifier = SystemdNotifier({"NOTIFY_SOCKET": path})
    notifier.status("loading\nthe model")
    notifier.ready("plays")
    notifier.stopping(12.5)
    assert received(receiver) == [
        "STATUS=loading the model",
        "READY=1\nSTATUS=plays",
        "STOPPING=1\nEXTEND_TIMEOUT_USEC=12500000\nSTATUS=fading out",
    ]
    notifier.close()
    notifier.status("nobody")
    assert received(receiver) == [] and notifier.unsent == 0


def test_four_pings_are_sent_in_each_timeout(notify_socket: tuple[socket.socket, str]) -> None:
    receiver, path = notify_socket
    notifier = SystemdNotifier({"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "20000000", "WATCHDOG_PID": str(os.getpid())})
    assert notifier.watchdog_seconds == 20.0
    for tenth in range(201):
        notifier.ping(tenth * SECOND // 10)
    assert received(receiver) == ["WATCHDOG=1"] * 5
    notifier.close()


@pytest.mark.parametrize(
    "environment", [{}, {"WATCHDOG_USEC": "2000000", "WATCHDOG_PID": "1"}, {"WATCHDOG_USEC": "soon"}]
)
def test_without_a_supervisor_nothing_is_sent(environment: dict[str, str]) -> None:
    notifier = SystemdNotifier(environment)
    notifier.ready("x")
    notifier.ping(0)
    assert not notifier.listening and notifier.watchdog_seconds == 0.0 and notifier.unsent == 0


def test_a_supervisor_that_has_gone_is_counted_and_never_raised(tmp_path: Path) -> None:
    notifier = SystemdNotifier({"NOTIFY_SOCKET": str(tmp_path / "gone")})
    notifier.ready("x")
    assert notifier.unsent == 1
    notifier.close()


@pytest.mark.skipif(not Path("/proc/net/unix").exists(), reason="abstract sockets are Linux's")
def test_an_abstract_address_is_understood() -> None:
    name = f"riffengine-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind("\0" + name)
        receiver.setblocking(False)
        notifier = SystemdNotifier({"NOTIFY_SOCKET": "@" + name})
        notifier.ready("x")
        assert received(receiver) == ["READY=1\nSTATUS=x"]
        notifier.close()
