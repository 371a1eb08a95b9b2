"""The error tree of the package. Every message says what was wrong, what is allowed, and what to do.

RiffError
├── PresetError            a preset file is refused (file, line, key)
├── ParameterError         a value for the parameter tree is refused
│   ├── UnknownParameter
│   ├── WrongType
│   └── OutOfRange
├── ControlError           a message from outside (OSC, MIDI) cannot be understood
│   └── TooFarAhead        it is to act at a time that no music is planned for
├── DeviceError            a sound device, or the library that drives it, is not usable
├── RendererError          a loop could not be rendered
│   └── RenderCancelled    a newer request replaced the job; not a fault
├── ModelError             weights or a checkpoint are missing, damaged or of the wrong kind
├── JournalError           a journal cannot be created or read
├── LoopStoreError         shared memory for loops is missing, full or belongs to another session
├── PluginError            a plugin cannot be found, loaded or restored
├── DawError               the plugin for DAWs cannot be built or reached
├── AgentError             what an agent asked for cannot be done, or no engine answers it
├── ServiceError           a log file, a port or a terminal cannot be opened
├── AudioFileError         an audio file cannot be read or written
├── PictureError           a spectrogram image cannot be read or written
└── SetEnded               a set played from Python has ended, or was never started
"""

from __future__ import annotations

import unicodedata


class RiffError(Exception):
    """The base class of every error that this package raises on purpose."""


class PresetError(RiffError):
    """A preset is refused, and nothing starts. ``where`` is ``file:line`` and ``key`` the dotted key.

    ``others`` are more problems of the same file; the message has one line for each.
    """

    def __init__(self, where: str, key: str, problem: str, others: tuple[PresetError, ...] = ()) -> None:
        first = f"{where}: {key}: {problem}" if key else f"{where}: {problem}"
        super().__init__("\n".join([first, *map(str, others)]))
        self.where = where
        self.key = key
        self.problem = problem
        self.others = others


class ParameterError(RiffError):
    """A value for the parameter tree is refused; the state is unchanged."""


class UnknownParameter(ParameterError):
    """No parameter has this path."""


class WrongType(ParameterError):
    """The value's type does not fit the parameter."""


class OutOfRange(ParameterError):
    """The value is outside the range that the parameter allows."""


class ControlError(RiffError):
    """A message from a controller, a DAW or a patch cannot be understood."""


class TooFarAhead(ControlError):
    """A message is to act so late that a clock must be set wrong."""


class DeviceError(RiffError):
    """A sound or MIDI device, or the library that drives it, cannot be used."""


class RendererError(RiffError):
    """A loop could not be rendered."""


class RenderCancelled(RendererError):
    """A newer request replaced this job between two denoising steps."""


class ModelError(RiffError):
    """Weights or a checkpoint are missing, damaged, or of the wrong kind."""


class JournalError(RiffError):
    """A journal cannot be created, or a file is not a journal that this version can read."""


class LoopStoreError(RiffError):
    """Shared memory for loops is missing, full, or belongs to another session."""


class PluginError(RiffError):
    """A plugin cannot be found, loaded or restored; the sound continues without it."""


class AgentError(RiffError):
    """What an agent asked for cannot be done, or no engine answers it; nothing was changed."""


class DawError(RiffError):
    """The plugin for DAWs cannot be built, or its shared memory or socket cannot be used."""


class ServiceError(RiffError):
    """A log file, a port or a terminal cannot be opened."""


class AudioFileError(RiffError):
    """An audio file cannot be read or written."""


class PictureError(RiffError):
    """A spectrogram image cannot be read or written."""


class SetEnded(RiffError):
    """A set that is played from Python has ended, or was not started."""


def plain(text: object) -> str:
    """Text that may come from outside, for a terminal or a log: as it is, but what a terminal would obey is escaped.

    Line breaks and tabs stay. Escaped are the other control characters, those that change the direction of writing, and
    halves of characters. The status line, the dashboard, the log, the command line and its errors all pass through
    here.
    """
    whole = str(text)
    return whole if whole.isprintable() else "".join(map(_plain, whole))


def _plain(character: str) -> str:
    kept = character.isprintable() or character in "\n\t\u200d"  # the last one joins the parts of an emoji
    if kept or unicodedata.category(character) == "Zs":
        return character
    return character.encode("unicode_escape").decode("ascii")


def printable(text: object, longest: int = 200) -> str:
    """Text from outside for use in a message: one line, ``longest`` characters at most, control characters escaped.

    Otherwise an escape sequence in a file name or a server's response could move the cursor or rewrite the line.
    """
    whole = str(text)
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in whole[:longest])
    return f"{shown}…" if len(whole) > longest else shown


def reason(error: Exception) -> str:
    """Why a file could not be used, in the system's or the library's words alone.

    For messages that name the file themselves: the text of an ``OSError`` repeats its path after a number, and that of
    libsndfile names a descriptor.
    """
    words = getattr(error, "strerror", None) or getattr(error, "error_string", None) or error
    return printable(words).removesuffix(".")
