"""Recording, the engine's side: names the files that the player writes, starts and stops them, writes cue sheets."""

from riffengine.recording.controller import RecordingController
from riffengine.recording.cue_sheet import Cue, CueFile, cue_sheet

__all__ = ["Cue", "CueFile", "RecordingController", "cue_sheet"]
