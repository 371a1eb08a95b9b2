"""Rehearsal: a whole set played on virtual time, with the real Conductor and the real Mixer and a scripted renderer.

Commands, renders and wake-ups happen on their own frame, never at the edge of a block, and every source of chance has
its own seed. So the sound of eight hours is the same to the last bit for every block size, and takes seconds.
"""

from riffengine.rehearsal.random_performer import RandomPerformer
from riffengine.rehearsal.rehearsal import Line, Rehearsal
from riffengine.rehearsal.rehearse_preset import RehearsalPlan, rehearse_session
from riffengine.rehearsal.rehearse_seeds import rehearse_seeds, went_wrong
from riffengine.rehearsal.report import Report
from riffengine.rehearsal.scripted_renderer import RendererScript, ScriptedRenderer, WatchedStore

__all__ = [
    "Line",
    "RandomPerformer",
    "Rehearsal",
    "RehearsalPlan",
    "RendererScript",
    "Report",
    "ScriptedRenderer",
    "WatchedStore",
    "rehearse_seeds",
    "rehearse_session",
    "went_wrong",
]
