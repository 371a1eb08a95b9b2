"""Turns the journal of a played set into the script of a rehearsal."""

from __future__ import annotations

from types import MappingProxyType

from riffengine.errors import JournalError, ParameterError
from riffengine.performance import drift
from riffengine.performance.journal import Recording
from riffengine.performance.parameter_tree import ParameterTree
from riffengine.performance.state import PerformanceState
from riffengine.rehearsal.rehearsal import ScriptLine


def script_from_journal(recording: Recording, seconds: float) -> list[ScriptLine]:
    """The accepted commands of the first ``seconds`` of a set, each at its time.

    Drift commands are left out, because the rehearsal makes its own. Raises ``JournalError`` when the journal has no
    valid sample rate.
    """
    rate = recording.header.sample_rate
    if isinstance(rate, bool) or not isinstance(rate, int) or rate <= 0:
        raise JournalError(
            f"the journal's sample rate is {rate!r}, but must be a whole number above 0; the journal is damaged"
        )
    # Sorted by time: a journal has commands in the order of arrival, and those of an OSC bundle may act later.
    commands = sorted(recording.commands(), key=lambda pair: pair[0].frame)
    return [
        ScriptLine((command,), entry.frame / rate)
        for entry, command in commands
        if command.source != drift.SOURCE and 0 <= entry.frame < seconds * rate
    ]


def state_from_journal(recording: Recording, tree: ParameterTree, state: PerformanceState) -> PerformanceState:
    """``state`` with the values at the start of the set, as far as ``tree`` has these parameters and allows them."""
    values = dict(state.values)
    for path, value in recording.header.parameters.items():
        if path in values:
            try:
                values[path], _ = tree.check(path, value)
            except ParameterError:
                continue
    return PerformanceState(MappingProxyType(values))
