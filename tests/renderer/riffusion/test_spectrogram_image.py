"""Picture files: what is written is read again, other pictures are resized, damaged ones are refused."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from riffengine.errors import PictureError
from riffengine.renderer.riffusion.codec import RiffusionParams
from riffengine.renderer.riffusion.spectrogram_image import EXIF_TAGS, read_picture, write_picture


def gradient(channels: int = 1, columns: int = 128) -> np.ndarray:
    """Bright at the low bands, dark at the high ones, each channel a little darker than the one before."""
    rows = np.linspace(1.0, 0.2, 512, dtype=np.float32)[None, :, None]
    return np.repeat(rows, columns, axis=2) * np.linspace(1.0, 0.8, channels, dtype=np.float32)[:, None, None]


@pytest.mark.parametrize(
    ("ending", "off"),
    [(".png", 0.5 / 255 + 1e-6), (".jpg", 4 / 255)],
)
def test_pixels_and_meaning_are_read_as_they_were_written(tmp_path: Path, ending: str, off: float) -> None:
    path, params = tmp_path / f"p{ending}", RiffusionParams(step_size_ms=7.8125, max_value=1234567.5)
    write_picture(path, gradient(), params)
    picture = read_picture(path)
    assert picture.params == params
    assert picture.has_exif
    assert picture.has_level
    assert picture.notes == ()
    assert picture.image.shape == (1, 512, 128)
    assert np.abs(picture.image - gradient()).max() <= off
    assert not list(tmp_path.glob("*.partial"))


def test_a_stereo_picture_keeps_three_channels(tmp_path: Path) -> None:
    write_picture(tmp_path / "s.png", gradient(3), RiffusionParams.wide())
    picture = read_picture(tmp_path / "s.png")
    assert picture.params.stereo
    assert picture.params.max_frequency == 20000.0
    assert np.abs(picture.image - gradient(3)).max() < 0.003


def test_the_exif_is_riffusions_own(tmp_path: Path) -> None:
    """The numbers of a file that Riffusion's defaults would write, tag by tag."""
    write_picture(tmp_path / "r.png", gradient(), RiffusionParams(max_value=7.5))
    with Image.open(tmp_path / "r.png") as file:
        exif, mode = dict(file.getexif()), file.mode
    assert exif == {
        11000: 44100, 11005: 0, 11010: 10, 11020: 100, 11030: 400, 11040: 512, 11050: 0, 11060: 10000, 11070: 0.25,
        11080: 7.5,
    }  # fmt: skip
    assert mode == "RGB"


def test_the_bottom_row_of_the_file_is_the_lowest_band(tmp_path: Path) -> None:
    pixels = np.full((512, 64), 255, np.uint8)
    pixels[-1] = 0
    Image.fromarray(pixels).save(tmp_path / "bass.png")
    image = read_picture(tmp_path / "bass.png").image
    assert not image[0, 0].any()
    assert image[0, 1:].all()


@pytest.mark.parametrize(
    ("size", "mode", "columns"),
    [
        ((800, 600), "RGB", 704),
        ((100, 40), "L", 1280),
        ((512, 512), "P", 512),
        ((30, 700), "RGBA", 64),
        ((64, 64), "1", 512),
    ],
)
def test_any_size_and_mode_is_brought_to_whole_beats_and_it_says_so(
    tmp_path: Path, size: tuple[int, int], mode: str, columns: int
) -> None:
    Image.new(mode, size, 0 if mode != "RGBA" else (0, 0, 0, 0)).save(tmp_path / "any.png")
    picture = read_picture(tmp_path / "any.png")
    assert picture.image.shape == (1, 512, columns)
    assert any("no EXIF" in note for note in picture.notes)
    assert any(f"{size[0]} x {size[1]}" in note for note in picture.notes) == (size != (512, 512))
    assert picture.image.min() == (1.0 if mode == "RGBA" else 0.0)  # what is transparent lies on white paper


def test_sixteen_bits_and_inversion(tmp_path: Path) -> None:
    Image.fromarray(np.full((512, 64), 16384, np.uint16)).save(tmp_path / "deep.png")
    assert read_picture(tmp_path / "deep.png").image == pytest.approx(0.25, abs=1e-4)
    assert read_picture(tmp_path / "deep.png", invert=True).image == pytest.approx(0.75, abs=1e-4)


def test_a_photo_is_turned_as_its_camera_says(tmp_path: Path) -> None:
    file = Image.new("L", (64, 512), 255)
    exif = file.getexif()
    exif[0x0112] = 6  # to be shown turned by a quarter
    file.save(tmp_path / "photo.jpg", exif=exif)
    assert any("512 x 64" in note for note in read_picture(tmp_path / "photo.jpg").notes)


def damaged(tmp_path: Path) -> Path:
    write_picture(tmp_path / "whole.png", gradient(), RiffusionParams())
    path = tmp_path / "damaged.png"
    path.write_bytes((tmp_path / "whole.png").read_bytes()[:-120])
    return path


def empty(tmp_path: Path) -> Path:
    path = tmp_path / "empty.png"
    path.touch()
    return path


def text(tmp_path: Path) -> Path:
    path = tmp_path / "text.png"
    path.write_text("not a picture " * 100)
    return path


def giant(tmp_path: Path) -> Path:
    path = tmp_path / "giant.png"
    Image.new("1", (40000, 16)).save(path)
    return path


def senseless(tmp_path: Path) -> Path:
    file = Image.new("L", (512, 512), 255)
    exif = file.getexif()
    exif[EXIF_TAGS["power_for_image"]] = 0
    file.save(tmp_path / "senseless.png", exif=exif)
    return tmp_path / "senseless.png"


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (empty, r"0 bytes"),
        (text, "not a readable picture"),
        (damaged, "damaged"),
        (giant, "40000 x 16"),
        (senseless, "power_for_image"),
        (lambda folder: folder / "absent.png", "no such file"),
        (lambda folder: folder, "no such file"),
    ],
)
def test_an_unreadable_picture_is_refused_with_its_name(tmp_path: Path, make, says: str) -> None:  # type: ignore[no-untyped-def]
    path = make(tmp_path)
    with pytest.raises(PictureError, match=says) as error:
        read_picture(path)
    assert path.name in str(error.value)


def test_a_picture_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match="cannot be written"):
        write_picture(tmp_path / "none" / "p.png", gradient(), RiffusionParams())
    with pytest.raises(PictureError, match=r"neither \.png nor \.jpg"):
        write_picture(tmp_path / "p.gif", gradient(), RiffusionParams())
