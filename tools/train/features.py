"""Latents of the composed loops: ``python -m tools.train.features --data DIR --out DIR``.

Reads the shards of ``make_data``, encodes every stem with its codec, fits the lapped transforms on a share of the
loops, and writes ``latents.npy`` (n, 32, channels) float16, ``heard.npy`` (the mel image of the mix, for the encoder),
the conditions beside them, and ``sound.safetensors``. A run that was stopped goes on where it was; with ``--wait`` it
keeps up with a ``make_data`` that is still running.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from riffengine.renderer.bundled.latent_codec import STEMS, LatentCodec
from riffengine.renderer.bundled.score import density
from riffengine.renderer.bundled.stereo_image import analyse_image
from tools.train.measures import brightness

COLUMNS = ("bpm", "key_shift", "mode", "scores", "seeds", "energy")


def load_shards(folder: Path, shards: list[Path] | None = None) -> dict[str, np.ndarray]:
    """Conditions of all loops of ``folder``, concatenated; ``words`` padded to one width."""
    opened = [np.load(path) for path in shards or sorted(folder.glob("loops-*.npz"))]
    width = max(shard["words"].shape[1] for shard in opened)
    out = {key: np.concatenate([s[key] for s in opened]) for key in COLUMNS}
    out["words"] = np.concatenate(
        [np.pad(s["words"], ((0, 0), (0, width - s["words"].shape[1])), constant_values=-1) for s in opened]
    )
    return out


def stereo_stems_of(folder: Path, shards: list[Path] | None = None) -> Iterator[np.ndarray]:
    """Yield every loop's stems ``(3, 2, frames)``, float32 in -1..1; both channels of mono shards are alike."""
    for path in shards or sorted(folder.glob("loops-*.npz")):
        shard = np.load(path)
        audio = shard["audio"]
        channels = len(audio) // 3
        for start, end in itertools.pairwise(shard["offsets"]):
            stems = audio[:, start:end].astype(np.float32).reshape(3, channels, -1) / 32768.0
            yield stems if channels == 2 else np.repeat(stems, 2, axis=1)


def stems_of(folder: Path, shards: list[Path] | None = None) -> Iterator[np.ndarray]:
    """Yield every loop's stems in mono ``(3, frames)``, the mean of left and right."""
    for stems in stereo_stems_of(folder, shards):
        yield stems.mean(axis=1)


def loops_of(folder: Path) -> Iterator[np.ndarray]:
    """Yield every loop as it is heard in mono, the sum of its stems."""
    for stems in stems_of(folder):
        yield stems.sum(axis=0)


def fit(codec: LatentCodec, data: Path, shards: list[Path], count: int) -> None:
    """Fit the transforms on the first ``count`` loops; those of a silent stem do not count for it."""
    mels: list[list[torch.Tensor]] = [[] for _ in codec.shapes]
    images: list[list[tuple[torch.Tensor, torch.Tensor]]] = [[] for _ in codec.shapes]
    for stems in itertools.islice(stereo_stems_of(data, shards), count):
        for shape, stem, stem_codec, kept, seen in zip(codec.shapes, stems, codec.codecs, mels, images, strict=True):
            if np.abs(stem).max() > 1e-4:
                mid = torch.from_numpy(stem.mean(axis=0))
                kept.append(stem_codec.encode(mid[None])[0].half())
                seen.append(analyse_image(mid, torch.from_numpy((stem[0] - stem[1]) / 2), shape.image_hz))
    codes = codec.image_codes()
    for shape, lapped, kept, seen in zip(codec.shapes, codec.lapped, mels, images, strict=True):
        share = lapped.fit(torch.stack(kept).float())
        print(f"{shape.name}: {len(kept)} loops, keeps {share:.4f} of the variance", flush=True)
        if shape.image_hz:
            values, known = (torch.stack(column) for column in zip(*seen, strict=True))
            codes[shape.name].fit(values, known)
            print(f"{shape.name}: pan and width {codes[shape.name].mean.numpy().round(2)}", flush=True)


def encode_stems(codec: LatentCodec, stems: np.ndarray) -> torch.Tensor:
    """Latents ``(32, channels)`` of the stems ``(stems, 2, frames)`` of a loop."""
    mids, sides = (torch.from_numpy(x) for x in (stems.mean(axis=1), (stems[:, 0] - stems[:, 1]) / 2))
    images = []
    for shape, mid, side in zip(codec.shapes, mids, sides, strict=True):
        if shape.image_hz:
            image, known = analyse_image(mid, side, shape.image_hz)
            images.append((image[None], known[None]))
    return codec.encode(codec.mel_images(mids), images)[0]


def encode_shard(codec: LatentCodec, data: Path, path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Latents, images of the mix and brightness of the loops of one shard."""
    latents, heard, bright = [], [], []
    for stems in stereo_stems_of(data, [path]):
        latents.append(encode_stems(codec, stems).half().numpy())
        mix = stems.mean(axis=1).sum(axis=0)
        heard.append(codec.codecs[0].encode(torch.from_numpy(mix)[None])[0].half().numpy())
        bright.append(brightness(mix))
    return np.stack(latents), np.stack(heard), np.asarray(bright, np.float32)


def join(out: Path, data: Path, shards: list[Path]) -> None:
    """Put the encoded shards together, with everything that is true of their loops."""
    parts = [np.load(out / path.name) for path in shards]
    np.save(out / "latents.npy", np.concatenate([part["latents"] for part in parts]))
    heard = np.lib.format.open_memmap(
        out / "heard.npy", "w+", np.float16, (sum(len(p["heard"]) for p in parts), *parts[0]["heard"].shape[1:])
    )
    at = 0
    for part in parts:
        heard[at : at + len(part["heard"])] = part["heard"]
        at += len(part["heard"])
    conditions = load_shards(data, shards)
    raw = np.concatenate([part["brightness"] for part in parts])
    middle, spread = np.median(raw), 2.0 * raw.std()
    conditions["brightness"] = np.clip((raw - middle) / spread, -1.0, 1.0)
    conditions["density"] = density(conditions["scores"].astype(np.float32))
    np.savez(out / "conditions.npz", **conditions)
    print(f"{len(raw)} loops; brightness {middle:.2f} +- {spread / 2:.2f} octaves", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--fit", type=int, default=1500, help="loops the transforms are fitted on")
    parser.add_argument("--wait", type=int, default=0, help="wait until there are this many shards")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    torch.manual_seed(0)
    codec, stored = LatentCodec(STEMS), args.out / "sound.safetensors"
    done: set[str] = set()
    with torch.inference_mode():
        while True:
            shards = sorted(args.data.glob("loops-*.npz"))
            ready = len(shards) * 250 >= args.fit or not args.wait
            if ready and not stored.exists():
                fit(codec, args.data, shards, args.fit)
                save_file(codec.state_dict(), stored)
            elif ready and not done:
                codec.load_state_dict(load_file(stored))
            for path in shards if ready else ():
                if path.name not in done and not (args.out / path.name).exists():
                    latents, heard, bright = encode_shard(codec, args.data, path)
                    np.savez(args.out / path.name, latents=latents, heard=heard, brightness=bright)
                    print(f"{path.name} encoded", flush=True)
                done.add(path.name)
            if len(done) >= args.wait:
                break
            time.sleep(2.0)
    join(args.out, args.data, shards)


if __name__ == "__main__":
    main()
