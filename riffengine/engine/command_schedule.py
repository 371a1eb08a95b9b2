"""CommandSchedule: keeps commands that have a time until that time has come.

Between the surfaces and the engine's ``submit``: the frame clock turns host times into frames, and what the mixer would
do at once is pinned to its exact frame. One thread, the engine's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from riffengine.clock import Clock
from riffengine.errors import ControlError, TooFarAhead
from riffengine.performance.command import Accepted, Command, Landing, Reply
from riffengine.performance.parameter_tree import ControlClass, ParameterTree
from riffengine.processes.player_messages import SetControl
from riffengine.scheduler.actions import Action, ToPlayerMessage
from riffengine.transport.beat_grid import Moment
from riffengine.transport.event_queue import MAX_ENTRIES_EACH, EventQueue
from riffengine.transport.sync.frame_clock import FrameClock

COMMAND_LEAD_SECONDS = 0.08
"""A control is sent to the player this long before its frame: one tick of 20 ms, the pipe, a block of 46 ms."""

MAX_AHEAD_SECONDS = 600.0
"""Further ahead is more likely a clock that is set wrong than music."""

SAME_OFFSET_NS = 1_000_000
"""Offsets between the clocks that differ by less are equal: two clocks are never read at the same instant."""


@dataclass(frozen=True)
class DueCommand:
    """A command whose time has come; ``at_frame`` is the frame on which the player is to act, if that is known."""

    command: Command
    at_frame: int | None
    on_reply: Callable[[Reply], None]


class CommandSchedule:
    """Keeps scheduled commands. ``unix_seconds`` is the wall clock in which senders give their times."""

    def __init__(
        self,
        tree: ParameterTree,
        frames: FrameClock,
        sample_rate: int,
        clock: Clock,
        unix_seconds: Callable[[], float],
        moment: Callable[[int], Moment],
    ) -> None:
        self._tree, self._frames, self._rate = tree, frames, sample_rate
        self._clock, self._unix_seconds, self._moment = clock, unix_seconds, moment
        self._soon: EventQueue[tuple[Command, Callable[[Reply], None]]] = EventQueue()  # each acts on its frame
        self._later: EventQueue[tuple[Command, Callable[[Reply], None]]] = (
            EventQueue()
        )  # each is rendered first, then lands
        self._kept_offset_ns = 0
        self.plugin_lead_frames = 0  # plugins make the player work so far ahead

    def __len__(self) -> int:
        return len(self._soon) + len(self._later)

    def add(self, command: Command, unix_seconds: float, on_reply: Callable[[Reply], None]) -> Landing | None:
        """Keep ``command`` so that it is heard at ``unix_seconds``; ``None`` when that has passed: it should act now.

        Its reply goes to ``on_reply`` then. ``TooFarAhead`` when that is not reasonable, ``ControlError`` when there
        are too many.
        """
        now_ns = self._clock.now_ns()
        due_ns = round(unix_seconds * 1e9) - self._offset_ns(now_ns)
        seconds = (due_ns - now_ns) / 1e9
        if seconds <= 0.0:
            return None
        if seconds > MAX_AHEAD_SECONDS:
            raise TooFarAhead(
                f"{command.path}: the bundle's time is {seconds:.0f} s ahead; at most {MAX_AHEAD_SECONDS:.0f} s are "
                "allowed. Is the clock of this machine or of the sender set wrong?"
            )
        command = replace(command, stamp_ns=0)  # its way from knob to ear is not measured: it is meant to take time
        rendered = self._tree[command.path].control is ControlClass.QUANTISED
        if not (self._later if rendered else self._soon).enter(due_ns, command.source, (command, on_reply)):
            raise ControlError(
                f"{command.path}: {MAX_ENTRIES_EACH} of your messages are already waiting for their time; "
                "send this one later"
            )
        return Landing(command.path, self._moment(self._frame(due_ns) or 0).beat, seconds)

    def due(self, frame: int) -> list[DueCommand]:
        """What is to be submitted now, when ``frame`` is the first on which the player could still act."""
        if not self._frames.known:
            now_ns = self._clock.now_ns()
            return [
                DueCommand(command, None, on_reply)
                for waiting in (self._soon, self._later)
                for _, (command, on_reply) in waiting.take(now_ns)
            ]
        lead_frames = round(COMMAND_LEAD_SECONDS * self._rate) + self.plugin_lead_frames
        pinned = self._soon.take(self._frames.heard_ns(frame + lead_frames))
        landing = self._later.take(self._frames.heard_ns(frame))
        return [
            *(DueCommand(command, self._frame(due_ns), on_reply) for due_ns, (command, on_reply) in pinned),
            *(DueCommand(command, None, on_reply) for _, (command, on_reply) in landing),
        ]

    def _offset_ns(self, now_ns: int) -> int:
        """From the monotonic to the wall clock; kept until the wall clock is set, so that a time tag is one time."""
        offset_ns = round(self._unix_seconds() * 1e9) - now_ns
        if abs(offset_ns - self._kept_offset_ns) > SAME_OFFSET_NS:
            self._kept_offset_ns = offset_ns
        return self._kept_offset_ns

    def _frame(self, due_ns: int) -> int | None:
        return round(self._frames.frame_heard_at(due_ns)) if self._frames.known else None


def pinned(actions: Iterable[Action], at_frame: int | None) -> list[Action]:
    """``actions`` with every mixer control that would move at once moving on ``at_frame`` instead; ``None``: as is."""
    if at_frame is None:
        return list(actions)
    return [
        ToPlayerMessage(replace(action.message, at_frame=at_frame))
        if isinstance(action, ToPlayerMessage)
        and isinstance(action.message, SetControl)
        and action.message.at_frame is None
        else action
        for action in actions
    ]


def on_time(reply: Reply, at_frame: int | None, now: Moment, then: Callable[[int], Moment]) -> Reply:
    """``reply`` with the landing that ``pinned`` gave it: ``at_frame`` instead of at once."""
    if at_frame is None or not isinstance(reply, Accepted) or reply.landing is None or reply.landing.seconds > 0.0:
        return reply
    moment = then(max(at_frame, now.frame))
    return replace(reply, landing=replace(reply.landing, beat=moment.beat, seconds=moment.seconds - now.seconds))
