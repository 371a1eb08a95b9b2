"""Denormals: very small numbers, which slow some plugins down by a factor of 60, are made zero in the current thread.

The bits FTZ and DAZ (x86-64) or FZ (arm64) are set through the C library's ``fegetenv`` and ``fesetenv``, so that no
memory has to be made executable. Whether it worked is seen from a product, not believed.
"""

from __future__ import annotations

import ctypes
import platform
import sys

import numpy as np

# Where fenv_t holds the control register, and the bits in it. glibc and musl agree on Linux.
_PLACES = {
    ("linux", "x86_64"): (28, 0x8040),  # MXCSR: flush to zero, denormals are zero
    ("linux", "aarch64"): (0, 1 << 24),  # FPCR: FZ
    ("darwin", "x86_64"): (4, 0x8040),
    ("darwin", "arm64"): (8, 1 << 24),
}
_ENVIRONMENT_BYTES = 64  # more than any fenv_t


def flush_denormals() -> bool:
    """Flush denormals to zero in the current thread from now on; ``False`` where that is not possible.

    Threads that it starts later inherit the setting on Linux.
    """
    place = _PLACES.get((sys.platform, platform.machine()))
    if place is not None and not denormals_are_flushed():
        offset, bits = place
        try:
            library = ctypes.CDLL(None if sys.platform == "darwin" else "libm.so.6")
        except OSError:  # musl has its mathematics in libc
            library = ctypes.CDLL(None)
        environment = (ctypes.c_uint8 * _ENVIRONMENT_BYTES)()
        library.fegetenv(environment)
        ctypes.c_uint32.from_buffer(environment, offset).value |= bits
        library.fesetenv(environment)
    return denormals_are_flushed()


def denormals_are_flushed() -> bool:
    """Whether the current thread makes zero of denormals, both of results and of what it reads."""
    smallest_normal = np.array([2.0**-126], np.float32)
    denormal = np.array([1], np.uint32).view(np.float32)
    return bool((smallest_normal * np.float32(0.5))[0] == 0 and (denormal * np.float32(2.0**100))[0] == 0)
