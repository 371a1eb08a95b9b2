"""The encoders of the audio socket: PCM of 16 bit, and Opus where the system has libopus.

Opus: RFC 6716, at 48 kHz, with the look-ahead of the encoder taken off the frame numbers of its packets.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from riffengine.processes.audio import Block
from riffengine.web.packets import OPUS, PCM, Packet, wire_packet
from riffengine.web.stream_resampler import StreamResampler

OPUS_RATE = 48000
_OPUS_FRAMES = 960  # 20 ms: with 10 ms a hundred listeners take half as much of a core again
_OPUS_BITS_PER_SECOND = 128_000
_PCM_PACKETS_PER_SECOND = 100


@functools.cache
def opus_library() -> Any:
    """The module ``opuslib_next``, or ``None`` where it or the system's libopus is missing."""
    try:
        import opuslib_next
    except Exception:  # noqa: BLE001 (it raises a plain Exception where there is no libopus)
        return None
    return opuslib_next


def to_pcm16(samples: Block) -> bytes:
    """``samples`` as signed 16 bit, little-endian, interleaved; rounded, not dithered."""
    scaled = np.rint(np.clip(samples, -1.0, 32767 / 32768) * 32768)
    return scaled.astype("<i2").tobytes()


class PcmEncoder:
    """PCM at the output's rate, in packets of 10 ms."""

    head = b""

    def __init__(self, sample_rate: int, channels: int) -> None:
        self.rate, self._channels = sample_rate, channels
        self.packet_frames = sample_rate // _PCM_PACKETS_PER_SECOND
        self._number = 0
        self._frame = 0
        self._rest: Block = np.zeros((0, channels), np.float32)

    def restart(self, frame: int) -> None:
        """What follows begins at ``frame``."""
        self._frame, self._rest = frame, self._rest[:0]

    def encode(self, samples: Block) -> list[Packet]:
        """The packets that ``samples`` fill."""
        sound = np.concatenate([self._rest, samples])
        whole = len(sound) // self.packet_frames * self.packet_frames
        self._rest = sound[whole:]
        packets = []
        for at in range(0, whole, self.packet_frames):
            data = to_pcm16(sound[at : at + self.packet_frames])
            packet = Packet(self._number, float(self._frame), self.packet_frames, data)
            packets.append(wire_packet(PCM, self._channels, packet))
            self._number += 1
            self._frame += self.packet_frames
        return packets


class OpusEncoder:
    """Opus at 48 kHz with little delay. ``plain`` gives packets without the header of the audio socket, for Ogg.

    An output of another rate is resampled; frame numbers are then those of the output times 48000 / rate.
    """

    head = b""
    rate = OPUS_RATE
    packet_frames = _OPUS_FRAMES

    def __init__(self, sample_rate: int, channels: int, plain: bool = False) -> None:
        self._source_rate, self._channels, self._plain = sample_rate, channels, plain
        self._library = opus_library()
        self._number = 0
        self.restart(0)

    def restart(self, frame: int) -> None:
        """What follows begins at output frame ``frame``."""
        library, channels = self._library, self._channels
        # The look-ahead of low delay is 2.5 ms instead of 6.5; what it leaves out is for speech.
        application = library.APPLICATION_AUDIO if self._plain else library.APPLICATION_RESTRICTED_LOWDELAY
        self._encoder = library.Encoder(OPUS_RATE, channels, application)
        self._encoder.bitrate = _OPUS_BITS_PER_SECOND
        self.look_ahead = int(self._encoder.lookahead)
        self._resampler = None
        if self._source_rate != OPUS_RATE:
            self._resampler = StreamResampler(self._source_rate, OPUS_RATE, channels)
        self._frame = frame * OPUS_RATE / self._source_rate - self.look_ahead
        self._rest: Block = np.zeros((0, channels), np.float32)

    def encode(self, samples: Block) -> list[Packet]:
        """The packets that ``samples`` fill."""
        if self._resampler is not None:
            samples = self._resampler.process(samples)
        frames = self.packet_frames
        sound = np.concatenate([self._rest, samples])
        whole = len(sound) // frames * frames
        self._rest = sound[whole:]
        packets = []
        for at in range(0, whole, frames):
            piece = np.ascontiguousarray(sound[at : at + frames], dtype=np.float32)
            packet = Packet(self._number, self._frame, frames, self._encoder.encode_float(piece.tobytes(), frames))
            packets.append(packet if self._plain else wire_packet(OPUS, self._channels, packet))
            self._number += 1
            self._frame += frames
        return packets
