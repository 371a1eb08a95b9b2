"""The doctor: reports what is installed and what is missing, what that means for a performer, and what to do."""

from riffengine.doctor.findings import Finding, examine, playable
from riffengine.doctor.probes import MidiFacts, Observations, OutputFacts, observe, observe_midi, observe_outputs

__all__ = [
    "Finding",
    "MidiFacts",
    "Observations",
    "OutputFacts",
    "examine",
    "observe",
    "observe_midi",
    "observe_outputs",
    "playable",
]
