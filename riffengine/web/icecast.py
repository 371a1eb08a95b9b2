"""IcecastSource: sends one of the streams to an Icecast server, for as long as the set plays.

It is a listener like any other, so the stream is encoded once for everybody. When Icecast refuses it, stops reading or
goes away, it connects again with growing pauses; the performer is told once what is wrong and once that it is over.
Source: Icecast 2.4's documentation of its PUT method; the body is not chunked, which Icecast 2.4 does not take apart.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ssl
from collections.abc import Callable

from riffengine.errors import ControlError
from riffengine.web.feeds import Feeds
from riffengine.web.icecast_target import IcecastTarget

PAUSES_SECONDS = (1.0, 2.0, 5.0, 10.0, 30.0)
_ANSWER_SECONDS = 10.0
_LONGEST_HEAD = 8192  # bytes of an answer


class IcecastSource:
    """Sends the stream of ``target`` out of ``feeds``. ``told`` gets what the performer should know. The event loop."""

    def __init__(self, target: IcecastTarget, feeds: Feeds, name: str, told: Callable[[str], None]) -> None:
        self.connected = False
        self.connections = 0  # that were accepted, since the start
        self._target, self._feeds, self._name, self._told = target, feeds, name, told
        self._problem = ""  # as it was told

    async def run(self) -> None:
        """Send for ever."""
        failures = 0
        while True:
            before = self.connections
            problem = "it has ended the connection"
            try:
                await self._send()
            except TimeoutError:
                problem = "it does not take what is sent"
            except (OSError, ControlError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
                problem = str(error) or type(error).__name__
            self.connected = False
            failures = 1 if self.connections > before else failures + 1
            pause = PAUSES_SECONDS[min(failures, len(PAUSES_SECONDS)) - 1]
            if problem != self._problem:
                self._problem = problem
                self._told(f"icecast {self._target}: {problem}; the next attempt follows in {pause:g} s, then slower")
            await asyncio.sleep(pause)

    async def _send(self) -> None:
        """One connection, until it ends."""
        target = self._target
        async with asyncio.timeout(_ANSWER_SECONDS):
            tls = ssl.create_default_context() if target.encrypted else None
            reader, writer = await asyncio.open_connection(target.host, target.port, ssl=tls, limit=_LONGEST_HEAD)
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                writer.write(self._head())
                await writer.drain()
                await self._read_answer(reader)
            await self._stream(reader, writer)
        finally:
            transport = writer.transport
            transport.abort()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with self._feeds.listener(self._target.codec) as (encoder, listener):
            self.connected = True
            self.connections += 1
            self._problem = ""
            self._told(f"icecast {self._target}: the stream is being sent")

            async def send(data: bytes | str) -> None:
                if isinstance(data, bytes):
                    writer.write(data)
                    await writer.drain()

            if encoder.head:
                await send(encoder.head)
            sending = asyncio.ensure_future(listener.run(send))
            ended = asyncio.ensure_future(_end_of(reader))
            try:
                done, _ = await asyncio.wait({sending, ended}, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
            finally:
                for task in (sending, ended):
                    task.cancel()
                await asyncio.gather(sending, ended, return_exceptions=True)

    def _head(self) -> bytes:
        target = self._target
        secret = base64.b64encode(f"{target.user}:{target.password}".encode()).decode()
        name = (
            "".join(letter for letter in self._name if letter.isprintable())
            .encode("latin-1", "replace")
            .decode("latin-1")
        )
        lines = [
            f"PUT {target.mount} HTTP/1.1",
            f"Host: {target.host}:{target.port}",
            f"Authorization: Basic {secret}",
            "User-Agent: riffengine",
            f"Content-Type: {target.content_type}",
            f"Ice-Name: {name}",
            "Ice-Public: 0",
            "Expect: 100-continue",
        ]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")

    async def _read_answer(self, reader: asyncio.StreamReader) -> None:
        """Wait until the stream is wanted; ``ControlError`` where it is refused."""
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            words = head.split(b"\r\n", 1)[0].decode("latin-1").split(None, 2)
            status = words[1] if len(words) > 1 and words[0].startswith("HTTP/") else ""
            if status in ("100", "200"):
                return
            reasons = {"401": "it does not accept the password", "403": "the mount is in use, or is not allowed"}
            if status[:1] != "1":
                said = " ".join(words[1:])[:80]
                raise ControlError(reasons.get(status, f"it has refused the stream ({said or 'no HTTP'})"))


async def _end_of(reader: asyncio.StreamReader) -> None:
    """Wait until the other side ends the connection; what it says meanwhile is of no use."""
    while await reader.read(4096):
        pass
