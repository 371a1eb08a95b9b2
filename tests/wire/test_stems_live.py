"""The stems of the bundled model in the real engine: muted, soloed, rendered again, and checked in the recording."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from riffengine.performance.journal import read_journal
from riffengine.processes.player_messages import LaunchBank, SetControl
from riffengine.replay.player_log import PlayerLogEntry, read_player_log
from tests.wire.osc_session import PATIENCE_SECONDS, OscSurface, playing_set

LOOP = 117600  # frames of eight beats at 180 bpm
PRESET = """
tempo: 180
quantum: beat
steps: 4
draft_steps: 4
deck:
  a:
    prompt: "house, piano, synth bass, electronic drums"
    seed: 3
    to_seed: 3
    stem: {drums: {solo: true}}
output: {to: paced, fade_in: 0.02, fade_out: 0.1}
midi: {enabled: false}
osc: {announce: false}
"""


class LiveSet:
    """A set in its own processes, with waiting for beats."""

    def __init__(self, folder: Path, process: subprocess.Popen[str], surface: OscSurface) -> None:
        self.folder, self.process, self.surface = folder, process, surface

    def set(self, path: str, value: float | int | bool) -> None:
        self.surface.received = [item for item in self.surface.received if item[0] != "/riff/ok"]
        self.surface.send(f"/riff/{path}", value)
        self.surface.wait_for("/riff/ok", lambda v: v[0] == path)

    def wait_beats(self, beats: float) -> None:
        """Wait until ``beats`` more beats have been played."""
        until = float(str(self.surface.status()["beat"])) + beats
        self.surface.wait_until(lambda status: float(str(status["beat"])) > until)

    def end(self) -> tuple[np.ndarray, list[PlayerLogEntry]]:
        """End the set; the recording in mono ``(frames,)`` and the entries of the player log."""
        self.process.send_signal(signal.SIGINT)
        output, _ = self.process.communicate(timeout=PATIENCE_SECONDS)
        assert self.process.returncode == 0, output
        samples, _ = soundfile.read(self.folder / "set.wav", dtype="float32", always_2d=True)
        return samples.mean(axis=1), read_player_log(read_journal(self.folder / "set.jsonl"))[0]


@pytest.fixture
def live(tmp_path: Path) -> Iterator[LiveSet]:
    with playing_set(PRESET, tmp_path) as (process, surface):
        yield LiveSet(tmp_path, process, surface)


def gains(player_log: list[PlayerLogEntry], stem: str) -> list[tuple[int, int, float]]:
    """For each change of a stem's gain: its frame, the first frame that was not mixed yet, and the value."""
    return [
        (entry.frame, entry.horizon, entry.message.value)
        for entry in player_log
        if isinstance(entry.message, SetControl) and str(entry.message.target) == f"deck/a/stem/{stem}/gain"
    ]


@pytest.mark.wire
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_mute_solo_and_new_takes_of_stems_are_in_the_recording(live: LiveSet) -> None:
    live.surface.wait_until(lambda status: int(str(status["jobs_heard"])) >= 1)
    live.wait_beats(9)  # the drums alone
    live.set("deck/a/stem/bass/solo", True)
    live.set("deck/a/stem/drums/solo", False)
    live.wait_beats(9)  # the bass alone
    live.set("deck/a/stem/drums/again", True)
    live.surface.wait_for("/riff/landing", lambda v: str(v[0]).startswith("deck/a"))
    live.surface.wait_until(lambda status: int(str(status["jobs_heard"])) >= 2)
    live.wait_beats(10)  # the bass of the loop with other drums
    live.set("deck/a/stem/drums/solo", True)
    live.set("deck/a/stem/bass/solo", False)
    live.wait_beats(9)  # the other drums
    live.set("deck/a/stem/drums/mute", True)
    live.wait_beats(2)  # nothing
    live.set("deck/a/stem/drums/mute", False)
    live.wait_beats(1)
    samples, player_log = live.end()
    assert_heard(samples, player_log)


def assert_heard(samples: np.ndarray, player_log: list[PlayerLogEntry]) -> None:
    """Check that every gesture is in the recording."""
    muted, back = [move for move in gains(player_log, "drums") if move[2] in (0.0, 1.0)][-2:]
    assert muted[2] == 0.0 and back[2] == 1.0
    for frame, horizon, _ in (muted, back):
        assert frame == horizon  # in the next block, without waiting
    ramp = 441
    assert np.abs(samples[muted[0] - LOOP // 8 : muted[0]]).max() > 0.001
    assert np.array_equal(samples[muted[0] + ramp : back[0]], np.zeros(back[0] - muted[0] - ramp, np.float32))
    assert np.abs(samples[back[0] : back[0] + LOOP // 4]).max() > 0.001

    launches = [entry.frame for entry in player_log if isinstance(entry.message, LaunchBank)]
    first = launches[0]
    raised = next(frame for frame, _, value in gains(player_log, "bass") if frame > first and value == 1.0)
    lowered = next(frame for frame, _, value in gains(player_log, "bass") if frame > raised and value == 0.0)
    alone = next(frame for frame, _, value in gains(player_log, "drums") if frame >= raised and value == 0.0)
    second = next(frame for frame in launches if frame > alone)  # earlier launches may have refined a draft
    with_drums = next(frame for frame, _, value in gains(player_log, "drums") if frame > second and value == 1.0)
    assert raised <= alone and alone + LOOP + ramp < second < with_drums <= lowered

    def cycle(begin: int) -> np.ndarray:
        """The samples of one loop from ``begin`` on, rotated to the start of the loop."""
        return np.roll(samples[begin : begin + LOOP], begin % LOOP)

    settled = second + 4410  # beyond the crossfade
    assert settled + LOOP < with_drums
    assert np.abs(cycle(alone + ramp)).max() > 0.001
    assert np.allclose(cycle(alone + ramp), cycle(settled), atol=1e-6)  # the bass is the same audio
    before, after = cycle(raised - LOOP), cycle(muted[0] - LOOP)
    assert float((before * after).sum()) < 0.9 * float(np.linalg.norm(before) * np.linalg.norm(after))
