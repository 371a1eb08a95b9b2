"""Riffengine: latent diffusion that can be played live.

Importing it loads neither torch, PortAudio nor numpy.

Render loops with ``load_model`` and ``render``; play a set with ``play``, which gives a ``Performance``; read presets
with ``load_session``; render a set again with ``render_journal``. Every error is a ``RiffError``.
"""

import importlib as _importlib
import typing as _typing

from riffengine.errors import RiffError

if _typing.TYPE_CHECKING:
    from riffengine.api.loops import RenderedLoop, load_model, render, render_journal
    from riffengine.api.performance import Performance, play
    from riffengine.control.surface import EngineEvent, ParameterLanded
    from riffengine.errors import ParameterError, SetEnded
    from riffengine.notes.loop_notes import LoopNote
    from riffengine.performance.command import Accepted, Command, Landing, Rejected
    from riffengine.processes.render_request import RenderRequest
    from riffengine.renderer.family import Family, Rendition
    from riffengine.replay import ReplayReport
    from riffengine.session.session import Session, load_session
    from riffengine.telemetry.observation import Observation

__version__ = "0.1.0"
__all__ = [
    "Accepted",
    "Command",
    "EngineEvent",
    "Family",
    "Landing",
    "LoopNote",
    "Observation",
    "ParameterError",
    "ParameterLanded",
    "Performance",
    "Rejected",
    "RenderRequest",
    "RenderedLoop",
    "Rendition",
    "ReplayReport",
    "RiffError",
    "Session",
    "SetEnded",
    "__version__",
    "load_model",
    "load_session",
    "play",
    "render",
    "render_journal",
]

_MODULES = {
    "api.loops": ("RenderedLoop", "load_model", "render", "render_journal"),
    "api.performance": ("Performance", "play"),
    "control.surface": ("EngineEvent", "ParameterLanded"),
    "errors": ("ParameterError", "SetEnded"),
    "notes.loop_notes": ("LoopNote",),
    "performance.command": ("Accepted", "Command", "Landing", "Rejected"),
    "processes.render_request": ("RenderRequest",),
    "renderer.family": ("Family", "Rendition"),
    "replay": ("ReplayReport",),
    "session.session": ("Session", "load_session"),
    "telemetry.observation": ("Observation",),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> object:
    """Import a public name when it is first used."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: object = getattr(_importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
