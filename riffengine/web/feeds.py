"""Feeds: audio to many listeners. Each codec is encoded once, and every listener has a bounded queue of its packets.

A listener who reads too slowly loses whole packets, the oldest first; one who reads nothing is disconnected. Nobody
waits for anybody.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping

from riffengine.processes.audio_tap import AudioTap
from riffengine.web.options import WebLimits
from riffengine.web.packets import Encoder, Packet

POLL_SECONDS = 0.004  # a block of 512 frames takes 11.6 ms
_MOST_FRAMES = 1 << 14  # read at a time

Send = Callable[[bytes | str], Awaitable[None]]
EncoderMaker = Callable[[int, int], Encoder]


class Listener:
    """One listener's queue of packets, and of texts between them. ``dropped`` counts the packets that it lost."""

    def __init__(self, most_packets: int, stalled_seconds: float) -> None:
        self.dropped = 0
        self.sent = self.sent_bytes = 0
        self._queue: deque[bytes | str] = deque()
        self._most, self._stalled_seconds = most_packets, stalled_seconds
        self._wake = asyncio.Event()
        self._ended = False

    @property
    def waiting(self) -> int:
        """Packets that wait."""
        return len(self._queue)

    def put(self, data: bytes | str) -> None:
        """Queue a packet; the oldest one goes where there is no room."""
        if len(self._queue) >= self._most:
            self._queue.popleft()
            self.dropped += 1
        self._queue.append(data)
        self._wake.set()

    def end(self) -> None:
        """Send no more."""
        self._ended = True
        self._wake.set()

    async def run(self, send: Send) -> None:
        """Send what is queued until ``end``; ``TimeoutError`` when the client has taken nothing for too long."""
        while not self._ended:
            await self._wake.wait()
            self._wake.clear()
            while self._queue and not self._ended:
                async with asyncio.timeout(self._stalled_seconds):
                    await send(data := self._queue.popleft())
                self.sent += 1
                self.sent_bytes += len(data)


class Feed:
    """One codec: its encoder while anybody listens, and its listeners."""

    def __init__(self, make: EncoderMaker, limits: WebLimits) -> None:
        self.encoder: Encoder | None = None
        self.listeners: set[Listener] = set()
        self._make, self._limits = make, limits

    def start(self, tap: AudioTap, frame: int) -> Encoder:
        """The encoder; if nobody listened before it is made now, and gets the output from ``frame`` on."""
        if self.encoder is None:
            self.encoder = self._make(tap.sample_rate, tap.channels)
            self.encoder.restart(frame)
        return self.encoder

    def join(self) -> Listener:
        """A new listener, who gets every packet from now on."""
        assert self.encoder is not None
        packets = self._limits.listener_seconds * self.encoder.rate / self.encoder.packet_frames
        listener = Listener(max(4, round(packets)), self._limits.stalled_seconds)
        self.listeners.add(listener)
        return listener

    def leave(self, listener: Listener) -> None:
        """``listener`` has gone; without any, nothing is encoded."""
        listener.end()
        self.listeners.discard(listener)
        if not self.listeners:
            self.encoder = None

    def give(self, packets: list[Packet]) -> None:
        """Hand ``packets`` to every listener."""
        for packet in packets:
            for listener in self.listeners:
                listener.put(packet.data)


class Feeds:
    """Reads the tap while anybody listens, and feeds every codec. Belongs to the server's event loop."""

    def __init__(self, tap: AudioTap, makers: Mapping[str, EncoderMaker], limits: WebLimits) -> None:
        self.tap = tap
        self.listeners_so_far = 0
        self._gone_dropped = self._gone_bytes = 0  # of listeners who have left
        self._feeds = {codec: Feed(make, limits) for codec, make in makers.items()}
        self._frame = 0  # the next one to read
        self._some_listen = asyncio.Event()

    def __len__(self) -> int:
        return sum(len(feed.listeners) for feed in self._feeds.values())

    @property
    def codecs(self) -> tuple[str, ...]:
        """What can be asked for."""
        return tuple(self._feeds)

    @property
    def dropped(self) -> int:
        """Packets that listeners have lost, since the start."""
        return self._gone_dropped + sum(listener.dropped for listener in self._listeners)

    @property
    def sent_bytes(self) -> int:
        """What listeners have taken, since the start."""
        return self._gone_bytes + sum(listener.sent_bytes for listener in self._listeners)

    @property
    def longest_queue(self) -> int:
        """The packets that wait for the listener who is farthest behind."""
        return max((listener.waiting for listener in self._listeners), default=0)

    @property
    def _listeners(self) -> Iterator[Listener]:
        return (listener for feed in self._feeds.values() for listener in feed.listeners)

    @contextlib.asynccontextmanager
    async def listener(self, codec: str) -> AsyncIterator[tuple[Encoder, Listener]]:
        """The encoder of ``codec`` and a new listener to it, who leaves at the end of the block."""
        feed = self._feeds[codec]
        if not len(self):
            self._frame = self.tap.end
        encoder = feed.start(self.tap, self._frame)
        listener = feed.join()
        self.listeners_so_far += 1
        self._some_listen.set()
        try:
            yield encoder, listener
        finally:
            feed.leave(listener)
            self._gone_dropped += listener.dropped
            self._gone_bytes += listener.sent_bytes

    def tell(self, codecs: Iterable[str], text: Callable[[Encoder], str]) -> None:
        """Send every listener of ``codecs`` a text, which may depend on the stream."""
        for codec in codecs:
            feed = self._feeds[codec]
            for listener in feed.listeners:
                assert feed.encoder is not None
                listener.put(text(feed.encoder))

    async def run(self) -> None:
        """Feed the listeners for ever."""
        while True:
            if not len(self):
                self._some_listen.clear()
                await self._some_listen.wait()
            self._feed()
            await asyncio.sleep(POLL_SECONDS)

    def _feed(self) -> None:
        active = [feed for feed in self._feeds.values() if feed.listeners and feed.encoder is not None]
        tapped = self.tap.read(self._frame, _MOST_FRAMES)
        if not len(tapped.samples):
            if self.tap.end < self._frame:  # a new set of another player: begin with it
                self._frame = self.tap.end
            return
        gap = tapped.frame != self._frame
        self._frame = tapped.frame + len(tapped.samples)
        for feed in active:
            assert feed.encoder is not None
            if gap:
                feed.encoder.restart(tapped.frame)
            feed.give(feed.encoder.encode(tapped.samples))
