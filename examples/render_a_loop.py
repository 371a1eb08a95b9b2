"""Render three loops of a morph to files, and the notes of the first: python examples/render_a_loop.py FOLDER

Each loop is exactly eight beats long, and its end meets its start: any sampler can repeat it.
"""

import sys
from pathlib import Path

import riffengine


def main(folder: Path) -> None:
    model = riffengine.load_model()
    for alpha in (0.0, 0.5, 1.0):
        loop = riffengine.render(
            "house, driving, rhodes", to="techno, dark", alpha=alpha, seed=7, bpm=124, key="A minor", model=model
        )
        path = folder / f"house-to-techno-{alpha:g}.wav"
        loop.save(path)
        print(f"{path}: {len(loop.samples)} frames, {loop.loudness_lufs:.1f} LUFS, stems {', '.join(loop.stems)}")
        if alpha == 0.0:
            loop.save(folder / "house.mid")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
