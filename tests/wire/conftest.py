"""Real programs for the wire tests. CI must have them; elsewhere a missing program skips the test with a reason."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from riffengine.processes.realtime import realtime_allowed
from tests.needed import lacks
from tests.wire.jack_server import JackServer, build_capture, missing_programs

_SOUND_SERVERS = ("test_ardour", "test_daw_clap", "test_latency_bench", "test_link_peer", "test_link_plan")


@pytest.hookimpl(tryfirst=True)  # before markers are read for -m, and groups by xdist
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of sound servers, of DAWs and of Link, which depend on real time and run one after the other.

    The others keep a core busy at most: two run at a time, those of a file in one process.
    """
    for item in items:
        if item.path.parent != Path(__file__).parent:
            continue
        if "jcap" in getattr(item, "fixturenames", ()) or item.path.stem in _SOUND_SERVERS:
            item.add_marker("sound_server")
        item.add_marker(pytest.mark.xdist_group(item.path.stem))


@pytest.fixture(scope="session")
def jcap(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled capture program."""
    missing = missing_programs()
    if missing:
        lacks(f"not installed: {', '.join(missing)}")
    return build_capture(tmp_path_factory.mktemp("jcap"))


@pytest.fixture
def jack_server(jcap: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., JackServer]]:
    """Starts servers with (rate, period frames); this process and its children then use the last one."""
    servers = []

    def start(rate: int, period_frames: int, synchronous: bool = True, realtime: bool = False) -> JackServer:
        server = JackServer.start(rate, period_frames, synchronous, realtime)
        servers.append(server)
        for name in ("JACK_DEFAULT_SERVER", "JACK_NO_START_SERVER"):
            monkeypatch.setenv(name, server.environment[name])
        return server

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def jack(jack_server: Callable[..., JackServer]) -> JackServer:
    """A server for MIDI: 48 kHz, 256 frames a period, and asynchronous, as performers run it.

    A synchronous server waits for every client in every cycle. If a connection is made while a client is late, it
    waits for a wake-up that never comes ("ProcessGraphSync: ProcessWriteSlaves error, engine may now behave
    abnormally!!"): that cycle takes five seconds, and what was sent in it is lost.
    """
    return jack_server(48000, 256, synchronous=False, realtime=bool(realtime_allowed()))


@pytest.fixture
def patient_jack(jack_server: Callable[..., JackServer]) -> JackServer:
    """The same for clients that come and go: late messages are lost, so a period is 21 ms."""
    return jack_server(48000, 1024, synchronous=False, realtime=bool(realtime_allowed()))


@pytest.fixture
def lossless_jack(jack_server: Callable[..., JackServer]) -> JackServer:
    """A synchronous server for tests that count every message on permanent connections: no message is late."""
    return jack_server(48000, 256, realtime=bool(realtime_allowed()))
