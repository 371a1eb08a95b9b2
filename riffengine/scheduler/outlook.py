"""The outlook of a performance, read from the stage; changes nothing."""

from __future__ import annotations

from types import MappingProxyType

from riffengine.performance.outlook import DeckOutlook, Outlook, Phase
from riffengine.performance.scenes import SceneBook
from riffengine.scheduler.part import Part
from riffengine.scheduler.plan import Purpose
from riffengine.scheduler.stage import Stage


def outlook(stage: Stage, book: SceneBook) -> Outlook:
    """How far every deck of ``stage`` is, and the setlist in ``book``."""
    decks = {part.name: _deck_outlook(stage, part) for part in stage.parts.values()}
    scenes = tuple(scene.name for scene in book.scenes)
    return Outlook(MappingProxyType(decks), scenes, book.current, stage.console.panicked)


def _deck_outlook(stage: Stage, part: Part) -> DeckOutlook:
    heard = part.sounding
    sounding = {} if heard is None else {"prompt": heard.key.start.prompt, "to": heard.key.end.prompt}
    return DeckOutlook(_phase(stage, part), MappingProxyType(sounding))


def _phase(stage: Stage, part: Part) -> Phase:
    if part.refused is not None and part.refused == part.want:
        return Phase.FAILED
    if part.launching is not None and part.settled:
        return Phase.READY
    if part.settled:
        return Phase.PLAYING
    if part.target is not None and part.target.ready:
        return Phase.READY
    job = stage.desk.running
    if job is not None and job.wish.deck == part.name and job.wish.purpose is Purpose.LAUNCH:
        return Phase.RENDERING
    return Phase.EMPTY if part.current is None and part.target is None else Phase.QUEUED
