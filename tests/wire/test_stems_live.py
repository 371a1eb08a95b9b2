"""The shipped model's stems on the real engine: muted, soloed, dreamt again, and what the recording says of it."""

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
from tests.wire.osc_session import PATIENCE_SECONDS, Surface, performing

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


class Set:
    """A set in a process of its own, heard for whole loops at a time."""

    def __init__(self, folder: Path, process: subprocess.Popen[str], surface: Surface) -> None:
        self.folder, self.process, self.surface = folder, process, surface

    def set(self, path: str, value: float | int | bool) -> None:
        self.surface.heard = [item for item in self.surface.heard if item[0] != "/riff/ok"]
        self.surface.send(f"/riff/{path}", value)
        self.surface.wait_for("/riff/ok", lambda v: v[0] == path)

    def listen(self, beats: float) -> None:
        """Until so many more beats have sounded."""
        until = float(str(self.surface.status()["beat"])) + beats
        self.surface.wait_until(lambda status: float(str(status["beat"])) > until)

    def end(self) -> tuple[np.ndarray, list[PlayerLogEntry]]:
        """What was recorded ``(frames,)`` and what the player took."""
        self.process.send_signal(signal.SIGINT)
        output, _ = self.process.communicate(timeout=PATIENCE_SECONDS)
        assert self.process.returncode == 0, output
        samples, _ = soundfile.read(self.folder / "set.wav", dtype="float32", always_2d=True)
        assert np.array_equal(samples[:, 0], samples[:, 1])
        return samples[:, 0], read_player_log(read_journal(self.folder / "set.jsonl"))[0]


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Set]:
    with performing(PRESET, tmp_path) as (process, surface):
        yield Set(tmp_path, process, surface)


def gains(player_log: list[PlayerLogEntry], stem: str) -> list[tuple[int, int, float]]:
    """When the player moved the gain of a stem, the first frame that it could still reach, and whither."""
    return [
        (entry.frame, entry.horizon, entry.message.value)
        for entry in player_log
        if isinstance(entry.message, SetControl) and entry.message.name == f"deck/a/stem/{stem}/gain"
    ]


@pytest.mark.wire
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_stems_are_muted_soloed_and_dreamt_again_in_what_is_heard(live: Set) -> None:
    live.surface.wait_until(lambda status: int(str(status["jobs_heard"])) >= 1)
    live.listen(9)  # the drums alone
    live.set("deck/a/stem/bass/solo", True)
    live.set("deck/a/stem/drums/solo", False)
    live.listen(9)  # the bass alone
    live.set("deck/a/stem/drums/again", True)
    live.surface.wait_for("/riff/landing", lambda v: str(v[0]).startswith("deck/a"))
    live.surface.wait_until(lambda status: int(str(status["jobs_heard"])) >= 2)
    live.listen(10)  # the bass of the loop with other drums
    live.set("deck/a/stem/drums/solo", True)
    live.set("deck/a/stem/bass/solo", False)
    live.listen(9)  # the other drums
    live.set("deck/a/stem/drums/mute", True)
    live.listen(2)  # nothing
    live.set("deck/a/stem/drums/mute", False)
    live.listen(1)
    samples, player_log = live.end()
    assert_heard(samples, player_log)


def assert_heard(samples: np.ndarray, player_log: list[PlayerLogEntry]) -> None:
    """What the hands did is what was recorded."""
    muted, back = [move for move in gains(player_log, "drums") if move[2] in (0.0, 1.0)][-2:]
    assert muted[2] == 0.0 and back[2] == 1.0
    for frame, horizon, _ in (muted, back):
        assert frame == horizon  # the next block: nothing later was waited for
    ramp = 441
    assert np.abs(samples[muted[0] - LOOP // 8 : muted[0]]).max() > 0.001
    assert np.array_equal(samples[muted[0] + ramp : back[0]], np.zeros(back[0] - muted[0] - ramp, np.float32))
    assert np.abs(samples[back[0] : back[0] + LOOP // 4]).max() > 0.001

    launches = [entry.frame for entry in player_log if isinstance(entry.message, LaunchBank)]
    first = launches[0]
    raised = next(frame for frame, _, value in gains(player_log, "bass") if frame > first and value == 1.0)
    lowered = next(frame for frame, _, value in gains(player_log, "bass") if frame > raised and value == 0.0)
    alone = next(frame for frame, _, value in gains(player_log, "drums") if frame >= raised and value == 0.0)
    second = next(frame for frame in launches if frame > alone)  # before it a draft may have been refined
    with_drums = next(frame for frame, _, value in gains(player_log, "drums") if frame > second and value == 1.0)
    assert raised <= alone and alone + LOOP + ramp < second < with_drums <= lowered

    def cycle(begin: int) -> np.ndarray:
        """A loop's worth from ``begin`` on, turned so that it starts where the loop starts."""
        return np.roll(samples[begin : begin + LOOP], begin % LOOP)

    settled = second + 4410  # beyond the crossfade
    assert settled + LOOP < with_drums
    assert np.abs(cycle(alone + ramp)).max() > 0.001
    assert np.allclose(cycle(alone + ramp), cycle(settled), atol=1e-6)  # the bass is the very same audio
    before, after = cycle(raised - LOOP), cycle(muted[0] - LOOP)
    assert float((before * after).sum()) < 0.9 * float(np.linalg.norm(before) * np.linalg.norm(after))
