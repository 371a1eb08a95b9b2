"""Takes: which parts of a deck's loop were rendered again, as text that state, scenes, journal and undo can hold.

``drums:1-8:1 bass+harmony:5-8:2`` – first the drums of all eight beats with the noise of take 1, then bass and harmony
of the second bar with that of take 2. Pure; nothing here knows a model.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache, partial

from riffengine.errors import OutOfRange
from riffengine.performance.command import Value
from riffengine.performance.text_format import TextFormat
from riffengine.processes.parameter_path import NAME_PATTERN
from riffengine.processes.render_request import DEFAULT_LOOP_BEATS, LOOP_BEATS, Retake

LONGEST_BEATS = max(LOOP_BEATS)
"""Of any loop."""

ALL_BEATS = (1 << DEFAULT_LOOP_BEATS) - 1
MOST_TAKES = 12
"""Every one is another pass of the model over the loop. Beyond them the oldest that is hidden is let go."""

LONGEST_TEXT = 4096
"""Characters: ``MOST_TAKES`` of eight stems with long names each, every second beat of the longest loop, any number."""

_RANGE = re.compile(r"(\d+)(?:-(\d+))?")


def _example(loop_beats: int) -> str:
    return "1-4,7" if loop_beats >= DEFAULT_LOOP_BEATS else "1-2"


@lru_cache(maxsize=256)
def parse_beats(text: str, loop_beats: int = DEFAULT_LOOP_BEATS) -> int:
    """The beats of ``1-4,7`` as bits, beat 1 the lowest; ``""`` is none. ``ValueError`` says what is wrong."""
    beats = 0
    for part in re.split(r"[\s,]+", text.strip(" ,")) if text.strip(" ,") else ():
        found = _RANGE.fullmatch(part)
        first = int(found[1]) if found else 0
        last = int(found[2] or found[1]) if found else 0
        if not 1 <= first <= last <= loop_beats:
            raise ValueError(
                f"{part[:20]!r} is not a beat of the loop; write 1 to {loop_beats}, such as {_example(loop_beats)}"
            )
        for beat in range(first, last + 1):
            beats |= 1 << (beat - 1)
    return beats


def beats_text(beats: int) -> str:
    """``beats`` as ``parse_beats`` reads them."""
    runs: list[list[int]] = []
    for beat in range(1, LONGEST_BEATS + 1):
        if not beats >> (beat - 1) & 1:
            continue
        if runs and runs[-1][-1] == beat - 1:
            runs[-1].append(beat)
        else:
            runs.append([beat])
    return ",".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)


@lru_cache(maxsize=256)
def parse_takes(text: str, loop_beats: int = DEFAULT_LOOP_BEATS) -> tuple[Retake, ...]:
    """The takes of ``text`` in their order; ``ValueError`` says which of them is none."""
    takes = []
    for word in text.split():
        stems, _, rest = word.partition(":")
        beats, _, number = rest.partition(":")
        names = tuple(stems.split("+"))
        if (
            not all(NAME_PATTERN.fullmatch(name) for name in names)
            or not number.isdecimal()
            or int(number) < 1
            or not beats
        ):
            raise ValueError(f"{word[:30]!r} is not a take; write stems:beats:number, such as drums+bass:1-4:2")
        takes.append(Retake(names, parse_beats(beats, loop_beats), int(number)))
    if len(takes) > MOST_TAKES:
        raise ValueError(f"{len(takes)} takes are too many; at most {MOST_TAKES} are kept")
    return tuple(takes)


def takes_text(takes: Iterable[Retake]) -> str:
    """``takes`` as ``parse_takes`` reads them."""
    return " ".join(f"{'+'.join(take.stems)}:{beats_text(take.beats)}:{take.number}" for take in takes)


@lru_cache(maxsize=8)
def beats_form(loop_beats: int) -> TextFormat:
    """Beats of a loop of ``loop_beats``, as text."""
    example = f"beats of the loop, such as {_example(loop_beats)} (1 to {loop_beats})"
    return TextFormat(example, partial(parse_beats, loop_beats=loop_beats))


@lru_cache(maxsize=8)
def takes_form(loop_beats: int) -> TextFormat:
    """Takes of a loop of ``loop_beats``, as text."""
    example = f"takes as again writes them, such as drums:1-{loop_beats}:1; empty text clears them"
    return TextFormat(example, partial(parse_takes, loop_beats=loop_beats))


def again(
    values: Mapping[str, Value], deck: str, wanted: Sequence[str], number: int, loop_beats: int = DEFAULT_LOOP_BEATS
) -> str:
    """The takes of ``deck`` after ``wanted`` of its stems were rendered again as take ``number``, as text.

    Frozen stems and frozen beats stay as they are. ``OutOfRange`` when that leaves nothing to render.
    """
    at = f"deck/{deck}"
    free = tuple(stem for stem in wanted if not values[f"{at}/stem/{stem}/freeze"])
    beats = ((1 << loop_beats) - 1) & ~parse_beats(str(values[f"{at}/freeze/beats"]), LONGEST_BEATS)
    if not free:
        frozen = " and ".join(wanted)
        raise OutOfRange(
            f"{at}: {frozen} cannot be generated again while frozen; set {at}/stem/{wanted[0]}/freeze to false"
        )
    if not beats:
        raise OutOfRange(
            f"{at}: every beat is frozen, nothing can be generated again; unfreeze some in {at}/freeze/beats"
        )
    new = Retake(free, beats, number)
    takes = list(parse_takes(str(values[f"{at}/takes"]), LONGEST_BEATS))
    while takes and new.covers(takes[-1]):  # only the last: one between them has listened to the one before it
        takes.pop()
    takes.append(new)
    if len(takes) > MOST_TAKES:
        hidden = (n for n, take in enumerate(takes) if any(later.covers(take) for later in takes[n + 1 :]))
        del takes[next(hidden, 0)]
    return takes_text(takes)


def last_number(values: Mapping[str, Value], deck: str) -> int:
    """The highest number of any take of ``deck``, 0 when nothing was rendered again."""
    return max((take.number for take in parse_takes(str(values[f"deck/{deck}/takes"]), LONGEST_BEATS)), default=0)
