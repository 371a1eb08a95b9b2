"""Onsets are found where the sound changes, to the window, through lost blocks, and not where nothing changes."""

import numpy as np

from riffengine.bench.onset import WINDOW_FRAMES, BlockTimes, GestureFrames, find_onsets

LOOP = 12_000
RATE = 48_000


def loops(count: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    envelope = np.abs(np.sin(np.arange(LOOP) / 900.0)) ** 4  # with quiet places
    loop = (0.2 * envelope[:, None] * rng.standard_normal((LOOP, 2))).astype(np.float32)
    return np.tile(loop, (count, 1))


def gesture(sent: int, hold: int = 6000) -> GestureFrames:
    return GestureFrames(0, sent - 4000, sent, sent + hold)


def test_a_step_in_gain_is_found_within_the_window() -> None:
    heard = loops(6)
    heard[40_000:46_000] *= 0.5
    [onset], threshold = find_onsets(heard, [gesture(39_000, 7000)], LOOP)
    assert threshold == 0.12
    assert onset is not None
    assert 40_000 <= onset < 40_000 + WINDOW_FRAMES


def test_nothing_is_found_where_nothing_changes() -> None:
    onsets, _ = find_onsets(loops(6), [gesture(39_000), gesture(52_500)], LOOP)
    assert onsets == [None, None]


def test_half_a_decibel_is_below_what_is_heard_and_two_are_above() -> None:
    for db, found in ((0.5, False), (2.0, True)):
        heard = loops(6)
        heard[40_000:46_000] *= 10 ** (-db / 20)
        [onset], _ = find_onsets(heard, [gesture(39_000)], LOOP)
        assert (onset is not None) is found


def test_noise_in_the_no_change_runs_raises_the_threshold() -> None:
    heard = loops(6)
    rng = np.random.default_rng(5)
    heard[LOOP:] += 0.01 * rng.standard_normal(heard[LOOP:].shape).astype(np.float32)
    [onset], threshold = find_onsets(heard, [gesture(39_000)], LOOP)
    assert threshold > 0.2
    assert onset is None


def test_blocks_lost_between_the_loop_and_the_gesture_are_seen_through() -> None:
    heard = loops(8)
    heard[50_000:56_000] = 0.0
    lossy = np.concatenate([heard[:20_000], heard[20_384:]])
    [onset], _ = find_onsets(lossy, [gesture(49_000, 6000)], LOOP)
    assert onset is not None
    assert 49_616 <= onset < 49_616 + WINDOW_FRAMES + 300  # the first frames may lie in a quiet place


def test_a_gesture_with_a_disturbance_right_before_it_is_a_miss() -> None:
    heard = loops(6)
    heard[40_000:46_000] *= 0.5
    heard[38_000:38_128] = 0.3
    gestures = [gesture(39_000, 7000), *(gesture(at) for at in range(16_500, 36_000, 2_000))]
    onsets, _ = find_onsets(heard, gestures, LOOP)
    assert onsets[0] is None


def test_frames_and_times_are_each_others_inverse_and_a_lost_block_is_a_gap_in_time() -> None:
    begins = np.array([0, 480, 960, 1440], dtype=np.int64)
    out_ns = np.array([5_000_000, 15_000_000, 45_000_000, 55_000_000], dtype=np.int64)
    clock = BlockTimes(begins, out_ns, RATE)
    assert clock.ns_of(48) == 6_000_000
    assert clock.ns_of(960) == 45_000_000
    for frame in (0, 47, 480, 961, 1919):
        assert abs(clock.frame_at(clock.ns_of(frame)) - frame) <= 1
    assert clock.frame_at(4_000_000) < 0


def test_a_loop_to_compare_with_is_looked_for_where_no_block_was_lost() -> None:
    begins = np.arange(0, 40_000, 128)
    out_ns = begins * 1_000_000_000 // RATE
    out_ns[begins >= 12_800] += 10_000_000
    out_ns[begins >= 19_200] += 10_000_000
    clock = BlockTimes(begins, out_ns, RATE)
    assert clock.unbroken(5_000, 7_000, 40_000) == 5_000  # ends before the first lost block
    assert clock.unbroken(5_000, LOOP, 40_000) == 19_200  # between the two there are only 6400 frames
    assert clock.unbroken(5_000, LOOP, 30_000) == 5_000  # nowhere: as asked
