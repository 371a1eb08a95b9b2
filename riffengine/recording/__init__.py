"""Recording: what the engine knows of the files the player writes: where they go, what they are called, their cues."""

from riffengine.recording.controller import RecordingController
from riffengine.recording.cue_sheet import Cue, CueFile, cue_sheet
from riffengine.session.recording import RecordingSettings

__all__ = ["Cue", "CueFile", "RecordingController", "RecordingSettings", "cue_sheet"]
