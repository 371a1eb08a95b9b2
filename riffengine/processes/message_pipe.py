"""MessagePipe: one end of a pipe between two processes, which never waits for the other end.

A ``Connection`` of ``multiprocessing`` waits in ``send`` until the last byte is taken, and in ``recv`` until the last
byte has come: a process that is stopped in the middle of a message stops the other one. Here what the pipe does not
take is kept, and what has come of a message is kept until the rest follows. The bytes are those of ``Connection``, so
that either end may be one.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import struct
import sys
from collections import deque
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler
from typing import Generic, TypeVar

_LONGEST = 0x7FFFFFFF  # bytes of a message behind the short header
_SHORT, _LONG = struct.Struct("!i"), struct.Struct("!iQ")
_READ_BYTES = 1 << 16

Sent = TypeVar("Sent")
Received = TypeVar("Received")


class MessagePipe(Generic[Sent, Received]):
    """Sends and receives what can be pickled, in order. It owns ``connection``, which nobody else uses from then on.

    On Windows, whose pipes know no such thing, ``send`` and ``receive`` may wait within a large message. One thread.
    """

    def __init__(self, connection: Connection) -> None:
        self.open = True  # whether the other end takes messages; false once a send has found that it has gone
        self._connection = connection
        self._unsent: deque[memoryview] = deque()
        self._come = bytearray()  # of messages that were not taken yet
        if sys.platform != "win32":
            os.set_blocking(connection.fileno(), False)

    @property
    def unsent(self) -> int:
        """How many messages have not gone entirely, because the other end does not read."""
        return len(self._unsent)

    def fileno(self) -> int:
        """The descriptor: readable when something has come or the other end has gone. ``OSError`` after ``close``."""
        return self._connection.fileno()

    def send(self, message: Sent) -> None:
        """Hand over ``message``; what the pipe does not take goes with a later ``flush``. Without effect when closed.

        Raises what ``pickle`` raises for a message that cannot be pickled; then nothing of it is sent.
        """
        data = ForkingPickler.dumps(message)
        self._unsent.append(memoryview(data if sys.platform == "win32" else b"".join((_header(len(data)), data))))
        self.flush()

    def flush(self) -> None:
        """Send what was kept, as far as the pipe takes it now; ``open`` is false when the other end has gone."""
        while self.open and self._unsent:
            data = self._unsent[0]
            try:
                if sys.platform == "win32":
                    self._connection.send_bytes(data)
                    taken = len(data)
                else:
                    taken = os.write(self._connection.fileno(), data)
            except BlockingIOError:
                return
            except OSError:
                self.open = False
                break
            if taken < len(data):
                self._unsent[0] = data[taken:]
            else:
                self._unsent.popleft()
        if not self.open:
            self._unsent.clear()

    def wait(self, seconds: float) -> None:
        """Wait until there is something for ``receive``, at most ``seconds``."""
        with contextlib.suppress(OSError):  # the other end has gone: ``receive`` tells so
            self._connection.poll(seconds)

    def receive(self) -> tuple[list[Received], bool]:
        """Every whole message that has come since the last call, and whether more can come.

        None can when the other end has been closed or its process has ended, maybe within a message.
        """
        if sys.platform == "win32":
            return self._receive_whole()
        connected = self._read()
        return [pickle.loads(data) for data in self._whole_messages()], connected

    def close(self) -> None:
        """Close this end; what was not sent is lost."""
        self.open = False
        self._unsent.clear()
        self._connection.close()

    def _read(self) -> bool:
        try:
            while data := os.read(self._connection.fileno(), _READ_BYTES):
                self._come += data
        except BlockingIOError:
            return True
        except OSError:  # ConnectionResetError: the other end has not read everything
            return False
        return False

    def _whole_messages(self) -> list[bytes]:
        messages, come, begin = [], memoryview(self._come), 0
        while (body := _body(come, begin)) is not None:
            messages.append(bytes(come[body]))
            begin = body.stop
        if begin:
            self._come = self._come[begin:]
        return messages

    def _receive_whole(self) -> tuple[list[Received], bool]:
        messages: list[Received] = []
        try:
            while self._connection.poll():
                messages.append(self._connection.recv())
        except (EOFError, OSError):
            return messages, False
        return messages, True


def _header(size: int) -> bytes:
    """What ``Connection`` writes before a message of ``size`` bytes."""
    return _SHORT.pack(size) if size <= _LONGEST else _LONG.pack(-1, size)


def _body(come: memoryview, begin: int) -> slice | None:
    """Where the message is whose header begins at ``begin``; ``None`` while not all of it has come."""
    at = begin + _SHORT.size
    if len(come) < at:
        return None
    (size,) = _SHORT.unpack_from(come, begin)
    if size < 0:
        at = begin + _LONG.size
        if len(come) < at:
            return None
        _, size = _LONG.unpack_from(come, begin)
    return slice(at, at + size) if len(come) >= at + size else None
