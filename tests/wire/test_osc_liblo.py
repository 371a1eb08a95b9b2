"""OSC with liblo's own programs: oscsend sends, oscdump receives."""

from __future__ import annotations

import socket
import subprocess
import threading
from collections.abc import Iterator

import pytest

from riffengine.control.osc.wire import decode, encode
from tests.needed import needs
from tests.wire.jack_session import ServerThread

pytestmark = pytest.mark.wire


@pytest.fixture(autouse=True)
def liblo() -> None:
    needs("liblo-tools", "oscsend", "oscdump")


class LibloServer(ServerThread):
    def oscsend(self, *words: str) -> None:
        """Send with liblo, and return when the server has handled it."""
        subprocess.run(["oscsend", "127.0.0.1", str(self.server.port), *words], check=True, timeout=20)
        for _ in range(2):  # each sender has its own queue: only the second is certain to be handled after it
            assert self.ask("/riff/sync", 5) == ("/riff/synced", 5)


@pytest.fixture
def osc() -> Iterator[LibloServer]:
    osc = LibloServer()
    yield osc
    osc.close()


def test_oscsend_sets_prompt_seed_and_alpha_in_every_number_type(osc: LibloServer) -> None:
    osc.oscsend("/riff/deck/a/prompt", "s", "techno, dark")
    osc.oscsend("/riff/deck/a/seed", "i", "42")
    assert osc.engine.state.deck("a").prompt == "techno, dark"
    assert osc.engine.state["deck/a/seed"] == 42
    for tag, word, value in [("f", "0.3", 0.3), ("d", "0.7", 0.7), ("i", "1", 1.0)]:
        osc.oscsend("/riff/deck/a/alpha", tag, word)
        assert osc.engine.state["deck/a/alpha"] == value
    osc.oscsend("/riff/deck/b/seed", "f", "7")
    osc.oscsend("/riff/deck/b/seed", "h", "8")
    assert osc.engine.state["deck/b/seed"] == 8
    osc.oscsend("/riff/deck/a/mute", "T")
    assert osc.engine.state["deck/a/mute"] is True
    osc.oscsend("/riff/next")
    assert osc.engine.commands[-1].path == "next"
    assert osc.server.counters.rejected == 0


def test_wrong_messages_of_oscsend_change_nothing(osc: LibloServer) -> None:
    before = osc.engine.state
    for words in (
        ("/riff/deck/a/alpha", "s", "much"),
        ("/riff/deck/a/alpha", "s", "1.5x"),
        ("/riff/deck/a/seed", "s", "many"),
        ("/riff/deck/a/prompt", "T"),
        ("/riff/deck/a/prompt", "sT", "two"),
        ("/riff/deck/z/alpha", "f", "0.5"),
        ("/riff/deck/a/alpha", "N"),
    ):
        osc.oscsend(*words)
    assert osc.engine.state is before
    assert osc.server.counters.rejected == 7
    osc.socket.send(b"\x00garbage")
    (answer,) = decode(osc.socket.recv(65536))
    assert (answer.address, answer.arguments[0]) == ("/riff/error", "")
    assert osc.server.counters.garbage == 1


def test_oscdump_understands_every_answer(osc: LibloServer) -> None:
    """oscdump is subscribed by a datagram from its own port, then receives the values and the changes."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as scout:
        scout.bind(("127.0.0.1", 0))
        port = scout.getsockname()[1]
        scout.settimeout(10)
        scout.sendto(encode("/riff/notify", 1), ("127.0.0.1", osc.server.port))
        for _ in range(1 + len(osc.engine.tree.values)):
            scout.recv(65536)
    dump = subprocess.Popen(["oscdump", "-L", str(port)], stdout=subprocess.PIPE, text=True)
    try:
        assert dump.stdout is not None
        heard: list[str] = []
        reader = threading.Thread(target=lambda: heard.extend(_until_second(dump, "deck/b/mute i 1")))
        reader.start()
        before = (("prompt", ""), ("alpha", 0.5), ("seed", 1))
        after = (("prompt", "déjà vu"), ("alpha", 0.25), ("seed", 42))
        for _ in range(100):  # oscdump does not say when its socket is ready; a value is sent when it is another
            for muted, values in ((False, before), (True, after)):
                for name, value in values:
                    osc.loop.call_soon_threadsafe(osc.server.changed, f"deck/a/{name}", value)
                osc.loop.call_soon_threadsafe(osc.server.changed, "deck/b/mute", muted)
            reader.join(0.1)
            if not reader.is_alive():
                break
        said = "".join(heard)
        assert "/riff/deck/a/alpha f 0.25" in said and "/riff/deck/a/seed i 42" in said and "déjà vu" in said
    finally:
        dump.terminate()
        dump.wait(10)
        reader.join(10)
        dump.stdout.close()  # type: ignore[union-attr]


def _until_second(dump: subprocess.Popen[str], word: str) -> list[str]:
    """The lines up to the second one with ``word``: all values of one round came between the two."""
    lines: list[str] = []
    assert dump.stdout is not None
    for line in dump.stdout:
        lines.append(line)
        if sum(word in each for each in lines) == 2:
            break
    return lines
