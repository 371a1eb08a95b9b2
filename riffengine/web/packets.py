"""Packets: pieces of encoded audio with the frame of their first sample, and their form on the wire. Pure."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Protocol

from riffengine.processes.audio import Block

PCM, OPUS = 1, 2
HEADER = struct.Struct("<BBHId")
"""Kind, channels, frames, number, frame of the first decoded sample: see ``docs/web_protocol.md``."""


@dataclass(frozen=True)
class Packet:
    """``frames`` of audio, encoded; ``frame`` is where they begin, in frames of the stream, ``number`` counts from 0.

    ``data`` is what goes out, with a header where the wire has one.
    """

    number: int
    frame: float
    frames: int
    data: bytes


class Encoder(Protocol):
    """Makes packets of the output. One thread. Every length is in frames of the stream unless it says otherwise."""

    @property
    def rate(self) -> int:
        """Frames of the stream in a second."""

    @property
    def packet_frames(self) -> int:
        """Frames in one packet, or about as many."""

    @property
    def head(self) -> bytes:
        """What a client must get before its first packet."""

    def restart(self, frame: int) -> None:
        """What follows begins at output frame ``frame``; what was not yet a whole packet is dropped."""

    def encode(self, samples: Block) -> list[Packet]:
        """Take the next ``samples`` ``(frames, channels) float32`` at the output's rate; the packets that are full."""


def wire_packet(kind: int, channels: int, packet: Packet) -> Packet:
    """``packet`` with the header of the audio socket before its payload."""
    head = HEADER.pack(kind, channels, packet.frames, packet.number & 0xFFFFFFFF, packet.frame)
    return Packet(packet.number, packet.frame, packet.frames, head + packet.data)
