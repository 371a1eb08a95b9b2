"""Mel latents of the composed loops: ``python -m tools.train.features --data DIR --out DIR``.

Reads the shards of ``make_data``, encodes every loop with the shipped codec, fits the lapped PCA on a share of them,
and writes ``latents.npy`` (n, 32, dims) float16, the conditions beside it, and ``lapped.safetensors``.
"""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from riffengine.renderer.bundled.latents import LappedPca
from riffengine.renderer.bundled.score import STEPS
from riffengine.renderer.codec import Codec, CodecParams


def load_shards(folder: Path) -> dict[str, np.ndarray]:
    """Conditions of all loops of ``folder``, concatenated; ``words`` padded to one width."""
    shards = [np.load(path) for path in sorted(folder.glob("loops-*.npz"))]
    width = max(shard["words"].shape[1] for shard in shards)
    out = {key: np.concatenate([s[key] for s in shards]) for key in ("bpm", "key_shift", "mode", "scores", "seeds")}
    out["words"] = np.concatenate(
        [np.pad(s["words"], ((0, 0), (0, width - s["words"].shape[1])), constant_values=-1) for s in shards]
    )
    return out


def loops_of(folder: Path):
    """Yield every loop's samples, float32 in -1..1."""
    for path in sorted(folder.glob("loops-*.npz")):
        shard = np.load(path)
        audio, offsets = shard["audio"], shard["offsets"]
        ends = offsets if len(offsets) > len(shard["bpm"]) else np.append(offsets, len(audio))
        for start, end in itertools.pairwise(ends):
            yield audio[start:end].astype(np.float32) / 32768.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--dims", type=int, default=192)
    parser.add_argument("--lapped", type=Path, help="use this fitted transform instead of fitting one")
    parser.add_argument("--fit", type=int, default=1500, help="loops the transform is fitted on")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    codec = Codec(CodecParams())
    params = codec.params
    conditions = load_shards(args.data)
    count = len(conditions["bpm"])
    mels = np.lib.format.open_memmap(args.out / "mels.npy", "w+", np.float16, (count, params.frames, params.n_mels))
    with torch.inference_mode():
        for index, loop in enumerate(loops_of(args.data)):
            mels[index] = codec.encode(torch.from_numpy(loop)[None])[0].half().numpy()
            if index % 500 == 0:
                print(f"{index}/{count} loops encoded", flush=True)
        lapped = LappedPca(params.frames // STEPS, params.n_mels, args.dims)
        if args.lapped:
            lapped.load_state_dict(load_file(args.lapped))
        else:
            chosen = np.sort(np.random.default_rng(0).permutation(count)[: args.fit])
            kept = lapped.fit(torch.from_numpy(mels[chosen].astype(np.float32)))
            print(f"lapped transform keeps {kept:.4f} of the variance", flush=True)
            save_file(lapped.state_dict(), args.out / "lapped.safetensors")
        latents = np.lib.format.open_memmap(args.out / "latents.npy", "w+", np.float16, (count, STEPS, args.dims))
        for start in range(0, count, 64):
            part = torch.from_numpy(mels[start : start + 64].astype(np.float32))
            latents[start : start + 64] = lapped.encode(part).half().numpy()
    np.savez(args.out / "conditions.npz", **conditions)
    print(f"{count} loops: latents rms {np.sqrt(np.mean(latents[:500].astype(np.float32) ** 2)):.3f}")


if __name__ == "__main__":
    main()
