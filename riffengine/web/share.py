"""A moment as text: what makes the loops that are heard, for a link that another Riffengine opens. Pure.

The text is ``1.`` and base64url of JSON: the model, its weights' digest, the beats and the sample rate of a loop, the
beat, and every value that differs from its default. Names are those of the parameter tree, so a link is checked like a
preset. Sounds and pictures of one's own (``init`` that names a file) cannot travel: they are left out, and the notes
say so. The parameters of a plugin are set when it has been loaded (``coming_plugins``).
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

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
    """A shared moment. ``values`` are by path; ``weights`` is "" and ``sample_rate`` 0 where the sender did not know.

    ``left_out`` are the paths whose values cannot travel.
    """

    model: str
    weights: str
    loop_beats: int
    beat: float
    values: Mapping[str, Value]
    sample_rate: int = 0
    left_out: tuple[str, ...] = ()


def moment_of(
    parameters: Iterable[Parameter], values: Mapping[str, Value], about: Moment, pictures: Iterable[str] = ()
) -> tuple[Moment, tuple[str, ...]]:
    """``about`` with what of ``values`` makes the music, and notes of what cannot travel.

    ``pictures`` are the names of packaged pictures, which may be named as an ``init``.
    """
    kept: dict[str, Value] = {}
    left_out = {}
    for parameter in parameters:
        value = values.get(parameter.path)
        if value is None or value == parameter.default or parameter.kind == "trigger" or not _travels(parameter.path):
            continue
        if parse_path(parameter.path).control == "init" and str(value).partition("?")[0] not in set(pictures):
            left_out[parameter.path] = f"{parameter.path}: the sound or picture {value!r} is on this machine alone"
            continue
        kept[parameter.path] = value
    return replace(about, values=kept, left_out=tuple(left_out)), tuple(left_out.values())


def write_moment(moment: Moment) -> str:
    """The text of ``moment``; ``ControlError`` where it is too long for a link."""
    facts = {
        "m": moment.model, "w": moment.weights, "n": moment.loop_beats, "r": moment.sample_rate, "b": moment.beat,
        "v": dict(moment.values), "x": moment.left_out,
    }  # fmt: skip
    data = json.dumps(facts, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()
    text = f"{VERSION}.{base64.urlsafe_b64encode(data).decode().rstrip('=')}"
    if len(text) > LONGEST:
        raise ControlError(
            f"this moment takes {len(text)} characters; a link has at most {LONGEST}: use shorter prompts or fewer "
            "plugins"
        )
    return text


def read_moment(text: str) -> Moment:
    """The moment that ``text`` holds; ``ControlError`` for what is none. Its values are not checked yet."""
    version, _, data = text.partition(".")
    if version != VERSION or not data or len(text) > LONGEST:
        raise ControlError("this link is not of this version of Riffengine, or a part of it is missing; copy all of it")
    try:
        facts = json.loads(base64.b64decode(data + "=" * (-len(data) % 4), altchars=b"-_", validate=True))
        moment = Moment(
            str(facts["m"]), str(facts["w"]), int(facts["n"]), float(facts["b"]), dict(facts["v"]),
            int(facts.get("r", 0)), tuple(str(path) for path in facts.get("x", ())),
        )  # fmt: skip
    except (ValueError, KeyError, TypeError, OverflowError, AttributeError, RecursionError, binascii.Error):
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
    if moment.sample_rate not in (0, here.sample_rate):
        found.append(f"it was played at {moment.sample_rate} Hz, and here at {here.sample_rate}: not the same samples")
    if moment.left_out:
        found.append(
            f"{', '.join(moment.left_out)} is a sound or picture of the machine where it was made: other loops"
        )
    return tuple(found)


def changes_to(
    moment: Moment, parameters: Iterable[Parameter], values: Mapping[str, Value]
) -> tuple[dict[str, Value], tuple[str, ...]]:
    """What must be set for ``moment`` to be heard, and what of it is missing here.

    That is its values, and the defaults of what it does not name. The values of plugins that are not loaded are in
    neither: ``ComingPlugins`` has them.
    """
    wanted: dict[str, Value] = {}
    known = set()
    later = tuple(absent_plugins(moment, values))
    for parameter in parameters:
        known.add(parameter.path)
        if parameter.kind == "trigger" or not _travels(parameter.path):
            continue
        if parameter.path.startswith(later) and not parameter.path.endswith("/plugin"):
            continue
        target = moment.values.get(parameter.path, parameter.default)
        if values.get(parameter.path) != target:
            wanted[parameter.path] = target
    missing = sorted(path for path in moment.values if path not in known and not path.startswith(later))
    return wanted, (f"there is no {', '.join(missing)} here: it is left out",) if missing else ()


def absent_plugins(moment: Moment, values: Mapping[str, Value]) -> tuple[str, ...]:
    """The plugins of ``moment`` that are not loaded where ``values`` rule, as beginnings of paths: ``deck/a/fx/1/``."""
    places = (parse_path(path) for path in moment.values)
    return tuple(
        f"{place.place}/fx/{place.plugin_number}/"
        for place in places
        if place.plugin_number and place.control == "plugin" and values.get(str(place)) != moment.values[str(place)]
    )


def _travels(path: str) -> bool:
    place = parse_path(path)
    return path not in _OF_THE_PLACE and place.group not in _GROUPS_OF_THE_PLACE
