"""FinishedLoop: a rendered loop with its samples, as it goes from a member to a cache and to those who want it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

from riffengine.processes.audio import Samples
from riffengine.processes.render_messages import Delivery
from riffengine.processes.render_request import RenderRequest


@dataclass(frozen=True)
class FinishedLoop:
    """``samples`` is ``(stems, frames, channels) float32``; ``delivery`` says everything else but its job and slot."""

    delivery: Delivery
    samples: Samples

    @property
    def bytes(self) -> int:
        """Of the samples."""
        return self.samples.nbytes

    def fingerprint(self) -> str:
        """Names the samples: equal for equal ones."""
        return hashlib.sha256(self.samples.tobytes()).hexdigest()

    def as_answer(self, job: int, slot: int, request: RenderRequest) -> Delivery:
        """The message that hands it on as ``job``."""
        return replace(self.delivery, job=job, slot=slot, request=request)
