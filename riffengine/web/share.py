"""A moment as text: what makes the loops that are heard, for a link that another Riffengine opens. Pure.

The text is ``1.`` and base64url of JSON: the model, its weights' digest, the beats of a loop, the beat, and every value
that differs from its default. Names are those of the parameter tree, so a link is checked like a preset. Sounds and
pictures of one's own (``init`` that names a file) cannot travel: they are left out, and the notes say so.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from riffengine.errors import ControlError
from riffengine.performance.command import Value
from riffengine.performance.parameter_tree import Parameter
from riffengine.processes.parameter_path import parse_path

VERSION = "1"
LONGEST = 3500  # characters: a control message has at most 4096 bytes

_OF_THE_PLACE = (
    "transport/sync",
    "transport/nudge",
    "transport/ramp",
    "transport/offset",
    "transport/clock_out",
    "learn",
)
_GROUPS_OF_THE_PLACE = ("midi", "scene", "record", "cue", "prompts")


@dataclass(frozen=True)
class Moment:
    """A shared moment. ``values`` are by path; ``weights`` is "" where the sender did not know."""

    model: str
    weights: str
    loop_beats: int
    beat: float
    values: Mapping[str, Value]


def moment_of(
    parameters: Iterable[Parameter], values: Mapping[str, Value], about: Moment, pictures: Iterable[str] = ()
) -> tuple[Moment, tuple[str, ...]]:
    """``about`` with what of ``values`` makes the music, and notes of what cannot travel.

    ``pictures`` are the names of packaged pictures, which may be named as an ``init``.
    """
    kept: dict[str, Value] = {}
    notes = []
    for parameter in parameters:
        value = values.get(parameter.path)
        if value is None or value == parameter.default or parameter.kind == "trigger" or not _travels(parameter.path):
            continue
        if parse_path(parameter.path).control == "init" and str(value).partition("?")[0] not in set(pictures):
            notes.append(f"{parameter.path}: the sound or picture {str(value)!r} is on this machine alone")
            continue
        kept[parameter.path] = value
    return Moment(about.model, about.weights, about.loop_beats, about.beat, kept), tuple(notes)


def write_moment(moment: Moment) -> str:
    """The text of ``moment``; ``ControlError`` where it is too long for a link."""
    facts = {"m": moment.model, "w": moment.weights, "n": moment.loop_beats, "b": moment.beat, "v": dict(moment.values)}
    data = json.dumps(facts, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()
    text = f"{VERSION}.{base64.urlsafe_b64encode(data).decode().rstrip('=')}"
    if len(text) > LONGEST:
        raise ControlError(
            f"this moment takes {len(text)} characters; a link has at most {LONGEST}: use shorter prompts"
        )
    return text


def read_moment(text: str) -> Moment:
    """The moment that ``text`` holds; ``ControlError`` for what is none. Its values are not checked yet."""
    version, _, data = text.partition(".")
    if version != VERSION or not data or len(text) > LONGEST:
        raise ControlError("this link is not of this version of Riffengine, or a part of it is missing; copy all of it")
    try:
        facts = json.loads(base64.b64decode(data + "=" * (-len(data) % 4), altchars=b"-_", validate=True))
        moment = Moment(str(facts["m"]), str(facts["w"]), int(facts["n"]), float(facts["b"]), dict(facts["v"]))
    except (ValueError, KeyError, TypeError, RecursionError, binascii.Error):
        raise ControlError("this link is damaged; copy all of it") from None
    if not all(isinstance(value, bool | int | float | str) for value in moment.values.values()):
        raise ControlError("this link is damaged; copy all of it")
    return moment


def differences(moment: Moment, here: Moment) -> tuple[str, ...]:
    """Why the loops of ``moment`` will not be the same ``here``; nothing where they will."""
    found = []
    if moment.model != here.model:
        found.append(f"it was played by the model {moment.model!r}, and here {here.model!r} plays: other loops")
    elif not moment.weights or moment.weights != here.weights:
        found.append("the weights of the model are others here: other loops of the same prompts")
    if moment.loop_beats != here.loop_beats:
        found.append(f"its loops have {moment.loop_beats} beats, those here {here.loop_beats}: other loops")
    return tuple(found)


def changes_to(
    moment: Moment, parameters: Iterable[Parameter], values: Mapping[str, Value]
) -> tuple[dict[str, Value], tuple[str, ...]]:
    """What must be set for ``moment`` to be heard: its values, and the defaults of what it does not name; and notes."""
    wanted: dict[str, Value] = {}
    known = set()
    for parameter in parameters:
        known.add(parameter.path)
        if parameter.kind == "trigger" or not _travels(parameter.path):
            continue
        target = moment.values.get(parameter.path, parameter.default)
        if values.get(parameter.path) != target:
            wanted[parameter.path] = target
    missing = sorted(path for path in moment.values if path not in known)
    notes = (f"there is no {', '.join(missing)} here: it is left out",) if missing else ()
    return wanted, notes


def _travels(path: str) -> bool:
    place = parse_path(path)
    return path not in _OF_THE_PLACE and place.group not in _GROUPS_OF_THE_PLACE
