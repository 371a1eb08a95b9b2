"""Repairs FLAC files whose recorder was killed: their header does not say how long they are, so few programs read them.

The length follows from the last whole frame: frames are numbered, and each ends with a checksum of its own. What comes
after the last whole frame is removed. Only the end of the file is read.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from riffengine.errors import AudioFileError, reason
from riffengine.files.regular import exists, is_file

if sys.platform != "win32":
    import fcntl

_STREAMINFO_BYTES = 34
_TAIL_BYTES = 4 << 20  # a frame of 65,535 frames of two 32-bit channels is below 600 kB
_MOST_FRAME_BYTES = 1 << 20
_MOST_SUMMED_BYTES = 32 << 20  # a file made to look like nothing but beginnings of frames must not take hours
_MOST_METADATA_BYTES = 64 << 20


@dataclass(frozen=True)
class FlacRepair:
    """The length in ``frames`` that the header states now. ``changed`` is false for a file that was whole.

    ``removed_bytes`` is what was cut off behind the last whole frame.
    """

    frames: int
    sample_rate: int
    changed: bool
    removed_bytes: int = 0


def repair_flac(path: Path) -> FlacRepair:
    """Write the length into the header of ``path``, if it is missing there, and cut off an unfinished frame.

    Raises ``AudioFileError`` for a file that is no FLAC, holds no whole frame, is still being written, or cannot be
    written.
    """
    if exists(path) and not is_file(path):
        raise AudioFileError(f"{path} is no regular file; only recordings in FLAC can be repaired")
    try:
        with path.open("r+b") as file:
            if not _locked(file.fileno()):
                raise AudioFileError(f"{path} is still being recorded; end the recording first")
            start, info = _metadata(file, path)
            rate, blocksize = info[10] << 12 | info[11] << 4 | info[12] >> 4, info[2] << 8 | info[3]
            stated = (info[13] & 0x0F) << 32 | int.from_bytes(info[14:18], "big")
            if stated:
                return FlacRepair(stated, rate, False)
            size = file.seek(0, os.SEEK_END)
            if size <= start:
                raise AudioFileError(
                    f"{path} is a FLAC without sound: its recorder ended before the first frame; delete it, or record "
                    "to it again"
                )
            first = max(start, size - _TAIL_BYTES)
            file.seek(first)
            found = _last_frame(file.read(), blocksize)
            if found is None:
                raise AudioFileError(f"{path} holds no whole FLAC frame; nothing of it can be read")
            frames, end = found
            file.seek(8 + 13)
            file.write(bytes([info[13] & 0xF0 | frames >> 32]) + (frames & 0xFFFFFFFF).to_bytes(4, "big"))
            file.truncate(first + end)
            os.fsync(file.fileno())
            return FlacRepair(frames, rate, True, size - first - end)
    except (OSError, ValueError) as error:  # ValueError: no name of a file
        raise AudioFileError(f"{path} cannot be repaired: {reason(error)}") from error


def remove_empty_recording(path: Path) -> bool:
    """Remove a file without a byte, or a FLAC that ends with its header: of a recorder killed before its first frame.

    True if it was one. Anything else stays: a file that is still being recorded, damaged, or no FLAC.
    """
    if not is_file(path):
        return False
    try:
        with path.open("rb") as file:
            if not _locked(file.fileno()):
                return False
            size = os.fstat(file.fileno()).st_size
            if size and size > _metadata(file, path)[0]:
                return False
            path.unlink()
            return True
    except (AudioFileError, OSError, ValueError):  # ValueError: no name of a file
        return False


def lock_recording(path: Path) -> int:
    """A lock on ``path`` that ends with this process, however it ends; -1 where there are no locks.

    It tells ``repair_flac`` and ``remove_empty_recording`` that the file is still being written.
    """
    if sys.platform == "win32" or not path.is_file():  # a pipe would keep a reader that never reads
        return -1
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with contextlib.suppress(OSError):  # a file system without locks
            if _locked(descriptor):
                return descriptor
        os.close(descriptor)
    return -1


def _locked(descriptor: int) -> bool:
    """Lock an open file, if no other descriptor has; true where there are no locks."""
    if sys.platform == "win32":
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _metadata(file: BinaryIO, path: Path) -> tuple[int, bytes]:
    """Where the audio begins, and the content of the STREAMINFO block."""
    info = b""
    if file.read(4) == b"fLaC":
        while file.tell() < _MOST_METADATA_BYTES and len(header := file.read(4)) == 4:
            length = int.from_bytes(header[1:], "big")
            if header[0] & 0x7F == 0 and length == _STREAMINFO_BYTES:
                info = file.read(length)
            else:
                file.seek(length, os.SEEK_CUR)
            if header[0] & 0x80:
                if len(info) == _STREAMINFO_BYTES:
                    return file.tell(), info
                break
    raise AudioFileError(f"{path} is no FLAC file with a whole header; only recordings in FLAC can be repaired")


def _last_frame(tail: bytes, blocksize: int) -> tuple[int, int] | None:
    """How many samples end with the last whole frame of ``tail``, and where it ends; ``None`` if there is none."""
    starts = list(_frame_headers(tail, blocksize))
    summed = 0
    for number in range(len(starts) - 1, -1, -1):
        start, samples = starts[number]
        crc, position = 0, start
        for later in range(number + 1, len(starts) + 1):
            end = starts[later][0] if later < len(starts) else len(tail)
            summed += end - position
            if end - start > _MOST_FRAME_BYTES:
                break
            if summed > _MOST_SUMMED_BYTES:
                return None
            crc = _crc16(tail, position, end, crc)
            position = end
            if crc == 0 and end > start + 8:  # the checksum of a frame with its own checksum behind it is 0
                return samples, end
    return None


def _frame_headers(tail: bytes, blocksize: int) -> Iterator[tuple[int, int]]:
    """Where frames begin, as far as their header's checksum is right, and how many samples end with each."""
    at = tail.find(b"\xff")
    while at >= 0:
        found = (
            _frame_header(tail[at : at + 16], blocksize) if at + 1 < len(tail) and tail[at + 1] & 0xFE == 0xF8 else None
        )
        if found is not None:
            yield at, found
        at = tail.find(b"\xff", at + 1)


def _frame_header(header: bytes, blocksize: int) -> int | None:
    """The number of samples up to the end of the frame that begins with ``header``; ``None`` if it is none."""
    if len(header) < 6:
        return None
    variable, size_code, rate_code = header[1] & 1, header[2] >> 4, header[2] & 0x0F
    number, at = _coded_number(header)
    if number is None or size_code == 0 or rate_code == 15:
        return None
    if size_code == 1:
        samples = 192
    elif size_code <= 5:
        samples = 576 << (size_code - 2)
    elif size_code <= 7:
        width = size_code - 5
        samples, at = int.from_bytes(header[at : at + width], "big") + 1, at + width
    else:
        samples = 256 << (size_code - 8)
    at += {12: 1, 13: 2, 14: 2}.get(rate_code, 0)
    if at >= len(header) or _crc8(header[:at]) != header[at]:
        return None
    return (number if variable else number * blocksize) + samples


def _coded_number(header: bytes) -> tuple[int | None, int]:
    """The frame or sample number, which is coded as in UTF-8 from byte 4 on, and where it ends."""
    first = header[4]
    if first < 0x80:
        return first, 5
    more = 8 - (first ^ 0xFF).bit_length() - 1
    if more < 1 or 5 + more > len(header):
        return None, 5
    number = first & (0x3F >> more)
    for byte in header[5 : 5 + more]:
        if byte & 0xC0 != 0x80:
            return None, 5
        number = number << 6 | byte & 0x3F
    return number, 5 + more


def _crc8(data: bytes) -> int:
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ (0x07 if crc & 0x80 else 0)) & 0xFF
    return crc


def _crc16_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        crc = byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ (0x8005 if crc & 0x8000 else 0)) & 0xFFFF
        table.append(crc)
    return tuple(table)


_CRC16 = _crc16_table()


def _crc16(data: bytes, start: int, end: int, crc: int) -> int:
    for byte in memoryview(data)[start:end]:
        crc = (crc << 8 ^ _CRC16[crc >> 8 ^ byte]) & 0xFFFF
    return crc
