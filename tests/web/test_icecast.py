"""Where a stream is sent: the address, and a server that refuses, hangs up or says nonsense."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable

import numpy as np
import pytest

from riffengine.errors import ControlError
from riffengine.processes.audio_tap import AudioTap
from riffengine.web.audio_routes import audio_makers
from riffengine.web.feeds import Feeds
from riffengine.web.icecast import IcecastSource
from riffengine.web.icecast_target import icecast_target
from riffengine.web.options import WebLimits

SECRET = "geheim & more"


def test_an_address_is_read_as_people_write_it() -> None:
    target = icecast_target("icecast://dj:p%40ss@radio.test:8010/live/set.ogg")
    assert (target.host, target.port, target.mount, target.user) == ("radio.test", 8010, "/live/set.ogg", "dj")
    assert (target.password, target.codec, target.content_type, target.encrypted) == (
        "p@ss", "ogg", "application/ogg", False,
    )  # fmt: skip
    target = icecast_target("https://radio.test/set.mp3", SECRET)
    assert (target.port, target.user, target.password, target.encrypted) == (8000, "source", SECRET, True)
    assert SECRET not in f"{target} {target!r}"


@pytest.mark.parametrize(
    "url", ["", "radio.test/set.mp3", "ftp://h/set.mp3", "icecast://:8000/set.mp3", "icecast://h:x/a.mp3",
            "icecast://h/set", "icecast://h/set.flac", "icecast://h/a b.mp3", "icecast://h/a%0ab.mp3\r\nX: y.mp3"],
)  # fmt: skip
def test_what_is_no_address_is_refused_without_the_password(url: str) -> None:
    with pytest.raises(ControlError, match="use icecast://source:PASSWORD@HOST:PORT/MOUNT") as refused:
        icecast_target(url, SECRET)
    assert SECRET not in str(refused.value)
    with pytest.raises(ControlError, match="needs a password"):
        icecast_target("icecast://h/set.mp3")


class Radio:
    """A server that answers with ``answer`` and keeps what it got. ``told`` is what the performer reads."""

    def __init__(self, answer: bytes) -> None:
        self.answer, self.body = answer, bytearray()
        self.heads: list[str] = []
        self.told: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heads.append((await reader.readuntil(b"\r\n\r\n")).decode("latin-1"))
        writer.write(self.answer)
        while len(self.body) < 3000 and (piece := await reader.read(1000)):
            self.body += piece
        writer.close()


def play(radio: Radio, test: Callable[[IcecastSource], Awaitable[None]]) -> None:
    """Run ``test`` while a set plays to ``radio``."""

    async def body() -> None:
        listening = await asyncio.start_server(radio.serve, "127.0.0.1", 0)
        port = listening.sockets[0].getsockname()[1]
        tap = AudioTap.create(44100, 2)
        feeds = Feeds(tap, audio_makers(), WebLimits())
        source = IcecastSource(
            icecast_target(f"icecast://127.0.0.1:{port}/a.mp3", SECRET), feeds, "Tönight", radio.told.append
        )
        tasks = [asyncio.ensure_future(part.run()) for part in (feeds, source)]
        frame = 0
        try:
            async with asyncio.timeout(60):
                waiting = asyncio.ensure_future(test(source))
                while not waiting.done():
                    tap.write(frame, np.zeros((441, 2), np.float32), 1)
                    frame += 441
                    await asyncio.sleep(0.005)
                await waiting
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            assert len(feeds) == 0
            tap.close()
            listening.close()

    asyncio.run(body())


async def until(what: Callable[[], bool]) -> None:
    while not what():
        await asyncio.sleep(0.005)


def test_the_stream_is_put_with_its_name_and_password_and_again_after_the_end() -> None:
    radio = Radio(b"HTTP/1.1 100 Continue\r\n\r\n")
    play(radio, lambda source: until(lambda: source.connections == 2))
    head = radio.heads[0]
    assert head.startswith("PUT /a.mp3 HTTP/1.1\r\n")
    assert base64.b64encode(f"source:{SECRET}".encode()).decode() in head
    assert "Content-Type: audio/mpeg\r\n" in head and "Ice-Name: Tönight\r\n" in head
    assert bytes(radio.body[:2]) == b"\xff\xfb"  # it begins with a whole frame of MP3
    assert "the stream is being sent" in radio.told[0] and "it has ended the connection" in radio.told[1]
    assert SECRET not in " ".join(radio.told)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (b"HTTP/1.0 401 Unauthorized\r\n\r\n", "does not accept the password"),
        (b"HTTP/1.0 403 Mountpoint in use\r\n\r\n", "the mount is in use"),
        (b"HTTP/1.0 500 Oh\r\n\r\n", "it has refused the stream (500 Oh)"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "it has refused the stream"),
        (b"x" * 20_000, "Separator"),
    ],
)
def test_a_refusal_is_told_once_and_the_next_attempt_follows(answer: bytes, told: str) -> None:
    radio = Radio(answer)
    play(radio, lambda source: until(lambda: len(radio.heads) == 2))
    assert len(radio.told) == 1 and told in radio.told[0]
