"""A whole song: cut at its own beats, restyled piece by piece, joined without a gap."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from riffengine.errors import AudioFileError, ModelError
from riffengine.offline.render import RenderJob
from riffengine.offline.restyle import joined, render_song
from riffengine.processes.render_request import MorphEnd, RenderRequest
from riffengine.renderer.riffusion.init_image import InitSource
from riffengine.renderer.song import Song
from riffengine.transport.beat_grid import BeatGrid
from tests.renderer.riffusion.checkpoints import family
from tests.renderer.riffusion.drum_audio import BPM, RATE, kicks


@pytest.fixture
def song(tmp_path: Path) -> Path:
    sound = kicks(20, 0.5)
    sound[: len(sound) // 2] *= 0.25  # it begins softly
    soundfile.write(tmp_path / "song.wav", sound, RATE)
    return tmp_path / "song.wav"


def test_a_song_is_cut_at_its_own_bar_lines_and_reports_its_end(song: Path) -> None:
    found = Song.read(song, RATE)
    assert found.bpm == pytest.approx(BPM, rel=2e-3) and found.piece_count(8) == 2
    assert found.first_frame == pytest.approx(0.5 * RATE, abs=0.03 * RATE)
    for beat in (0, 8, 16):
        piece = found.piece(beat, 8)
        assert len(piece) == pytest.approx(8 * 60 / BPM * RATE, rel=2e-3) and np.abs(piece[: RATE // 20]).max() > 0.1
    with pytest.raises(AudioFileError, match="ends before beat 40"):
        found.piece(40, 8)
    with pytest.raises(AudioFileError, match="minutes are too long"):
        Song.read(song, RATE, longest=5.0)


def test_the_start_beat_and_invalid_options(song: Path) -> None:
    assert InitSource.parse(f"{song}?from=16").beat == 16 and InitSource.parse(str(song)).beat is None
    assert InitSource.parse(f"{song}?from=16").file_state() != InitSource.parse(f"{song}?from=24").file_state()
    for wrong in ("?from=x", "?from=-1", "?colour=red"):
        with pytest.raises(AudioFileError, match=r"cannot be read.*from=BEATS"):
            InitSource.parse(f"{song}{wrong}")


def test_a_song_is_restyled_from_start_to_end(song: Path, tmp_path: Path) -> None:
    point, out = MorphEnd("dub", 1, guidance=4.0, strength=0.5), tmp_path / "new.wav"
    job = RenderJob(out, RenderRequest(point, point, steps=2, init=str(song), model="a/checkpoint"))
    model = family("scheduler=ddim")
    report = render_song(job, model)
    assert report.renditions == 2 and report.frames == BeatGrid(RATE, Song.read(song, RATE).bpm).frame_at(16)
    sound, _ = soundfile.read(out)
    halves = [float(np.sqrt(np.mean(half**2))) for half in np.array_split(sound, 2)]
    assert halves[0] < 0.5 * halves[1]  # as soft as in the song
    with pytest.raises(ModelError, match="--whole needs a spectrogram checkpoint"):
        render_song(replace(job, request=replace(job.request, model="bundled")), model)


def test_pieces_are_joined_on_the_grid_under_a_fade() -> None:
    grid = BeatGrid(1000, 121.0)
    loops = [np.full((round(8 * grid.frames_per_beat), 1), value, np.float32) for value in (1.0, -1.0, 1.0)]
    out = joined(loops, grid)
    assert len(out) == grid.frame_at(24)
    edge = grid.frame_at(8)
    assert out[edge - 1] == 1.0 and out[edge] == pytest.approx(1.0) and out[edge + 25] == -1.0
    assert np.abs(np.diff(out[:, 0])).max() < 0.2
