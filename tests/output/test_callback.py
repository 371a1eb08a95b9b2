"""The work of the audio thread, on a clock that does not advance."""

from __future__ import annotations

import numpy as np

from riffengine.clock import VirtualClock
from riffengine.output.callback import AudioCallback
from riffengine.playback.mixer import Mixer
from riffengine.processes.audio_tap import AudioTap
from riffengine.processes.player_messages import FADE, Audible, LaunchBank, LoopRef, PlaceLoop, SetControl
from riffengine.transport.beat_grid import BeatGrid

SAMPLES = 0.1 * np.random.default_rng(0).standard_normal((1, 22050, 2)).astype(np.float32)
BROKEN = 666


def samples(ref: LoopRef) -> np.ndarray:  # type: ignore[type-arg]
    if ref.loop == BROKEN:
        raise ZeroDivisionError("a bug")
    return SAMPLES


def place(loop: int, bank: int) -> PlaceLoop:
    return PlaceLoop("a", bank, 0.0, LoopRef(loop, 0, 22050, 2, ("all",), 1))


def test_a_failing_block_is_silent_counted_and_the_beat_is_kept() -> None:
    mixer = Mixer(44100, BeatGrid(44100, 120.0), samples)
    callback = AudioCallback(mixer, None, VirtualClock(5))
    for message in (place(1, 0), LaunchBank("a", 0, 0, 0), SetControl(FADE, 1.0, 0, 0)):
        mixer.schedule(message)
    out = np.ones((512, 2), np.float32)
    callback.fill(out, False)
    assert np.array_equal(out, SAMPLES[0, :512])
    mixer.schedule(place(BROKEN, 1))
    callback.fill(out, True)
    assert not out.any()
    assert (callback.failures, callback.underruns) == (1, 1)
    assert callback.last_failure == "ZeroDivisionError: a bug"
    callback.fill(out, False)  # its first 63 frames, the look-ahead, were in the block that failed
    assert np.array_equal(out[63:], SAMPLES[0, 1024 + 63 : 1536])
    callback.fill(out, False)
    assert np.array_equal(out, SAMPLES[0, 1536:2048])
    assert callback.status().frame == 2048


def test_reports_have_the_clock_time_and_the_peak_is_reported_once() -> None:
    mixer = Mixer(44100, BeatGrid(44100, 120.0), samples)
    callback = AudioCallback(mixer, None, VirtualClock(77))
    for message in (place(1, 0), LaunchBank("a", 0, 0, 0), SetControl(FADE, 1.0, 0, 0, stamp_ns=3)):
        mixer.schedule(message)
    callback.fill(np.zeros((512, 2), np.float32), False)
    assert (Audible(FADE, 3, 0, 0), 77) in callback.outbox
    assert callback.status().peak == np.float32(np.abs(SAMPLES[0, :512]).max())
    assert callback.status().peak == 0.0


def test_every_block_is_left_in_the_tap_with_its_frame_also_one_that_failed() -> None:
    tap = AudioTap.create(44100, 2)
    mixer = Mixer(44100, BeatGrid(44100, 120.0), samples)
    callback = AudioCallback(mixer, None, VirtualClock(5), continues=(10_000, 5), tap=tap)
    for message in (place(1, 0), LaunchBank("a", 0, 0, 0), SetControl(FADE, 1.0, 0, 0)):
        mixer.schedule(message)
    heard = []
    for number in range(4):
        if number == 2:
            mixer.schedule(place(BROKEN, 1))
        out = np.ones((512, 2), np.float32)
        callback.fill(out, False)
        heard.append(out)
    tapped = tap.read(0, 1 << 14)
    assert (tapped.frame, tapped.host_ns, callback.failures) == (10_000, 5, 1)
    assert np.array_equal(tapped.samples, np.concatenate(heard))
    tap.close()
