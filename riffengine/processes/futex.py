"""Futex: wakes a process that waits for a word of shared memory to change; Linux, elsewhere the waiter polls.

Source: futex(2). Used where two processes exchange blocks within milliseconds and one of them must never wait.
"""

from __future__ import annotations

import ctypes
import platform
import sys
import time

_CALL_NUMBERS = {"x86_64": 202, "aarch64": 98, "arm64": 98}
_WAIT, _WAKE = 0, 1
_POLL_SECONDS = 0.0005  # where there is no futex
_NUMBER = _CALL_NUMBERS.get(platform.machine()) if sys.platform.startswith("linux") else None


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class Futex:
    """One 32-bit word of shared memory at ``address``. Any thread; the memory must outlive the object.

    ``wake`` keeps the interpreter lock: the audio thread must not hand it to another thread and wait to have it back.
    """

    def __init__(self, address: int) -> None:
        self._word = ctypes.c_uint32.from_address(address)
        self._address = ctypes.c_void_p(address)
        if _NUMBER is not None:
            self._held_call = ctypes.PyDLL(None).syscall
            self._free_call = ctypes.CDLL(None).syscall

    @property
    def value(self) -> int:
        """The word; read it before looking at what it announces, and pass it to ``wait``."""
        return self._word.value

    def wake(self) -> None:
        """Change the word, and wake whoever waits for that. Never waits."""
        self._word.value = (self._word.value + 1) & 0xFFFFFFFF
        if _NUMBER is not None:
            self._held_call(ctypes.c_long(_NUMBER), self._address, _WAKE, ctypes.c_int(1), None, None, 0)

    def wait(self, seen: int, timeout_seconds: float) -> None:
        """Return when the word is no longer ``seen``, after ``timeout_seconds``, or sooner for no reason."""
        if self._word.value != seen:
            return
        if _NUMBER is None:
            time.sleep(min(_POLL_SECONDS, timeout_seconds))
            return
        span = _Timespec(int(timeout_seconds), int(timeout_seconds % 1.0 * 1e9))
        call = (ctypes.c_long(_NUMBER), self._address, _WAIT, ctypes.c_uint32(seen), ctypes.byref(span), None, 0)
        self._free_call(*call)
