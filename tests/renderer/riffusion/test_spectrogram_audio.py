"""Sound files to pictures and back, through files and the command line."""

import json
import os
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image

from riffengine.cli import main
from riffengine.errors import AudioFileError, PictureError
from riffengine.renderer.audio_file import read_audio
from riffengine.renderer.riffusion.codec import RiffusionCodec, RiffusionParams
from riffengine.renderer.riffusion.spectrogram_audio import (
    _decode_in_pieces,
    audio_from_picture,
    picture_from_audio,
)
from riffengine.renderer.riffusion.spectrogram_image import Picture, read_picture

RATE = 44100


def tune(seconds: float, rate: int = RATE) -> np.ndarray:
    """A plucked note every 0.32 s; (frames,) float32."""
    t = np.arange(round(seconds * rate)) / rate
    step = (t / 0.32).astype(int)
    hz = 220.0 * 2.0 ** (np.array([0, 3, 7, 10, 12, 7, 3, 5])[step % 8] / 12)
    return (0.3 * np.sin(2 * np.pi * hz * t) * np.exp(-6 * (t - 0.32 * step))).astype(np.float32)


@pytest.fixture
def loop(tmp_path: Path) -> Path:
    soundfile.write(tmp_path / "loop.wav", tune(2.56), RATE)
    return tmp_path / "loop.wav"


def test_a_loop_goes_through_a_picture_at_its_own_level(loop: Path, tmp_path: Path, capsys) -> None:  # type: ignore[no-untyped-def]
    png, wav = str(tmp_path / "loop.png"), str(tmp_path / "again.wav")
    assert main(["to-image", str(loop), "-o", png, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["columns"] == 256
    assert main(["to-audio", png, "-o", wav]) == 0
    assert capsys.readouterr().err == ""
    before, after = soundfile.read(loop)[0], soundfile.read(wav)[0]
    assert len(after) == len(before) == 112896
    assert 10 * np.log10((after**2).mean() / (before**2).mean()) == pytest.approx(0.0, abs=1.0)


def test_every_setting_of_the_picture_can_be_typed_and_travels_in_its_exif(loop: Path, tmp_path: Path, capsys) -> None:  # type: ignore[no-untyped-def]
    png, wav = str(tmp_path / "own.png"), str(tmp_path / "own.wav")
    typed = ["--bands", "128", "--low", "40", "--high", "16000", "--step-ms", "20"]
    typed += ["--window-ms", "80", "--padded-ms", "160", "--power", "0.5"]
    assert main(["to-image", str(loop), "-o", png, *typed]) == 0
    found = read_picture(Path(png))
    assert found.params == RiffusionParams(
        num_frequencies=128, min_frequency=40.0, max_frequency=16000.0, step_size_ms=20.0, window_duration_ms=80.0,
        padded_duration_ms=160.0, power_for_image=0.5, max_value=found.params.max_value,
    )  # fmt: skip
    assert found.image.shape == (1, 128, 128)
    assert main(["to-audio", png, "-o", wav]) == 0
    assert soundfile.info(wav).frames == 112896
    assert main(["to-image", str(loop), "-o", png, "--high", "20"]) == 2
    assert "max_frequency is 20.0; 100 to 22050 is possible" in capsys.readouterr().err


def test_64_columns_a_beat_at_any_tempo_and_another_tempo_stretches(loop: Path, tmp_path: Path) -> None:
    excerpt = read_audio(loop, 1, RATE, start=0.5, seconds=1.0)
    image, params = picture_from_audio(excerpt, RiffusionParams(), bpm=120.0)
    assert image.shape == (1, 512, 128)
    assert params.step_size_ms == 7.8125
    picture = Picture(image, params, True, True, ())
    assert len(audio_from_picture(picture, iterations=1)[0]) == RATE
    assert len(audio_from_picture(picture, bpm=60.0, iterations=1)[0]) == 2 * RATE
    assert len(audio_from_picture(picture, sample_rate=48000, iterations=1)[0]) == 48000


def test_a_drawing_plays_at_the_loudness_of_a_loop(tmp_path: Path, capsys) -> None:  # type: ignore[no-untyped-def]
    pixels = np.full((300, 300), 255, np.uint8)
    pixels[150:200, 20:] = 40
    Image.fromarray(pixels).save(tmp_path / "drawn.jpg")
    assert main(["to-audio", str(tmp_path / "drawn.jpg"), "--bpm", "120", "-o", str(tmp_path / "d.flac")]) == 0
    assert "300 x 300 pixels were resized to 512 x 512" in capsys.readouterr().err
    assert soundfile.info(tmp_path / "d.flac").frames == 4 * RATE


def test_a_long_picture_is_joined_from_pieces_that_are_no_worse_where_they_meet() -> None:
    codec = RiffusionCodec()
    sound = torch.from_numpy(tune(7.2))[None, None]
    image = codec.encode(sound, 720)
    audio = _decode_in_pieces(codec, image, sound.shape[2], 8, size=256)
    error = (codec.encode(audio, 720) - image).abs().mean((0, 1, 2))
    joins = torch.cat([error[256 - 32 : 256 + 32], error[512 - 32 : 512 + 32]]).mean()
    assert float(joins) < 1.3 * float(error[32:-32].mean())


def test_a_song_that_is_too_long_is_refused_before_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, size = tmp_path / "set.wav", 3 * 3600 * RATE * 2  # three hours, as a hole in the file
    header = struct.pack(
        "<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + size, b"WAVE", b"fmt ", 16, 1, 1, RATE, 2 * RATE, 2, 16, b"data", size
    )
    path.write_bytes(header)
    os.truncate(path, len(header) + size)
    monkeypatch.setattr(soundfile.SoundFile, "blocks", lambda *_, **__: pytest.fail("it was read"))
    with pytest.raises(AudioFileError, match=r"180\.0 minutes are too long; at most 5"):
        read_audio(path, 1, RATE)


@pytest.mark.parametrize(
    ("samples", "says"),
    [
        (np.full(RATE, np.nan, np.float32), "NaN"),
        (np.zeros(RATE, np.float32), "silent"),
        (np.zeros(10, np.float32), "less than 0.25 s"),
    ],
)
def test_audio_that_makes_no_picture_is_refused(tmp_path: Path, samples: np.ndarray, says: str) -> None:
    soundfile.write(tmp_path / "bad.wav", samples, RATE, subtype="FLOAT")
    with pytest.raises(AudioFileError, match=says):
        read_audio(tmp_path / "bad.wav", 1, RATE)


def test_files_that_are_no_audio_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("no sound")
    for name in ("text.wav", "absent.wav"):
        with pytest.raises(AudioFileError, match=name):
            read_audio(tmp_path / name, 1, RATE)


def test_a_white_picture_is_refused(tmp_path: Path) -> None:
    Image.new("L", (512, 512), 255).save(tmp_path / "white.png")
    with pytest.raises(PictureError, match="silent"):
        audio_from_picture(read_picture(tmp_path / "white.png"), iterations=1)


def test_wrong_words_on_the_command_line_are_refused(loop: Path, tmp_path: Path, capsys) -> None:  # type: ignore[no-untyped-def]
    for words in (["to-image", str(loop), "-o", "x.gif"], ["to-audio", "x.png", "-o", "x.m4a"],
                  ["to-image", str(loop), "-o", "x.png", "--bpm", "nan"]):  # fmt: skip
        with pytest.raises(SystemExit):
            main(words)
        assert "not allowed" in capsys.readouterr().err or "must end in"
    assert main(["to-audio", str(tmp_path / "absent.png"), "-o", str(tmp_path / "x.wav")]) == 2
    assert "absent.png" in capsys.readouterr().err
