"""Sharing: the links of one performance. The weights' digest is read once, when it is first asked for."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

from riffengine.performance.command import Value
from riffengine.performance.parameter_tree import Parameter
from riffengine.renderer.registry import family_of
from riffengine.web.share import Moment, changes_to, differences, moment_of, read_moment, write_moment


class Sharing:
    """Writes and opens the links of a performance with ``parameters``. The server's thread."""

    def __init__(self, model: str, loop_beats: int, parameters: tuple[Parameter, ...]) -> None:
        self._model, self._loop_beats, self._parameters = model, loop_beats, parameters
        folder = Path(str(resources.files("riffengine") / "pictures" / "seed"))
        self._pictures = tuple(path.stem for path in folder.glob("*.png"))

    def text(self, values: Mapping[str, Value]) -> tuple[str, tuple[str, ...]]:
        """The text of the moment with ``values``, notes of what cannot travel; ``ControlError`` if it is too long."""
        moment, notes = moment_of(self._parameters, values, self._here(), self._pictures)
        return write_moment(moment), notes

    def opened(
        self, text: str, values: Mapping[str, Value]
    ) -> tuple[dict[str, Value], tuple[str, ...], tuple[str, ...]]:
        """What must be set to hear the moment ``text``, why its loops will not be the same, and notes."""
        moment = read_moment(text)
        wanted, notes = changes_to(moment, self._parameters, values)
        return wanted, differences(moment, self._here()), notes

    def _here(self) -> Moment:
        return Moment(self._model, self._weights, self._loop_beats, 0.0, {})

    @functools.cached_property
    def _weights(self) -> str:
        return family_of(self._model).weights_digest(self._model)
