"""The outlook of a performance, read from the stage; changes nothing."""

from __future__ import annotations

from types import MappingProxyType

from riffengine.performance.progress import DeckProgress, PerformanceProgress, Phase
from riffengine.performance.scenes import SceneBook
from riffengine.scheduler.deck_state import DeckState
from riffengine.scheduler.render_plan import Purpose
from riffengine.scheduler.state import SchedulerState


def progress(scheduler: SchedulerState, book: SceneBook) -> PerformanceProgress:
    """How far every deck of ``scheduler`` is, and the setlist in ``book``."""
    decks = {part.name: _deck_outlook(scheduler, part) for part in scheduler.decks.values()}
    scenes = tuple(scene.name for scene in book.scenes)
    return PerformanceProgress(MappingProxyType(decks), scenes, book.current, scheduler.mixer_controls.panicked)


def _deck_outlook(scheduler: SchedulerState, part: DeckState) -> DeckProgress:
    heard = part.sounding
    sounding = {} if heard is None else {"prompt": heard.key.start.prompt, "to": heard.key.end.prompt}
    return DeckProgress(_phase(scheduler, part), MappingProxyType(sounding))


def _phase(scheduler: SchedulerState, part: DeckState) -> Phase:
    if part.refused is not None and part.refused == part.want:
        return Phase.FAILED
    if part.launching is not None and part.settled:
        return Phase.READY
    if part.settled:
        return Phase.PLAYING
    if part.target is not None and part.target.ready:
        return Phase.READY
    job = scheduler.renders.running
    if job is not None and job.wish.deck == part.name and job.wish.purpose is Purpose.LAUNCH:
        return Phase.RENDERING
    return Phase.EMPTY if part.current is None and part.target is None else Phase.QUEUED
