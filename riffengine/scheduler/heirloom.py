"""Heirlooms: loops of a set that crashed, put on the shelf of the next one, and those that sound now, to be kept."""

from __future__ import annotations

from riffengine.playback.messages import LoopRef
from riffengine.renderer.request import RenderRequest
from riffengine.scheduler.stage import Stage


def sounding_loops(stage: Stage) -> tuple[LoopRef, ...]:
    """The loops that are heard now or are about to be, each once."""
    loops = [loop for part in stage.parts.values() for loop in part.sounding_loops(stage.alpha(part))]
    return tuple(dict.fromkeys(loop.ref for loop in loops))


def reserve(stage: Stage) -> int | None:
    """A slot for a loop that is there already, to be filled before ``adopt``; ``None`` when there is none."""
    return stage.shelf.reserve()


def adopt(stage: Stage, request: RenderRequest, slot: int, shape: tuple[int, int, tuple[str, ...], int]) -> None:
    """What ``request`` determines lies in the reserved ``slot``; ``shape`` is frames, channels, stems, beats.

    From now on it sounds as any loop does that was rendered, whether or not there is a renderer.
    """
    stage.shelf.put(request.motif(), request.steps, slot, shape)
    for part in stage.parts.values():
        part.dreams.learn(request)
