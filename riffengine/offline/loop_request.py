"""The request for one loop outside of a set, from values by name, checked as a set would check them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from riffengine.errors import OutOfRange, UnknownParameter
from riffengine.performance.chords import parse_chords, transposed
from riffengine.performance.command import Value
from riffengine.performance.parameters import standard_tree
from riffengine.performance.takes import LONGEST_BEATS, parse_takes
from riffengine.processes.audio import SAMPLE_RATES
from riffengine.processes.render_request import DEFAULT_LOOP_BEATS, LOOP_BEATS, RENDER_CONTROLS, MorphEnd, RenderRequest

_OF_THE_SET = {"bpm": "transport/tempo", "key": "key", "steps": "steps"}
_OF_A_DECK = ("prompt", "to", "negative", "seed", "to_seed", "alpha", "guidance", "init", "strength", "chords", "takes")
NAMES = (*_OF_THE_SET, *_OF_A_DECK, *(control.name for control in RENDER_CONTROLS))
"""Every name that ``loop_request`` takes."""


def loop_request(
    values: Mapping[str, Value],
    stems: Sequence[str],
    model: str,
    beats: int = DEFAULT_LOOP_BEATS,
    sample_rate: int = 44100,
) -> RenderRequest:
    """The request that ``values`` describe, by the ``NAMES``; what is not given has the default of a deck.

    Without ``to`` and ``to_seed`` both ends of the morph are equal; without ``init``, ``strength`` means nothing.
    ``stems`` are those of ``model``. Raises ``ParameterError`` for a value that a set would refuse, too.
    """
    if beats not in LOOP_BEATS:
        raise OutOfRange(f"beats is {beats}; a loop has 4, 8 or 16 beats")
    if sample_rate not in SAMPLE_RATES:
        raise OutOfRange(f"sample_rate is {sample_rate}; it must be {' or '.join(map(str, SAMPLE_RATES))}")
    for name in values:
        if name not in NAMES:
            raise UnknownParameter(f"{name} does not determine a loop; allowed are {', '.join(NAMES)}")
    tree = standard_tree(("a",), stems, loop_beats=beats)
    state = tree.initial_state()
    for name, value in values.items():
        path = _OF_THE_SET.get(name, f"deck/a/{name}")
        state = state.with_value(path, tree.check(path, value)[0])
    deck = state.deck("a")
    retakes = parse_takes(state.text("deck/a/takes"), LONGEST_BEATS)
    for stem in (stem for retake in retakes for stem in retake.stems):
        if stem not in stems:
            raise OutOfRange(f"takes: {stem!r} is not a stem of this model; its stems are {', '.join(stems)}")
    controls: dict[str, Any] = {control.name: deck.controls[control.name] for control in RENDER_CONTROLS}
    start = MorphEnd(deck.prompt, deck.seed, deck.negative, deck.guidance, deck.strength if deck.init else 1.0)
    return RenderRequest(
        start=start,
        end=replace(start, prompt=deck.to or deck.prompt, seed=deck.to_seed if "to_seed" in values else deck.seed),
        alpha=deck.alpha,
        steps=int(state["steps"]),
        bpm=state.number("transport/tempo"),
        beats=beats,
        sample_rate=sample_rate,
        key=state.text("key"),
        init=deck.init,
        model=model,
        chords=transposed(parse_chords(deck.chords), controls["transpose"]),  # chords are given as they shall sound
        retakes=retakes,
        **controls,
    )
