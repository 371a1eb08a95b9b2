"""Join the trained parts into the weights that ship: ``python -m tools.train.export --runs DIR --features DIR``."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from safetensors.torch import load_file

from riffengine.renderer.bundled.flow_transformer import FlowShape, FlowTransformer
from riffengine.renderer.bundled.latent_codec import STEMS, LatentCodec
from riffengine.renderer.bundled.weights import Networks, packaged_weights, write_weights


def averaged(path: Path) -> FlowTransformer:
    """The running average of a training run's weights."""
    state = torch.load(path, weights_only=True)
    net = FlowTransformer(FlowShape(**state["shape"]))
    net.load_state_dict(state["average"])
    print(f"{path.name}: step {state['step']}")
    return net


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--features", type=Path, required=True)
    parser.add_argument("--distilled", nargs="*", default=["score"], help="stages of which the student is taken")
    parser.add_argument("--out", type=Path, default=packaged_weights())
    args = parser.parse_args()
    codec = LatentCodec(STEMS)
    codec.load_state_dict(load_file(args.features / "sound.safetensors"))
    names = [f"{name}-distilled" if name in args.distilled else name for name in ("score", "render", "listener")]
    stages = [averaged(args.runs / f"{name}.pt") for name in names]
    write_weights(args.out, Networks(*stages, codec, ""))
    print(f"{args.out}: {args.out.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
