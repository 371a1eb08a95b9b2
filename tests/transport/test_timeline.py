from hypothesis import given
from hypothesis import strategies as st

from riffengine.transport.beat_grid import BeatGrid
from riffengine.transport.timeline import Timeline


def test_the_announced_grid_is_used_from_its_anchor_on():
    timeline = Timeline(BeatGrid(48000, 120.0))
    timeline.announce(timeline.latest.with_tempo(60.0, 96000))
    assert timeline.beat_at(95999) < 4.0
    assert timeline.beat_at(96000) == 4.0
    assert timeline.frame_of(5.0) == 96000 + 48000
    assert timeline.frame_of(3.0) == 72000
    assert timeline.grid.bpm == 120.0
    timeline.settle(95999)
    assert timeline.grid.bpm == 120.0
    timeline.settle(96000)
    assert timeline.grid.bpm == 60.0
    assert timeline.upcoming is None


@given(
    bpm=st.floats(60.0, 180.0),
    frame=st.integers(0, 10**10),
    every=st.sampled_from([1.0, 4.0, 8.0]),
)
def test_a_boundary_is_never_before_the_given_frame(bpm, frame, every):
    timeline = Timeline(BeatGrid(44100, bpm))
    beat = timeline.boundary(frame, every)
    assert beat % every == 0.0
    assert timeline.frame_of(beat) >= frame
    assert timeline.frame_of(beat - every) <= frame
