"""The word to the supervisor, heard at the other end of a real socket."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from riffengine.service.systemd import SystemdNotifier

SECOND = 1_000_000_000


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as latency:
        latency.bind(str(tmp_path / "notify"))
        latency.setblocking(False)
        yield latency, str(tmp_path / "notify")


def heard(latency: socket.socket) -> list[str]:
    found = []
    while True:
        try:
            found.append(latency.recv(4096).decode())
        except BlockingIOError:
            return found


def test_ready_status_and_the_end(supervisor: tuple[socket.socket, str]) -> None:
    latency, path = supervisor
    word = SystemdNotifier({"NOTIFY_SOCKET": path})
    word.status("loading\nthe model")
    word.ready("plays")
    word.stopping(12.5)
    assert heard(latency) == [
        "STATUS=loading the model",
        "READY=1\nSTATUS=plays",
        "STOPPING=1\nEXTEND_TIMEOUT_USEC=12500000\nSTATUS=fading out",
    ]
    word.close()
    word.status("nobody")
    assert heard(latency) == [] and word.unsent == 0


def test_signs_of_life_come_four_times_in_a_timeout_and_not_oftener(supervisor: tuple[socket.socket, str]) -> None:
    latency, path = supervisor
    word = SystemdNotifier({"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "20000000", "WATCHDOG_PID": str(os.getpid())})
    assert word.watchdog_seconds == 20.0
    for tenth in range(201):
        word.alive(tenth * SECOND // 10)
    assert heard(latency) == ["WATCHDOG=1"] * 5
    word.close()


@pytest.mark.parametrize(
    "environment", [{}, {"WATCHDOG_USEC": "2000000", "WATCHDOG_PID": "1"}, {"WATCHDOG_USEC": "soon"}]
)
def test_without_a_supervisor_nothing_is_sent(environment: dict[str, str]) -> None:
    word = SystemdNotifier(environment)
    word.ready("x")
    word.alive(0)
    assert not word.listening and word.watchdog_seconds == 0.0 and word.unsent == 0


def test_a_supervisor_that_has_gone_is_counted_and_never_raised(tmp_path: Path) -> None:
    word = SystemdNotifier({"NOTIFY_SOCKET": str(tmp_path / "gone")})
    word.ready("x")
    assert word.unsent == 1
    word.close()


@pytest.mark.skipif(not Path("/proc/net/unix").exists(), reason="abstract sockets are Linux's")
def test_an_abstract_address_is_understood() -> None:
    name = f"riffengine-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as latency:
        latency.bind("\0" + name)
        latency.setblocking(False)
        word = SystemdNotifier({"NOTIFY_SOCKET": "@" + name})
        word.ready("x")
        assert heard(latency) == ["READY=1\nSTATUS=x"]
        word.close()
