"""Which loops are rendered together, and which share a picture. Pure functions of the request."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from riffengine.processes.render_request import RENDER_CONTROLS, RenderRequest

_FINEST = 5  # levels of halving: 1/32


def bank_of(alpha: float) -> tuple[float, ...]:
    """The alphas that are rendered in one batch with ``alpha``, itself among them; at most eight.

    The ends stand alone (a launch must not wait for its bank); the eighths between them are one batch of seven, the
    odd sixteenths one of eight, the odd thirty-seconds two of eight; anything else stands alone.
    """
    scaled = alpha * 2**_FINEST
    place = round(scaled)
    if abs(scaled - place) > 1e-9 or not 0 < place < 2**_FINEST:
        return (alpha,)
    if place % 4 == 0:
        return tuple(k / 8 for k in range(1, 8))
    if place % 2 == 0:
        return tuple(k / 16 for k in range(1, 16, 2))
    return tuple(k / 32 for k in range(1 if place < 16 else 17, 16 if place < 16 else 32, 2))


def picture_of(request: RenderRequest) -> RenderRequest:
    """The request with everything set to a standard that the picture does not depend on.

    Tempo and sample rate come in when the picture becomes sound, unless the picture starts from audio at that tempo.
    """
    bpm = request.source_tempo if request.init else 120.0
    unused: dict[str, Any] = {c.name: c.default for c in RENDER_CONTROLS}  # a checkpoint has none of them
    plain = replace(request, bpm=bpm, source_bpm=0.0, sample_rate=0, key="", chords=(), phase_from_ends=False)
    return replace(plain, **unused)
