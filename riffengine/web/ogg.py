"""Ogg: a mux for one endless Opus stream, a page for each packet. Pure. Sources: RFC 3533, RFC 7845."""

from __future__ import annotations

import struct

from riffengine.processes.audio import Block
from riffengine.web.encoders import OPUS_RATE, OpusEncoder
from riffengine.web.packets import Packet

_SERIAL = 0x52494646
_BEGINS = 2
_PAGE = struct.Struct("<4sBBqIIIB")


def _crc_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        value = byte << 24
        for _ in range(8):
            value = (value << 1) ^ 0x04C11DB7 if value & 0x80000000 else value << 1
        table.append(value & 0xFFFFFFFF)
    return tuple(table)


_CRC = _crc_table()


def crc32_ogg(data: bytes) -> int:
    """The checksum of a page: polynomial 0x04C11DB7, not reflected, from 0, not inverted (unlike zlib's)."""
    value = 0
    for byte in data:
        value = ((value << 8) & 0xFFFFFFFF) ^ _CRC[(value >> 24) ^ byte]
    return value


def page(packet: bytes, number: int, granule: int, flags: int = 0) -> bytes:
    """One page that holds ``packet`` whole; ``granule`` is the number of frames up to its end."""
    lacing = bytes([255] * (len(packet) // 255) + [len(packet) % 255])
    head = _PAGE.pack(b"OggS", 0, flags, granule, _SERIAL, number, 0, len(lacing))
    whole = bytearray(head + lacing + packet)
    whole[22:26] = struct.pack("<I", crc32_ogg(bytes(whole)))
    return bytes(whole)


def opus_head(channels: int, pre_skip: int, source_rate: int) -> bytes:
    """The two pages with which a stream begins."""
    identification = struct.pack("<8sBBHIhB", b"OpusHead", 1, channels, pre_skip, source_rate, 0, 0)
    vendor = b"riffengine"
    comments = b"OpusTags" + struct.pack("<I", len(vendor)) + vendor + struct.pack("<I", 0)
    return page(identification, 0, 0, _BEGINS) + page(comments, 1, 0)


class OggOpusEncoder:
    """An endless Ogg Opus stream; a client that comes later gets ``head`` and then pages from the present one on."""

    rate = OPUS_RATE

    def __init__(self, sample_rate: int, channels: int) -> None:
        self._opus = OpusEncoder(sample_rate, channels, plain=True)
        self.packet_frames = self._opus.packet_frames
        self._granule = 0
        self.head = opus_head(channels, self._opus.look_ahead, sample_rate)

    def restart(self, frame: int) -> None:
        """Go on after a gap: the stream's own time does not jump."""
        self._opus.restart(frame)

    def encode(self, samples: Block) -> list[Packet]:
        """The pages that ``samples`` fill."""
        pages = []
        for packet in self._opus.encode(samples):
            self._granule += packet.frames
            data = page(packet.data, packet.number + 2, self._granule)
            pages.append(Packet(packet.number, packet.frame, packet.frames, data))
        return pages
