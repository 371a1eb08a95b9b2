"""Recording: what the engine knows of the files the player writes: where they go, what they are called, their cues."""

from riffengine.recording.cuesheet import Cue, CueFile, cue_sheet
from riffengine.recording.plan import RecordingPlan, RecordingReader
from riffengine.recording.recordist import Recordist

__all__ = ["Cue", "CueFile", "RecordingPlan", "RecordingReader", "Recordist", "cue_sheet"]
