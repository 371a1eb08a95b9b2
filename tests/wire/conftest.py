"""Real programs for the wire tests; CI must have them, elsewhere their absence is a skip with its reason."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.wire.jack_server import JackServer, build_capture, missing_programs


@pytest.fixture(scope="session")
def jcap(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The capture program, compiled."""
    missing = missing_programs()
    if missing:
        reason = f"not installed: {', '.join(missing)}"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return build_capture(tmp_path_factory.mktemp("jcap"))


@pytest.fixture
def jack_server(jcap: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int, int], JackServer]]:
    """Starts servers with (rate, period frames); this process and its children then speak to the last one."""
    servers = []

    def start(rate: int, period_frames: int) -> JackServer:
        server = JackServer.start(rate, period_frames)
        servers.append(server)
        for name in ("JACK_DEFAULT_SERVER", "JACK_NO_START_SERVER"):
            monkeypatch.setenv(name, server.environment[name])
        return server

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def jack(jack_server: Callable[[int, int], JackServer]) -> JackServer:
    """A server that is there for MIDI: 48 kHz, 256 frames a period."""
    return jack_server(48000, 256)
