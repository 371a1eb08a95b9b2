"""The one error tree. Every message says what was wrong, what is allowed, and what to do.

RiffError
├── PresetError            a preset file is refused (file, line, key)
├── ParameterError         a value for the parameter tree is refused
│   ├── UnknownParameter
│   ├── WrongType
│   └── OutOfRange
├── ControlError           a message from outside (OSC, MIDI) cannot be understood
├── DeviceError            a sound device, or the library that drives it, is not usable
├── RendererError          a loop could not be rendered
│   ├── RenderCancelled    newer intent replaced the job; not a fault
│   └── RendererDied       the renderer process ended
├── ModelError             weights or a checkpoint are missing, damaged or of another kind
├── JournalError           a journal cannot be begun or read
├── LoopStoreError         shared memory for loops is missing, full or of another session
├── ServiceError           a log file, a port or a terminal cannot be had
├── AudioFileError         an audio file cannot be read or written
├── PictureError           a picture of sound cannot be read or written
└── SetEnded               a set played from Python has ended, or was never started
"""

from __future__ import annotations


class RiffError(Exception):
    """Root of every error this package raises on purpose."""


class PresetError(RiffError):
    """A preset is refused; nothing starts. ``where`` is ``file:line`` and ``key`` the dotted key.

    ``others`` are the further problems of the same file; the message has one line for each.
    """

    def __init__(self, where: str, key: str, problem: str, others: tuple[PresetError, ...] = ()) -> None:
        first = f"{where}: {key}: {problem}" if key else f"{where}: {problem}"
        super().__init__("\n".join([first, *map(str, others)]))
        self.where = where
        self.key = key
        self.problem = problem
        self.others = others


class ParameterError(RiffError):
    """A value for the parameter tree is refused; the state is as it was."""


class UnknownParameter(ParameterError):
    """No parameter has this path."""


class WrongType(ParameterError):
    """The value's type does not fit the parameter."""


class OutOfRange(ParameterError):
    """The value lies outside what the parameter allows."""


class ControlError(RiffError):
    """A message from a controller, a DAW or a patch cannot be understood."""


class DeviceError(RiffError):
    """A sound or MIDI device, or the library that drives it, cannot be used."""


class RendererError(RiffError):
    """A loop could not be rendered."""


class RenderCancelled(RendererError):
    """Newer intent replaced this job between two denoising steps."""


class RendererDied(RendererError):
    """The renderer process ended while it had work."""


class ModelError(RiffError):
    """Weights or a checkpoint are missing, damaged, or of another kind."""


class JournalError(RiffError):
    """A journal cannot be begun, or a file is not a journal that this version reads."""


class LoopStoreError(RiffError):
    """Shared memory for loops is missing, full, or belongs to another session."""


class ServiceError(RiffError):
    """A log file, a port or a terminal for those who watch cannot be had."""


class AudioFileError(RiffError):
    """An audio file cannot be read or written."""


class PictureError(RiffError):
    """A picture of sound cannot be read or written."""


class SetEnded(RiffError):
    """A set that is played from Python has ended, or was not started."""


def printable(text: object, longest: int = 200) -> str:
    """``text`` from outside for a message: one line, at most ``longest`` characters, control characters escaped.

    An escape sequence in a file's name or a server's answer would otherwise move the cursor or rewrite the line.
    """
    whole = str(text)
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in whole[:longest])
    return f"{shown}…" if len(whole) > longest else shown
