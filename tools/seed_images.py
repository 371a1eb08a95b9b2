"""The seed images and masks of the package: python -m tools.seed_images riffengine/pictures.

Five composed loops of eight beats, played by the fonts that the training data are played by, as pictures of 512 x 512:
64 columns a beat, circular, with the EXIF that says what they mean. 64 greys are kept, which is finer than a hundredth
of the range. Six masks, black where the seed image is kept, white where it is generated anew.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from riffengine.renderer.riffusion.bands import CROSSOVERS_HZ
from riffengine.renderer.riffusion.codec import COLUMNS_PER_BEAT, RiffusionCodec, RiffusionParams
from riffengine.renderer.riffusion.masks import row_at_hz
from riffengine.renderer.riffusion.spectrogram_image import EXIF_TAGS
from tools.train.compose.composition import compose
from tools.train.compose.render import Band, find_soundfont

BEATS, BPM, GREYS = 8, 93.75, 64
SIZE = BEATS * COLUMNS_PER_BEAT
SEEDS = {"straight": "techno", "swing": "jazz", "broken": "drum and bass", "clave": "bossa nova", "dawn": "ambient"}
"""Name of each seed image, and the genre of its loop: the first that is composed with all its parts."""


def loop_of(genre: str, band: Band) -> NDArray[np.float32]:
    """``(225792,)``: the first composition of ``genre`` that says so in its words, at 93.75 bpm."""
    for seed in range(2000):
        piece = compose(seed)
        if piece.genre == genre and genre in piece.words and len(piece.tracks) >= (2 if genre == "ambient" else 3):
            return band.render(replace(piece, bpm=BPM)).sum(axis=0)  # of its stems
    raise ValueError(f"no composition is {genre}")


def write_seed(path: Path, loop: NDArray[np.float32]) -> None:
    """The picture of ``loop`` in ``GREYS`` greys."""
    codec = RiffusionCodec(RiffusionParams())
    sound = torch.from_numpy(loop * np.float32(0.7 / np.abs(loop).max()))[None, None]
    params = replace(codec.params, max_value=float(codec.bands(sound, SIZE).max()))
    pixels = codec.encode(sound, SIZE, max_value=params.max_value)[0, 0].flip(0).numpy()
    save(path, np.round(pixels * (GREYS - 1)) / (GREYS - 1), params)


def masks() -> dict[str, NDArray[np.float64]]:
    """Name and picture ``(512, 512)`` of each mask, top row first: 1 is generated anew."""
    rows, columns = np.indices((SIZE, SIZE))
    band = SIZE - 1 - rows
    low, high = (row_at_hz(hz, RiffusionParams()) for hz in CROSSOVERS_HZ)
    place = columns % COLUMNS_PER_BEAT
    return {
        "keep-low": (band >= low) * 1.0,
        "keep-high": (band < high) * 1.0,
        "keep-first-bar": (columns >= SIZE // 2) * 1.0,
        "keep-last-beat": (columns < SIZE - COLUMNS_PER_BEAT) * 1.0,
        "keep-beats": ((place >= 12) & (place < COLUMNS_PER_BEAT - 4)) * 1.0,  # the attack and what rings after it
        "gradient": band / (SIZE - 1.0),  # the deeper, the more it stays
    }


def save(path: Path, pixels: NDArray[np.float64], params: RiffusionParams | None) -> None:
    """``pixels`` 0..1 as an 8-bit grey PNG, with EXIF where there are ``params``."""
    image = Image.fromarray(np.round(pixels * 255.0).astype(np.uint8))
    exif = image.getexif()
    for name, tag in EXIF_TAGS.items() if params else ():
        value = getattr(params, name)
        exif[tag] = int(value) if float(value).is_integer() else float(value)
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, "PNG", optimize=True, exif=exif)


def main() -> None:
    """Write them all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--soundfont")
    options = parser.parse_args()
    band = Band(find_soundfont(options.soundfont))
    for name, genre in SEEDS.items():
        write_seed(options.folder / "seed" / f"{name}.png", loop_of(genre, band))
    for name, pixels in masks().items():
        save(options.folder / "mask" / f"{name}.png", pixels, None)
    band.close()


if __name__ == "__main__":
    main()
