"""Whether a loop has the shape that was asked for: a cache or a node may give any. Pure."""

from __future__ import annotations

from riffengine.pool.finished_loop import FinishedLoop
from riffengine.processes.render_messages import Ready
from riffengine.processes.render_request import RenderRequest

_ROUNDED = 1  # frames that a family may round the other way


def misfit(loop: FinishedLoop, request: RenderRequest, face: Ready) -> str:
    """What ``loop`` has and what ``request`` asks the model ``face`` for, where these differ; "" where they do not."""
    frames = round(request.beats * 60 * request.sample_rate / request.bpm)
    told = (len(loop.delivery.stems), loop.delivery.frames, loop.delivery.channels)
    fits = abs(loop.delivery.frames - frames) <= _ROUNDED and loop.samples.shape == told
    if fits and (loop.delivery.stems, loop.delivery.channels) == (face.stems, face.channels):
        return ""
    stems = " ".join(loop.delivery.stems)
    return (
        f"a loop of {loop.samples.shape[1]} frames, stems {stems}, channels {loop.samples.shape[2]}, where "
        f"{frames} frames, stems {' '.join(face.stems)}, channels {face.channels} are needed"
    )
