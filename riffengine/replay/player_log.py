"""PlayerLog: writes every message to the player, with the frame on which it took effect, into the journal.

Messages are written field by field, so a new message type needs no code here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, is_dataclass, replace
from typing import Any, get_args, get_type_hints

from riffengine.performance.journal import Recording
from riffengine.processes import player_messages
from riffengine.processes.parameter_path import parse_path
from riffengine.processes.player_messages import FADE, PlaceLoop, Scheduled, SetControl, StopPlayer, ToPlayer
from riffengine.processes.render_request import RenderRequest

END = "End"
"""Path of the last entry; its frame is the length of the set."""

_MESSAGES: Mapping[str, type] = {kind.__name__: kind for kind in get_args(player_messages.ToPlayer)}

_PLAIN_TYPES: Mapping[Any, Any] = {int: int, float: (int, float), str: str}

WriteEntry = Callable[[int, str, Mapping[str, Any]], None]


@dataclass(frozen=True)
class PlayerLogEntry:
    """Message ``number`` of a set, which took effect on ``frame``; ``request`` determines the loop that it places.

    ``horizon`` is the first frame that was not yet mixed when the player took the message.
    """

    number: int
    frame: int
    horizon: int
    message: ToPlayer
    request: RenderRequest | None = None


class PlayerLog:
    """Logs what the player took. ``write(frame, name, facts)`` writes one entry. Belongs to the engine process.

    The player and this log both count the messages, so the player reports back only their numbers.
    """

    def __init__(self, write: WriteEntry) -> None:
        self._write = write
        self._waiting: dict[int, ToPlayer] = {}
        self._requests: dict[int, RenderRequest] = {}  # by slot
        self._sent = 0
        self._before = 0  # messages to earlier players of this set
        self._stopped = False

    def sent(self, message: ToPlayer) -> None:
        """``message`` has been sent to the player; call this in the order of sending."""
        if isinstance(message, StopPlayer):
            if self._stopped:  # the player obeys only the first
                return
            self._stopped = True
            message = SetControl(FADE, 0.0, None, message.fade_frames)
        self._sent += 1
        self._waiting[self._sent] = message

    def restarted(self) -> None:
        """A new player counts from 1; messages that the last one did not report have not taken effect.

        A replay does not repeat the gap: it plays on through it, with the fade of the new player.
        """
        self._before = self._sent
        self._waiting.clear()

    def set_slot_request(self, slot: int, request: RenderRequest) -> None:
        """From now on ``slot`` of the loop store holds the loop of ``request``."""
        self._requests[slot] = request

    def slot_request(self, slot: int) -> RenderRequest | None:
        """The request of the loop in ``slot``."""
        return self._requests.get(slot)

    def scheduled(self, report: Scheduled) -> None:
        """The player has reported the frame on which a message takes effect: write the entry."""
        number = self._before + report.number
        message = self._waiting.pop(number, None)
        if message is None:
            return
        facts: dict[str, Any] = {"number": number, "horizon": report.horizon, **_facts(message)}
        facts.pop("at_frame", None)  # the requested frame; the entry has the actual one
        facts.pop("stamp_ns", None)
        if isinstance(message, PlaceLoop):
            request = self._requests.get(message.loop.slot)
            facts["request"] = None if request is None else request.facts()
        self._write(report.frame, type(message).__name__, facts)

    def end(self, frames: int) -> None:
        """The set has ended after ``frames`` frames."""
        self._write(frames, END, {})


def read_player_log(recording: Recording) -> tuple[list[PlayerLogEntry], int, int]:
    """The messages of ``recording`` in the order in which the player took them, frames of the set, damaged entries.

    If the end is missing because the engine was killed, the last entry gives the length of the set.
    """
    entries: list[PlayerLogEntry] = []
    damaged, frames, ended = 0, 0, False
    for line in recording.entries:
        if line.kind == "player" and line.path == END:
            frames, ended = line.frame, True
        elif line.kind == "player":
            try:
                entries.append(_entry(line.path, line.frame, line.facts))
            except (KeyError, TypeError, ValueError):
                damaged += 1
        if not ended:
            frames = max(frames, line.frame)
    return sorted(entries, key=lambda entry: entry.number), frames, damaged


def _facts(message: ToPlayer) -> dict[str, Any]:
    """The fields of ``message`` as the journal has them: a control stands there by its path, as ``name``."""
    facts = asdict(message)
    return {"name": str(facts.pop("target")), **facts} if isinstance(message, SetControl) else facts


def _entry(name: str, frame: int, facts: Mapping[str, Any]) -> PlayerLogEntry:
    rest = dict(facts)
    number, horizon, request = int(rest.pop("number")), int(rest.pop("horizon")), rest.pop("request", None)
    kind = _MESSAGES[name]
    if kind is SetControl:
        rest["target"] = parse_path(_text(rest.pop("name")))
    if any(field.name == "at_frame" for field in fields(kind)):
        rest["at_frame"] = frame
    message = _build(kind, rest)
    if kind is PlaceLoop and request is None:
        raise ValueError("the request of the loop is missing")
    return PlayerLogEntry(
        number, frame, horizon, message, None if request is None else RenderRequest.from_facts(request)
    )


def _build(kind: Any, facts: Mapping[str, Any]) -> Any:
    """The dataclass ``kind`` from plain JSON; ``TypeError`` or ``ValueError`` when the fields are wrong."""
    hints = get_type_hints(kind)
    values: dict[str, Any] = {}
    for name, value in facts.items():
        hint = hints.get(name)
        if is_dataclass(hint) and isinstance(value, Mapping):
            values[name] = _build(hint, value)
        elif isinstance(value, list):
            values[name] = tuple(value)
        else:
            if not isinstance(value, _PLAIN_TYPES.get(hint, object)):
                raise ValueError(f"{name} is {value!r}")
            values[name] = value
    return kind(**values)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not the path of a control")
    return value


def with_steps(request: RenderRequest, steps: int | None) -> RenderRequest:
    """``request`` with ``steps`` denoising steps, or unchanged for ``None``."""
    return request if steps is None else replace(request, steps=steps)
