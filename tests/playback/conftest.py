"""A loop rack at 120 bpm and 44.1 kHz: a beat is 22050 frames, a whole number."""

from __future__ import annotations

import pytest

from tests.playback.loops import LoopRack


@pytest.fixture
def rack() -> LoopRack:
    return LoopRack()
