"""Twelve short examples and the page of pictures: ``python -m tools.examples [--heldout DIR] [--model FILE]``.

Writes ``docs/examples/*.ogg`` (at most 4 MB together) with ``docs/examples.md``, and, where ``--heldout`` names loops
of ``tools.train.make_data`` that the model has not seen, ``docs/pictures/*.png`` with ``docs/pictures.md``: real,
rebuilt and generated side by side. The same weights give the same samples.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import soundfile
from numpy.typing import NDArray

from riffengine.offline.render import RenderJob, load_alone, render_file
from riffengine.performance.chords import parse_chords
from riffengine.performance.takes import parse_takes
from riffengine.processes.render_request import MorphEnd, RenderRequest
from riffengine.renderer.family import NAME_DIGITS, Family

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DOCS = Path(__file__).resolve().parents[1] / "docs"
RATE = 44100
MOST_BYTES = 4_000_000
BLOCK = 4096
FADE_SECONDS, END_SECONDS = 0.02, 0.6
PICTURES = 6
COMPARED = "techno", "jazz", "drum-and-bass", "ambient"

Stereo = NDArray[np.float32]  # (frames, 2)
Mono = NDArray[np.float32]  # (frames,)


@dataclass(frozen=True)
class Section:
    """One or more rounds of a loop; the stems in ``without`` are muted."""

    request: RenderRequest
    rounds: int = 1
    without: tuple[str, ...] = ()


@dataclass(frozen=True)
class Piece:
    """One example. ``journey`` is a morph of so many bars from ``start`` to ``end`` of the first section."""

    name: str
    what: str
    sections: tuple[Section, ...]
    command: str
    journey: int = 0


def loop_request(
    prompt: str, seed: int, bpm: float, key: str, takes: str = "", chords: str = "", **knobs: float
) -> RenderRequest:
    """A request as the options of ``riffengine render`` make it."""
    point = MorphEnd(prompt, seed)
    asked = RenderRequest(point, point, bpm=bpm, key=key, retakes=parse_takes(takes), chords=parse_chords(chords))
    return replace(asked, **knobs)  # type: ignore[arg-type]


def plain(name: str, prompt: str, seed: int, bpm: float, key: str) -> Piece:
    """Four bars of one loop."""
    command = f'riffengine render --prompt "{prompt}" --seed {seed} --bpm {bpm:g} --key "{key}" -o loop.wav'
    return Piece(name, prompt, (Section(loop_request(prompt, seed, bpm, key), 2),), command)


def pieces() -> tuple[Piece, ...]:
    """The twelve."""
    house, house_key = "house, piano, synth bass, electronic drums", "A minor"
    lofi, techno = "lo-fi, electric piano, hip hop, warm", "techno, acid bass, driving"
    band = loop_request(house, 3, 122, house_key)
    takes = [loop_request(house, 3, 122, house_key, takes=f"drums:1-8:{take}") for take in (1, 2)]
    given = "Am F C G"
    knobs = [loop_request("funk, electric piano, slap bass", 5, 108, "E minor", density=x) for x in (-1.0, 0.0, 1.0)]
    begin = loop_request(lofi, 7, 100, house_key)
    return (
        plain("techno", "techno, acid bass, driving, four on the floor", 12, 132, "A minor"),
        plain("jazz", "jazz, piano, upright bass, brush drums", 4, 140, "F major"),
        plain("lo-fi", lofi, 7, 82, "A minor"),
        plain("drum-and-bass", "drum and bass, pad, synth bass, dark", 9, 172, "D minor"),
        plain("bossa-nova", "bossa nova, acoustic guitar, flute, warm", 21, 126, "D major"),
        plain("ambient", "ambient, pad, bells, no drums, dreamy", 5, 70, "C major"),
        Piece(
            "morph",
            f"eight bars from “{lofi}” to “{techno}”",
            (Section(replace(begin, end=MorphEnd(techno, 12))),),
            f'riffengine render --prompt "{lofi}" --seed 7 --to "{techno}" --to-seed 12 --bars 8 --bpm 100 '
            f'--key "{house_key}" -o morph.flac',
            journey=8,
        ),
        Piece(
            "stems",
            "drums, then the bass, then the harmony; then the drums leave",
            (
                Section(band, without=("bass", "harmony")),
                Section(band, without=("harmony",)),
                Section(band),
                Section(band, without=("drums",)),
            ),
            f'riffengine render --prompt "{house}" --seed 3 --bpm 122 --key "{house_key}" --stems parts/ -o mix.wav',
        ),
        Piece(
            "again",
            "the same loop with its drums generated three times; bass and harmony are the same samples",
            (Section(band), *(Section(take) for take in takes)),
            f'riffengine render --prompt "{house}" --seed 3 --bpm 122 --key "{house_key}" --takes "drums:1-8:1" '
            "-o again.wav",
        ),
        Piece(
            "chords",
            f"the chords of the model, then the chords {given} that it was given",
            (Section(band), Section(loop_request(house, 3, 122, house_key, chords=given), 2)),
            f'riffengine render --prompt "{house}" --seed 3 --bpm 122 --key "{house_key}" --chords "{given}" '
            "-o chords.wav",
        ),
        Piece(
            "density",
            "funk with few notes, as it comes, and with many",
            tuple(Section(request) for request in knobs),
            'riffengine render --prompt "funk, electric piano, slap bass" --seed 5 --bpm 108 --key "E minor" '
            "--density 1 -o dense.wav",
        ),
        Piece(
            "keys",
            "one tune in A minor, in C minor and in E minor",
            tuple(Section(loop_request(lofi, 7, 96, key)) for key in ("A minor", "C minor", "E minor")),
            f'riffengine render --prompt "{lofi}" --seed 7 --bpm 96 --key "C minor" -o higher.wav',
        ),
    )


def sound_of(piece: Piece, family: Family) -> Stereo:
    """The samples of a piece at ``RATE``; different loops meet in short crossfades on the beat."""
    if piece.journey:
        with tempfile.TemporaryDirectory() as folder:
            job = RenderJob(Path(folder) / "morph.flac", piece.sections[0].request, bars=piece.journey)
            render_file(job, family)
            samples, _ = soundfile.read(job.output, dtype="float32", always_2d=True)
        return ended(in_stereo(samples))
    loops: list[Stereo] = []
    for part in piece.sections:
        audio = family.render(part.request, lambda: None).audio
        kept = [stem for name, stem in zip(family.stems, audio, strict=True) if name not in part.without]
        loops += [in_stereo(np.sum(kept, axis=0, dtype=np.float32))] * part.rounds
    return ended(joined(loops))


def in_stereo(samples: NDArray[np.float32]) -> Stereo:
    """Samples ``(frames, 1 or 2)`` in two channels."""
    return np.ascontiguousarray(np.broadcast_to(samples, (len(samples), 2)))


def joined(loops: Sequence[Stereo]) -> Stereo:
    """One loop after another. Each is circular, so it goes on past its end while the next one fades in."""
    fade = round(FADE_SECONDS * RATE)
    rise = np.sin(0.5 * np.pi * (np.arange(fade) + 0.5) / fade).astype(np.float32)[:, None]
    parts = [loops[0]]
    for before, after in pairwise(loops):
        head = after.copy()
        if before is not after:
            head[:fade] = before[:fade] * rise[::-1] + after[:fade] * rise
        parts.append(head)
    return np.concatenate(parts)


def ended(samples: Stereo) -> Stereo:
    """``samples`` with a fade at the end."""
    frames = min(len(samples), round(END_SECONDS * RATE))
    out = samples.copy()
    out[-frames:] *= np.cos(0.5 * np.pi * np.arange(frames) / frames).astype(np.float32)[:, None]
    return out


def write_ogg(path: Path, samples: Stereo) -> None:
    """Ogg Vorbis, in blocks: the encoder wants its frames on the stack."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with soundfile.SoundFile(path, "w", samplerate=RATE, channels=2, format="OGG", subtype="VORBIS") as file:
        for start in range(0, len(samples), BLOCK):
            file.write(samples[start : start + BLOCK])


def write_examples(docs: Path, family: Family, wanted: Iterable[Piece], before: Path | None = None) -> int:
    """Write every piece and their page; returns their size in bytes. ``ValueError`` when that is too much.

    ``before`` is a folder with the examples of earlier weights: pictures show some of them beside the new ones.
    """
    rows = []
    total = 0
    for piece in wanted:
        path = docs / "examples" / f"{piece.name}.ogg"
        samples = sound_of(piece, family)
        write_ogg(path, samples)
        total += path.stat().st_size
        print(f"{path.name}: {len(samples) / RATE:.1f} s, {path.stat().st_size / 1000:.0f} kB", flush=True)
        rows.append(f"| [{piece.name}](examples/{path.name}) | {piece.what} | `{piece.command}` |")
    if total > MOST_BYTES:
        raise ValueError(f"the examples are {total} bytes; at most {MOST_BYTES} are wanted: make them shorter")
    weights = family.weights_digest[:NAME_DIGITS]
    head = f"""# Examples

Rendered by the bundled model (weights `{weights}`), stereo, Ogg Vorbis. Nothing was selected by ear or
edited. Made by `python -m tools.examples`; the last column shows how to render such a loop yourself.

| listen | what it is | command |
|---|---|---|
"""
    page = head + "\n".join(rows) + "\n"
    if before is not None:
        page += compared(docs, before)
    (docs / "examples.md").write_text(page, encoding="utf-8")
    return total


def compared(docs: Path, before: Path) -> str:
    """Draw some examples beside those of the folder ``before``; returns the section of the page that shows them."""
    lines = [
        "",
        "## Before and after",
        "",
        "Left: with the weights before. Right: with these weights. Above: the first four seconds, from 40 Hz on",
        "a logarithmic axis. Below: half a second up to 22 kHz; a buzz at the codec's frame rate is seen as stripes.",
        "",
    ]
    for name in COMPARED:
        loops = [soundfile.read(folder / f"{name}.ogg", dtype="float32", always_2d=True)[0].mean(axis=1)
                 for folder in (before, docs / "examples")]  # fmt: skip
        path = docs / "pictures" / f"before-after-{name}.png"
        draw_pair(path, loops)
        lines += [f"**{name}**", "", f"![{name}: before and after](pictures/{path.name})", ""]
    return "\n".join(lines)


def draw_pair(path: Path, loops: Sequence[Mono]) -> None:
    """Two loops side by side, at two widths."""
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(2, 2, figsize=(11, 6))
    for column, loop, title in zip(axes.T, loops, ("before", "after"), strict=True):
        for axis, seconds, size in ((column[0], 4.0, 4096), (column[1], 0.5, 512)):
            part = loop[: round(seconds * RATE)]
            axis.specgram(part, NFFT=size, Fs=RATE, noverlap=size - size // 8, vmin=-125, vmax=-40, cmap="magma")
            axis.set_yscale("log" if size == 4096 else "linear")
            axis.set_ylim(40 if size == 4096 else 0, 22050)
            axis.tick_params(labelsize=7)
        column[0].set_title(title, fontsize=9)
    figure.supxlabel("seconds", fontsize=8)
    figure.supylabel("Hz", fontsize=8)
    save_small(figure, path)


def save_small(figure: Figure, path: Path) -> None:
    """Write a figure as a PNG of 96 colours, and close it."""
    import io

    from matplotlib import pyplot as plt
    from PIL import Image

    figure.tight_layout()
    drawn = io.BytesIO()
    figure.savefig(drawn, dpi=80, format="png")
    plt.close(figure)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.open(drawn).convert("RGB").quantize(96).save(path, optimize=True)


def write_pictures(docs: Path, heldout: Path, family: Family, count: int) -> None:
    """Real, rebuilt and generated loops of ``count`` held-out captions of different genres, and their page."""
    from riffengine.renderer.bundled.family import BundledModel
    from tools.train.evaluate import Captions, Sampling

    if not isinstance(family, BundledModel):
        raise TypeError("only the bundled model can rebuild a loop; leave --model away or name weights of tools/train")
    captions = Captions(heldout, 40 * count)
    lines = []
    for row in distinct(captions.truth[0].tolist(), count):
        request = captions.request(row, Sampling())
        stems = captions.stems[row]
        loops = [stems.sum(axis=0), family.reconstruct(stems).sum(axis=0)]
        loops.append(family.render(request, lambda: None).audio.sum(axis=(0, 2)))
        path = docs / "pictures" / f"{row:04d}.png"
        draw(path, loops)
        told = f"{request.start.prompt}; {request.key}, {request.bpm:.0f} bpm"
        lines.append(f"**{told}**\n\n![{told}: the real loop, rebuilt, generated](pictures/{path.name})\n")
        print(f"{path.name}: {told}", flush=True)
    weights = family.weights_digest[:NAME_DIGITS]
    head = f"""# Real, rebuilt, generated

Left: a held-out loop, which the model was not trained on. Middle: the same loop after encoding to latents and phase
reconstruction, the best quality that this model can reach. Right: what the model generates from the same words, key
and tempo. The tune is another one by design, so compare the texture and not the notes. Two bars each, 40 Hz to 16 kHz,
72 dB. Weights `{weights}`, 8 steps, guidance 3. Made by `python -m tools.examples --heldout DIR`; the
rows are the first of each genre, none was selected by its looks.

"""
    (docs / "pictures.md").write_text(head + "\n".join(lines), encoding="utf-8")


def distinct(genres: Sequence[int], count: int) -> list[int]:
    """The first row of each of ``count`` genres; -1 is none."""
    first: dict[int, int] = {}
    for row, genre in enumerate(genres):
        if genre >= 0:
            first.setdefault(genre, row)
    return sorted(first.values())[:count]


def draw(path: Path, loops: Sequence[Mono]) -> None:
    """Loops side by side, each on its own scale of levels: the loudest is what counts."""
    from matplotlib import pyplot as plt

    from tools.picture import BANDS, FLOOR_DB, HIGHEST_HZ, LOWEST_HZ, log_spectrogram

    figure, axes = plt.subplots(1, len(loops), figsize=(12, 3.2), sharey=True)
    for place, (loop, title) in enumerate(zip(loops, ("real", "rebuilt", "generated"), strict=True)):
        levels = log_spectrogram(loop.astype(np.float32), RATE)
        axes[place].imshow(levels, origin="lower", aspect="auto", cmap="magma", vmin=levels.max() - FLOOR_DB,
                           vmax=levels.max(), extent=(0, 8, 0, BANDS))  # fmt: skip
        axes[place].set_title(title, fontsize=9)
        axes[place].set_xticks(range(9))
        axes[place].tick_params(labelsize=7)
    ticks = [50, 100, 200, 500, 1000, 2000, 5000, 10000]
    axes[0].set_yticks([BANDS * np.log(hz / LOWEST_HZ) / np.log(HIGHEST_HZ / LOWEST_HZ) for hz in ticks])
    axes[0].set_yticklabels([f"{hz} Hz" if hz < 1000 else f"{hz // 1000} kHz" for hz in ticks])
    figure.supxlabel("beats", fontsize=8)
    save_small(figure, path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--heldout", type=Path, help="held-out loops; without them no pictures")
    parser.add_argument("--model", default="bundled", help="weights of tools/train (bundled)")
    parser.add_argument("--docs", type=Path, default=DOCS, help="where the pages go")
    parser.add_argument("--before", type=Path, help="folder with the examples of earlier weights, to compare")
    parser.add_argument("--no-examples", action="store_true", help="only the pictures")
    args = parser.parse_args()
    family = load_alone(args.model)
    if not args.no_examples:
        print(f"{write_examples(args.docs, family, pieces(), args.before) / 1e6:.2f} MB")
    if args.heldout:
        write_pictures(args.docs, args.heldout, family, PICTURES)


if __name__ == "__main__":
    main()
