"""Which grid a deck's next bank may land on, by the parameters that changed. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping

from riffengine.performance.command import Value
from riffengine.performance.parameters import QUANTUM_FOLLOWS
from riffengine.processes.render_request import RENDER_CONTROLS
from riffengine.scheduler.morph_bank import BankKey
from riffengine.transport.beat_grid import quantum_beats

# Fields of a request, and of the start of its morph, and the parameter behind each.
_OF_REQUEST: Mapping[str, str] = {
    "bpm": "tempo",
    "key": "key",
    "init": "init",
    "init_hash": "init",
    **{knob.name: knob.name for knob in RENDER_CONTROLS},
    "retakes": "takes",
}
_OF_POINT = ("prompt", "seed", "negative", "guidance", "strength")


def changed_parameters(new: BankKey, old: BankKey) -> set[str]:
    """The parameters, by the last word of their paths, that lead from ``old`` to ``new``."""
    now, before = new.base, old.base
    names = {name for fact, name in _OF_REQUEST.items() if getattr(now, fact) != getattr(before, fact)}
    names |= {name for name in _OF_POINT if getattr(now.start, name) != getattr(before.start, name)}
    # An end without words of its own has those of the start, and moves with them.
    if now.end.prompt != before.end.prompt and (now.end.prompt != now.start.prompt or "prompt" not in names):
        names.add("to")
    if now.end.seed != before.end.seed:
        names.add("to_seed")
    if now.chords != before.chords and "transpose" not in names:  # chords are moved by the transposer
        names.add("chords")
    return names


def landing_beats(new: BankKey, old: BankKey, values: Mapping[str, Value], loop_beats: int) -> float:
    """Beats between two boundaries on which ``new`` may follow ``old``: the coarsest quantum of what was changed.

    A parameter without a quantum of its own follows ``transport/quantum``.
    """

    def beats(path: str) -> float:
        return quantum_beats(str(values[path]), loop_beats)

    def of(name: str) -> float:
        own = f"transport/quantum_{name}"
        return beats("transport/quantum" if values.get(own, QUANTUM_FOLLOWS) == QUANTUM_FOLLOWS else own)

    return max(map(of, changed_parameters(new, old)), default=beats("transport/quantum"))
