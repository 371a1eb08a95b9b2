"""Files that are rendered: every format is read back as what was written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from riffengine.processes.audio_files import RENDERED_ENDINGS
from riffengine.renderer.audio_file import write_audio

RATE = 44100
TIMES = np.arange(3 * RATE) / RATE
SOUND = 0.5 * np.stack([np.sin(2 * np.pi * 440 * TIMES), np.sin(2 * np.pi * 660 * TIMES)], axis=1).astype(np.float32)


@pytest.mark.parametrize("ending", RENDERED_ENDINGS)
def test_every_format_that_is_rendered_is_read_back(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"loop{ending.upper()}"
    write_audio(path, SOUND, RATE)
    found, rate = soundfile.read(path, dtype="float32")
    assert rate == RATE and found.shape[1] == 2
    if ending in (".ogg", ".mp3"):
        assert abs(len(found) - len(SOUND)) < 4096  # an MP3 is a whole number of its frames
        middle = found[RATE : 2 * RATE]
        assert abs(float(np.sqrt((middle**2).mean())) - 0.5 / np.sqrt(2.0)) < 0.01
        loudest = np.argmax(np.abs(np.fft.rfft(middle, axis=0)), axis=0)
        assert loudest.tolist() == [440, 660]
    else:
        assert np.abs(found - SOUND).max() < 2**-22
