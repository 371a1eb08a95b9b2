"""The encoders of ``/stream.flac`` and ``/stream.mp3``: libsndfile writes an endless file, piece by piece."""

from __future__ import annotations

from typing import Any

import numpy as np
import soundfile

from riffengine.processes.audio import Block
from riffengine.web.packets import Packet

_FLAC_FRAMES = 4096
_MP3_FRAMES = 1152
_MP3_LEVEL = 0.45  # of 0 (320 kbit/s) to 1 (32 kbit/s): 192 kbit/s
_MP3_KBPS = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0)
_MP3_RATES = (44100, 48000, 32000, 1)
_FLAC_SYNC = b"\xff\xf8"  # of a frame: fixed block size, RFC 9639


def split_mp3(data: bytes) -> tuple[list[bytes], bytes]:
    """The whole frames in ``data`` (MPEG-1 layer III, ISO 11172-3), and what is left: a client begins with a frame."""
    frames = []
    while len(data) >= 4:
        length = 144_000 * _MP3_KBPS[data[2] >> 4] // _MP3_RATES[data[2] >> 2 & 3] + (data[2] >> 1 & 1)
        if len(data) < length:
            break
        frames.append(data[:length])
        data = data[length:]
    return frames, data


class _Sink:
    """What libsndfile writes to: every write is kept as a piece of its own; it seeks only when it ends."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self._at = 0

    def write(self, data: Any) -> int:
        self.pieces.append(bytes(data))
        self._at += len(data)
        return len(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = offset if whence == 0 else self._at + offset if whence == 1 else self._at
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, size: int = -1) -> bytes:
        return b""


class FileStreamEncoder:
    """FLAC of 16 bit or MP3 (``format_``) at the output's rate. A gap of the output is closed: players go on."""

    def __init__(self, format_: str, sample_rate: int, channels: int) -> None:
        self.rate = sample_rate
        self._flac = format_ == "FLAC"
        self.packet_frames = _FLAC_FRAMES if self._flac else _MP3_FRAMES
        self.head = b""
        self._sink, self._number = _Sink(), 0
        subtype = "PCM_16" if self._flac else "MPEG_LAYER_III"
        options: dict[str, Any] = {} if self._flac else {"bitrate_mode": "CONSTANT", "compression_level": _MP3_LEVEL}
        self._rest = b""  # of an MP3 frame that is not whole yet
        self._file = soundfile.SoundFile(self._sink, "w", sample_rate, channels, subtype, format=format_, **options)
        if self._flac:
            self._read_head(channels)

    def _read_head(self, channels: int) -> None:
        """The head is written with the first frame; the second frame shows where the pieces of a frame begin."""
        while not any(piece.startswith(_FLAC_SYNC) for piece in self._sink.pieces):
            self._file.write(np.zeros((_FLAC_FRAMES, channels), np.float32))
        for piece in self._sink.pieces:
            if piece.startswith(_FLAC_SYNC):
                break
            self.head += piece
        self._sink.pieces.clear()

    def restart(self, frame: int) -> None:
        """Go on: the stream has no time of its own that could jump."""

    def encode(self, samples: Block) -> list[Packet]:
        """The pieces that ``samples`` fill."""
        self._file.write(samples)
        pieces, self._sink.pieces = self._sink.pieces, []
        if not self._flac:
            pieces, self._rest = split_mp3(self._rest + b"".join(pieces))
        packets = []
        for piece in pieces:
            packets.append(Packet(self._number, 0.0, self.packet_frames, piece))
            self._number += 1
        return packets
