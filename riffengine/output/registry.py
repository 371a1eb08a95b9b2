"""The registry of outputs, by the names that presets and the command line use.

A new output is a module with an ``open_output`` function (see ``Opener``) and a line here. This module imports none of
them, so the command line can read their names without an audio library.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from riffengine.errors import DeviceError

if TYPE_CHECKING:
    from riffengine.output.output import Opener, Output, OutputSettings
    from riffengine.processes.audio import Fill

AUTO = "auto"
"""The sound device, or the fallback where there is none."""

SOUND_DEVICE = "device"
DAW = "daw"
"""The tracks of a DAW, through our plugin there."""

FALLBACK = "paced"
"""The output that takes over when another cannot be opened or is lost: it needs nothing but the clock."""


@dataclass(frozen=True)
class OutputKind:
    """How an output is opened. ``opener`` is ``module:function``, imported when the output is opened.

    ``on_sound_device``: PortAudio plays it, so the device has a say in the sample rate.
    """

    opener: str
    on_sound_device: bool = False


OPENERS: dict[str, OutputKind] = {
    SOUND_DEVICE: OutputKind("riffengine.output.device:open_output", on_sound_device=True),
    FALLBACK: OutputKind("riffengine.output.paced:open_output"),
    DAW: OutputKind("riffengine.output.daw:open_output"),
}


def output_names() -> tuple[str, ...]:
    """Every name that chooses an output."""
    return (AUTO, *OPENERS)


def preferred(name: str) -> str:
    """The output that ``name`` asks for first; ``DeviceError`` when there is none of this name."""
    names = output_names()
    if name not in names:
        raise DeviceError(f"output is {name!r}; it must be {', '.join(names[:-1])} or {names[-1]}")
    return SOUND_DEVICE if name == AUTO else name


def on_sound_device(name: str) -> bool:
    """Whether ``name`` asks for a sound device first."""
    return OPENERS[preferred(name)].on_sound_device


def open_output(name: str, settings: OutputSettings, fill: Fill, retry: bool = False) -> Output:
    """The output of this name in ``OPENERS``, not started yet; ``DeviceError`` when it cannot be opened."""
    module, function = OPENERS[name].opener.split(":")
    opener: Opener = getattr(import_module(module), function)
    return opener(settings, fill, retry)
