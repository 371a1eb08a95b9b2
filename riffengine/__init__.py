"""Riffengine: latent diffusion that can be played. Importing it loads neither torch, PortAudio nor numpy.

Render loops with ``load_model`` and ``render``; play a set with ``play``, which gives a ``Performance``; read presets
with ``load_session``.
"""

import importlib as _importlib
import typing as _typing

from riffengine.errors import RiffError

if _typing.TYPE_CHECKING:
    from riffengine.api.loops import RenderedLoop, load_model, render
    from riffengine.api.performance import Performance, play
    from riffengine.performance.command import Accepted, Command, Landing, Rejected
    from riffengine.session.session import Session, load_session

__version__ = "0.1.0"
__all__ = [
    "Accepted",
    "Command",
    "Landing",
    "Performance",
    "Rejected",
    "RenderedLoop",
    "RiffError",
    "Session",
    "__version__",
    "load_model",
    "load_session",
    "play",
    "render",
]

_HOMES = {
    "Accepted": "performance.command",
    "Command": "performance.command",
    "Landing": "performance.command",
    "Rejected": "performance.command",
    "Performance": "api.performance",
    "play": "api.performance",
    "RenderedLoop": "api.loops",
    "load_model": "api.loops",
    "render": "api.loops",
    "Session": "session.session",
    "load_session": "session.session",
}


def __getattr__(name: str) -> object:
    """Import a public name when it is first used."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: object = getattr(_importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
