"""Forecast: what would become of changes that somebody plans, by the real scheduler on simulated time.

The present values are played until everything has settled; then the planned changes come, each on its bar. What is
scripted is the renderer alone: it takes as long as the real one is measured to take. No file is opened.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from riffengine.errors import OutOfRange, ParameterError
from riffengine.performance.command import Command, Rejected, Reply, Value
from riffengine.performance.parameter_tree import ParameterTree
from riffengine.performance.routing import Handler, handler_of
from riffengine.performance.state import PerformanceState
from riffengine.rehearsal.rehearsal import Rehearsal, ScriptLine
from riffengine.rehearsal.rehearse_preset import RehearsalPlan, renderer_script, whole_rate
from riffengine.rehearsal.report import Report
from riffengine.scheduler.actions import Policy
from riffengine.transport.beat_grid import BEATS_PER_BAR

MOST_BARS = 256
_SETTLE_BARS = 16
_SLOW = 1.6  # how much longer than the median one render in twenty takes, as measured on busy machines
_NOT_PLAYED = (
    Handler.START_RECORDING, Handler.STOP_RECORDING, Handler.SAVE_LAST, Handler.TAP, Handler.NUDGE, Handler.CAPTURE,
    Handler.PLUGIN, Handler.RECALL_SCENE, Handler.NEXT_SCENE, Handler.PREVIOUS_SCENE, Handler.STORE_SCENE,
    Handler.LEARN, Handler.UNDO, Handler.REDO, Handler.PROMPT_LIST,
)  # fmt: skip


@dataclass(frozen=True)
class PlannedChange:
    """``path`` gets ``value`` after ``bars`` bars, counted from the next bar line."""

    bars: float
    path: str
    value: Value


@dataclass(frozen=True)
class ForecastChange:
    """When the change would be heard, in bars from the same bar line, and how often that was put off; or why not."""

    path: str
    bars: float
    heard_after_bars: float | None = None
    put_off: int = 0
    refused: str = ""


@dataclass(frozen=True)
class Forecast:
    """What would happen. ``renders`` are those that the plan costs beyond what plays without it.

    ``renderer_busy`` is the share of the time in which the renderer would work, ``famines`` how often a deck would have
    repeated a loop since nothing new was ready, ``spare_seconds`` how long the prepared music would last at the least.
    """

    changes: tuple[ForecastChange, ...]
    bars: int
    seconds: float
    famines: int
    gaps: int
    renders: int
    renders_heard: int
    render_seconds: float
    renderer_busy: float
    spare_seconds: float | None


def forecast(
    tree: ParameterTree,
    values: Mapping[str, Value],
    plan: Sequence[PlannedChange],
    bars: int,
    render_seconds: float,
    loop_beats: int,
    first_bar: int = 0,
) -> Forecast:
    """Play ``plan`` from ``values``, as far as ``tree`` has them, for ``bars`` bars; a loop takes ``render_seconds``.

    ``first_bar`` is the bar of the set from which bars are counted: changes may land on every fourth bar alone. Raises
    ``OutOfRange`` for a plan that is too long, or leaves its bars.
    """
    if not 1 <= bars <= MOST_BARS:
        raise OutOfRange(f"bars is {bars}; it must be 1 to {MOST_BARS}")
    for change in plan:
        if not 0.0 <= change.bars < bars:
            raise OutOfRange(f"{change.path} changes after {change.bars:g} bars; it must be 0 to below {bars}")
    state = _state(tree, values)
    lead = _SETTLE_BARS + first_bar % _SETTLE_BARS
    asked = [(change, _refusal(tree, change)) for change in sorted(plan, key=lambda change: change.bars)]
    lines, seconds = _script([change for change, refusal in asked if not refusal], state, lead, bars)
    alone = seconds - lead * BEATS_PER_BAR * 60.0 / state.number("transport/tempo")
    without, report = (_played(tree, state, script, seconds, render_seconds, loop_beats) for script in ([], lines))
    replies = iter(report.replies)
    changes = tuple(
        ForecastChange(change.path, change.bars, refused=refusal)
        if refusal
        else _heard(change, next(replies), report, lead)
        for change, refusal in asked
    )
    renders = report.renders_started - without.renders_started
    return Forecast(
        changes,
        bars,
        seconds=round(alone, 1),
        famines=max(0, report.famines - without.famines),
        gaps=report.gaps,
        renders=renders,
        renders_heard=report.renders_heard - without.renders_heard,
        render_seconds=round(renders * render_seconds, 2),
        renderer_busy=round(max(0, renders) * render_seconds / alone, 3),
        spare_seconds=round(report.runway_min_s, 2) if math.isfinite(report.runway_min_s) else None,
    )


def _state(tree: ParameterTree, values: Mapping[str, Value]) -> PerformanceState:
    """The present values; those that ``tree`` does not have, or not like this, are at their defaults."""
    known = dict(tree.initial_state().values)
    for path, value in values.items():
        if path in known:
            with contextlib.suppress(ParameterError):
                known[path], _ = tree.check(path, value)
    return PerformanceState(MappingProxyType(known))


def _refusal(tree: ParameterTree, change: PlannedChange) -> str:
    if change.path in tree.parameters and handler_of(change.path) in _NOT_PLAYED:
        return f"{change.path} cannot be rehearsed; rehearse the parameters that it changes"
    checked = tree.checked(Command(change.path, change.value))
    return checked.reason if isinstance(checked, Rejected) else ""


def _script(
    changes: Sequence[PlannedChange], state: PerformanceState, lead: int, bars: int
) -> tuple[list[ScriptLine], float]:
    """The lines of ``changes`` after ``lead`` bars, each at its time in the planned tempo, and when ``bars`` are over.

    The source of each command is its number, by which the answer to it is told from the others.
    """
    bpm, beat, seconds, lines = state.number("transport/tempo"), 0.0, 0.0, list[ScriptLine]()
    for number, change in enumerate(changes):
        due = (lead + change.bars) * BEATS_PER_BAR
        seconds, beat = seconds + (due - beat) * 60.0 / bpm, due
        lines.append(ScriptLine((Command(change.path, change.value, str(number)),), seconds))
        if change.path == "transport/tempo":
            bpm = float(change.value)
    return lines, seconds + ((lead + bars) * BEATS_PER_BAR - beat) * 60.0 / bpm


def _played(
    tree: ParameterTree, state: PerformanceState, lines: Sequence[ScriptLine], seconds: float, render_seconds: float,
    loop_beats: int,
) -> Report:  # fmt: skip
    """The report of a renderer that neither fails nor dies."""
    plan = RehearsalPlan(
        render_p50=render_seconds, render_p95=_SLOW * render_seconds, failure_share=0.0, crash_every_seconds=0.0
    )
    rate = whole_rate(state.number("transport/tempo"), loop_beats)
    rehearsal = Rehearsal(tree, state, lines, renderer_script(plan), rate, policy=Policy(loop_beats=loop_beats))
    return rehearsal.run(seconds)


def _heard(change: PlannedChange, reply: Reply, report: Report, lead: int) -> ForecastChange:
    if isinstance(reply, Rejected):
        return ForecastChange(change.path, change.bars, refused=reply.reason)
    told = [reply.landing] if reply.landing is not None else []
    told += [each.landing for each in report.announced if each.source == reply.command.source]
    if not told:
        return ForecastChange(change.path, change.bars, change.bars)  # at once
    after = told[-1].beat / BEATS_PER_BAR - lead
    return ForecastChange(change.path, change.bars, round(after, 2), len(told) - 1)
