"""Sharing: the links of one performance. The weights' digest is read once, when it is first asked for."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

from riffengine.performance.command import Value
from riffengine.performance.parameter_tree import Parameter
from riffengine.renderer.registry import family_of
from riffengine.web.coming_plugins import ComingPlugins
from riffengine.web.share import Moment, changes_to, differences, moment_of, read_moment, write_moment


class Sharing:
    """Writes and opens the links of a performance with ``parameters``, which may change. The server's thread."""

    def __init__(self, model: str, loop_beats: int, sample_rate: int, parameters: tuple[Parameter, ...]) -> None:
        self.parameters = parameters
        self._model, self._loop_beats, self._sample_rate = model, loop_beats, sample_rate
        self._coming = ComingPlugins()
        folder = Path(str(resources.files("riffengine") / "pictures" / "seed"))
        self._pictures = tuple(path.stem for path in folder.glob("*.png"))

    def text(self, values: Mapping[str, Value]) -> tuple[str, tuple[str, ...]]:
        """The text of the moment with ``values``, notes of what cannot travel; ``ControlError`` if it is too long."""
        moment, notes = moment_of(self.parameters, values, self._here(), self._pictures)
        return write_moment(moment), notes

    def opened(self, text: str, values: Mapping[str, Value]) -> tuple[dict[str, Value], tuple[str, ...]]:
        """What must be set to hear the moment ``text``, and why its loops will not be the same."""
        moment = read_moment(text)
        wanted, missing = changes_to(moment, self.parameters, values)
        self._coming.open(moment, self.parameters, values)
        return wanted, (*differences(moment, self._here()), *missing)

    def changes(self, values: Mapping[str, Value]) -> dict[str, Value]:
        """What of the moment that was opened last can be set by now: the parameters of plugins that have come."""
        return self._coming.changes(self.parameters, values)

    def _here(self) -> Moment:
        return Moment(self._model, self._weights, self._loop_beats, 0.0, {}, self._sample_rate)

    @functools.cached_property
    def _weights(self) -> str:
        return family_of(self._model).weights_digest(self._model)
