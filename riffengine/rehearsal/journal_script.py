"""Journalled: the hands of a set that was played, as the script of a rehearsal."""

from __future__ import annotations

from types import MappingProxyType

from riffengine.errors import JournalError, ParameterError
from riffengine.performance import drift
from riffengine.performance.journal import Recording
from riffengine.performance.parameters import ParameterTree
from riffengine.performance.state import PerformanceState
from riffengine.rehearsal.rehearsal import Line


def journalled_lines(recording: Recording, seconds: float) -> list[Line]:
    """The accepted commands of the first ``seconds`` of a set, each at its second; the walk walks by itself.

    Raises ``JournalError`` when the set's sample rate is no rate.
    """
    rate = recording.header.sample_rate
    if isinstance(rate, bool) or not isinstance(rate, int) or rate <= 0:
        raise JournalError(f"the journal's sample rate is {rate!r}; a whole number above 0 is needed: it is damaged")
    # In order of time: a journal keeps the order in which commands came, and a bundle's may act later.
    played = sorted(recording.commands(), key=lambda told: told[0].frame)
    return [
        Line((command,), entry.frame / rate)
        for entry, command in played
        if command.source != drift.SOURCE and 0 <= entry.frame < seconds * rate
    ]


def journalled_state(recording: Recording, tree: ParameterTree, state: PerformanceState) -> PerformanceState:
    """``state`` with the values from which the set began, as far as ``tree`` has such parameters and allows them."""
    values = dict(state.values)
    for path, value in recording.header.parameters.items():
        if path in values:
            try:
                values[path], _ = tree.check(path, value)
            except ParameterError:
                continue
    return PerformanceState(MappingProxyType(values))
