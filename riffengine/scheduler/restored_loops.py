"""Heirlooms: loops of a set that crashed, put on the shelf of the next one, and those that sound now, to be kept."""

from __future__ import annotations

from riffengine.processes.player_messages import LoopRef
from riffengine.processes.render_messages import RenderRequest
from riffengine.scheduler.state import SchedulerState


def sounding_loops(scheduler: SchedulerState) -> tuple[LoopRef, ...]:
    """The loops that are heard now or are about to be, each once."""
    loops = [loop for part in scheduler.decks.values() for loop in part.sounding_loops(scheduler.alpha(part))]
    return tuple(dict.fromkeys(loop.ref for loop in loops))


def reserve(scheduler: SchedulerState) -> int | None:
    """A slot for a loop that is there already, to be filled before ``adopt``; ``None`` when there is none."""
    return scheduler.loops.reserve()


def adopt(
    scheduler: SchedulerState, request: RenderRequest, slot: int, shape: tuple[int, int, tuple[str, ...], int]
) -> None:
    """What ``request`` determines lies in the reserved ``slot``; ``shape`` is frames, channels, stems, beats.

    From now on it sounds as any loop does that was rendered, whether or not there is a renderer.
    """
    scheduler.loops.put(request.loop_id(), request.steps, slot, shape)
    for part in scheduler.decks.values():
        part.source_tempos.learn(request)
