"""Rehearsal: plays a whole set on virtual time, with the real Conductor and Mixer and a scripted renderer.

Commands, renders and wake-ups happen on their exact frame, not at block boundaries, and every random source has its own
seed. So the sound of eight hours is the same to the last bit for every block size, and takes seconds to compute.
"""

from riffengine.rehearsal.random_performer import RandomPerformer
from riffengine.rehearsal.rehearsal import Rehearsal, ScriptLine
from riffengine.rehearsal.rehearse_preset import RehearsalPlan, rehearse_session
from riffengine.rehearsal.rehearse_seeds import rehearse_seeds, went_wrong
from riffengine.rehearsal.report import Report
from riffengine.rehearsal.scripted_renderer import RendererScript, ScriptedRenderer, WatchedStore

__all__ = [
    "RandomPerformer",
    "Rehearsal",
    "RehearsalPlan",
    "RendererScript",
    "Report",
    "ScriptLine",
    "ScriptedRenderer",
    "WatchedStore",
    "rehearse_seeds",
    "rehearse_session",
    "went_wrong",
]
