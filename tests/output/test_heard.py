"""What is recorded of a host, from what its plugin says it has read: no DAW, no ring, no clock."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from riffengine.output.heard import FADE_FRAMES, HeardSound, Written
from riffengine.processes.audio import Block
from riffengine.processes.daw_ring import Progress


class Mix:
    """The mixer's frames are their own numbers."""

    sample_rate, channels = 44100, 1

    def __init__(self) -> None:
        self.recorded: list[Block] = []

    def master(self, frame: int, frames: int) -> Block:
        return np.arange(frame, frame + frames, dtype=np.float32)[:, None]

    def heard(self, sound: Block) -> None:
        self.recorded.append(sound)


class Ring:
    rate = 44100

    def __init__(self) -> None:
        self.now = Progress(0, 0, 0)

    def progress(self) -> Progress:
        return self.now


def recorded(spans: tuple[Written, ...], *looks: Progress) -> np.ndarray:
    """What is recorded after the first of ``looks``."""
    mix: Any = Mix()
    ring: Any = Ring()
    heard = HeardSound(mix)
    heard.leads(ring)
    for span in spans:
        heard.wrote(span)
    for look in looks:
        ring.now = look
        heard.rolls(ring)
    return np.concatenate(mix.recorded)[:, 0]


def test_a_run_that_ends_where_the_next_goes_on_leaves_no_seam() -> None:
    """Between the two lies a run for a place that was never read."""
    spans = (Written(0, 1000, 0.0, 1), Written(1000, 100, 9000.0, 2), Written(1100, 900, 1000.0, 3))
    sound = recorded(spans, Progress(0, 400, 0), Progress(500, 900, 0), Progress(1012, 1512, 0))
    np.testing.assert_array_equal(sound[500:], np.arange(900, 1412))


@pytest.mark.parametrize("left", [FADE_FRAMES // 2, 10 * FADE_FRAMES])
def test_a_run_that_is_left_is_faded_out_as_far_as_it_goes(left: int) -> None:
    """The reader leaves run 1 for a place 5000 frames on, as the plugin does at the first frame of a block."""
    end = 900 + left
    spans = (Written(0, end, 0.0, 1), Written(end, 1000, 5000.0, 2))
    sound = recorded(spans, Progress(0, 388, 0), Progress(512, 900, 0), Progress(1024, end + 512, 0))[512:]
    fade = min(left, FADE_FRAMES)
    old, new = np.arange(900, 900 + fade), np.arange(5000, 5512)
    share = np.arange(1, fade + 1) / (fade + 1)
    np.testing.assert_allclose(sound[:fade], share * new[:fade] + (1.0 - share) * old, rtol=1e-5)
    np.testing.assert_array_equal(sound[fade:], new[fade:])
