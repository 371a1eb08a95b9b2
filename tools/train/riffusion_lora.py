"""A LoRA of one's own music: python -m tools.train.riffusion_lora MODEL MUSIC -o mine.safetensors.

MODEL is a checkpoint's folder or name. MUSIC is a folder of sound files; what each is stands in a .txt beside it, else
in its name. A file is cut from its first bar line on into clips of eight beats at its own tempo, each a picture of 512
columns, whole beats as everything here. Trained are small additions to the UNet's attention (Hu et al. 2021), on the
noise of DDPM (Ho et al. 2020); clips are turned by whole beats, which their circle does not mind, and one caption in
ten is left away, so that guidance goes on working. Half an hour of music and 1000 to 3000 steps are a beginning; a GPU
is wanted for a checkpoint of real size. The result is played with `model: MODEL?lora=mine.safetensors`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from riffengine.errors import AudioFileError, RiffError
from riffengine.renderer.checkpoints.noise_schedulers import make_scheduler
from riffengine.renderer.riffusion.checkpoint import Checkpoint, read_checkpoint
from riffengine.renderer.riffusion.codec import COLUMNS_PER_BEAT, RiffusionCodec, as_batch
from riffengine.renderer.riffusion.model_spec import ModelSpec
from riffengine.renderer.riffusion.prompt_weights import Prompt
from riffengine.renderer.riffusion.text_encoder import TextEncoder
from riffengine.renderer.song import Song

BEATS, COLUMNS = 8, 8 * COLUMNS_PER_BEAT
SOUNDS = (".wav", ".flac", ".ogg", ".mp3", ".aiff", ".aif")
_LONGEST_SECONDS = 3600.0
_TARGETS = ("to_q", "to_k", "to_v", "to_out.0")
_UNCAPTIONED = 0.1


@dataclass(frozen=True)
class Clip:
    """Eight beats: ``samples`` ``(frames,)`` or ``(frames, 2) float32``, and what they are called."""

    samples: NDArray[np.float32]
    caption: str


@dataclass(frozen=True)
class Plan:
    """How to train; ``alpha`` scales the additions by ``alpha / rank``."""

    rank: int = 8
    alpha: float = 8.0
    steps: int = 1000
    batch: int = 1
    learning_rate: float = 1e-4
    seed: int = 0


class Addition(nn.Module):
    """A linear layer with ``up @ down`` beside it; at first it changes nothing."""

    def __init__(self, base: nn.Linear, rank: int, scale: float, draw: torch.Generator) -> None:
        super().__init__()
        self.base, self.scale = base, scale
        down = torch.randn(rank, base.in_features, generator=draw) / rank
        device = base.weight.device
        self.down = nn.Parameter(down.to(device))
        self.up = nn.Parameter(torch.zeros(base.out_features, rank, device=device))

    def forward(self, x: Tensor) -> Tensor:
        added = F.linear(F.linear(x, self.down.to(x.dtype)), self.up.to(x.dtype))
        return self.base(x) + self.scale * added


def clips_of(path: Path, sample_rate: int, channels: int = 1) -> list[Clip]:
    """The clips of one file, from its first bar line on; what is shorter than eight beats is one that repeats."""
    told = path.with_suffix(".txt")
    caption = told.read_text(encoding="utf-8").strip() if told.is_file() else path.stem.replace("_", " ")
    song = Song.read(path, sample_rate, _LONGEST_SECONDS, channels)
    return [Clip(song.piece(BEATS * number, BEATS), caption) for number in range(song.piece_count(BEATS))]


def read_music(folder: Path, sample_rate: int, say: Callable[[str], None], channels: int = 1) -> list[Clip]:
    """Every clip of ``folder``; what cannot be read is told and left out. ``AudioFileError`` when none is left."""
    clips: list[Clip] = []
    for path in sorted(path for path in folder.rglob("*") if path.suffix.lower() in SOUNDS):
        try:
            found = clips_of(path, sample_rate, channels)
        except AudioFileError as error:
            say(f"left out: {error}")
            continue
        say(f"{path.name}: {len(found)} clips, {found[0].caption!r}")
        clips += found
    if not clips:
        raise AudioFileError(f"{folder} holds no music that can be read; put {', '.join(SOUNDS)} files there")
    return clips


@torch.no_grad()
def encode(checkpoint: Checkpoint, clips: list[Clip], device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Latents ``(clips, 4, rows, columns)``, their texts' embeddings ``(clips, 77, width)``, and the empty text's."""
    codec = RiffusionCodec(checkpoint.params)
    vae, words = checkpoint.vae.to(device), TextEncoder(checkpoint.tokenizer, checkpoint.text.to(device))
    latents, texts = [], []
    for clip in clips:
        picture = codec.encode(as_batch(clip.samples), COLUMNS).expand(-1, 3, -1, -1).flip(2)
        found = vae.encode((picture * 2.0 - 1.0).to(device, vae.dtype)).latent_dist.mean
        latents.append(found.float() * vae.config.scaling_factor)
        texts.append(words.encode(Prompt.parse(clip.caption), 1).clone())
    return torch.cat(latents), torch.cat(texts), words.encode(Prompt.parse(""), 1).clone()


def inject(unet: nn.Module, plan: Plan) -> dict[str, Addition]:
    """Put an ``Addition`` in the place of each projection of attention; by the name of the layer it replaced."""
    draw = torch.Generator().manual_seed(plan.seed)
    names = [name for name, module in unet.named_modules() if isinstance(module, nn.Linear) and _is_target(name)]
    placed = {}
    for name in names:
        parent, _, child = name.rpartition(".")
        base = unet.get_submodule(name)
        assert isinstance(base, nn.Linear)
        placed[name] = Addition(base, plan.rank, plan.alpha / plan.rank, draw)
        setattr(unet.get_submodule(parent), child, placed[name])
    return placed


def _is_target(name: str) -> bool:
    return (".attn1." in name or ".attn2." in name) and name.endswith(_TARGETS)


class Trainer:
    """Learns a LoRA. One thread; the random numbers come from ``plan.seed`` alone."""

    def __init__(self, checkpoint: Checkpoint, clips: list[Clip], plan: Plan, device: torch.device) -> None:
        self._plan, self._device = plan, device
        self._latents, self._texts, self._nothing = encode(checkpoint, clips, device)
        self._unet = checkpoint.unet.to(device)
        self.additions = inject(self._unet, plan)
        self._noise = make_scheduler("ddpm", checkpoint.scheduler)
        self._velocity = self._noise.config.prediction_type == "v_prediction"
        self._beat = COLUMNS_PER_BEAT // checkpoint.factor
        self._draw = torch.Generator().manual_seed(plan.seed)
        learnt = [half for layer in self.additions.values() for half in (layer.down, layer.up)]
        self._optimiser = torch.optim.AdamW(learnt, lr=plan.learning_rate, weight_decay=0.01)
        self._learnt = learnt

    def run(self) -> Iterator[float]:
        """Train; the loss of each step."""
        for _ in range(self._plan.steps):
            loss = self._loss(self._draw, self._plan.batch)
            self._optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(self._learnt, 1.0)
            self._optimiser.step()
            yield float(loss.detach())

    @torch.no_grad()
    def exam(self, questions: int = 16) -> float:
        """The mean loss on the same ``questions`` whenever it is asked."""
        draw = torch.Generator().manual_seed(self._plan.seed + 1)
        return float(np.mean([float(self._loss(draw, 1)) for _ in range(questions)]))

    def _loss(self, draw: torch.Generator, batch: int) -> Tensor:
        chosen = torch.randint(len(self._latents), (batch,), generator=draw)
        turn = int(torch.randint(BEATS, (1,), generator=draw)) * self._beat
        latents = self._latents[chosen.to(self._device)].roll(turn, dims=-1)
        noise = torch.randn(latents.shape, generator=draw).to(self._device)
        times = torch.randint(self._noise.config.num_train_timesteps, (batch,), generator=draw).to(self._device)
        named = (torch.rand(batch, generator=draw) >= _UNCAPTIONED).to(self._device)[:, None, None]
        text = torch.where(named, self._texts[chosen.to(self._device)], self._nothing)
        kind = self._unet.dtype
        seen = self._noise.add_noise(latents, noise, times).to(kind)
        wanted = self._noise.get_velocity(latents, noise, times) if self._velocity else noise
        found = self._unet(seen, times, encoder_hidden_states=text.to(kind), return_dict=False)[0]
        return F.mse_loss(found.float(), wanted)


def write(path: Path, additions: dict[str, Addition], plan: Plan) -> None:
    """Write the LoRA with the names of peft and diffusers."""
    tensors = {}
    for name, layer in additions.items():
        tensors[f"unet.{name}.lora_A.weight"] = layer.down.detach().cpu().contiguous()
        tensors[f"unet.{name}.lora_B.weight"] = layer.up.detach().cpu().contiguous()
    facts = {"unet.r": plan.rank, "unet.lora_alpha": plan.alpha}
    save_file(tensors, path, {"format": "pt", "lora_adapter_metadata": json.dumps(facts)})


def main(arguments: list[str] | None = None) -> int:
    """Train and write; 2 when there is nothing to train on."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a checkpoint's folder or its name on the hub")
    parser.add_argument("music", type=Path)
    parser.add_argument("-o", "--out", type=Path, required=True, help=".safetensors")
    parser.add_argument("--rank", type=int, default=8)
    parser.add_argument("--alpha", type=float, help="(the rank)")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--learning-rate", type=float, default=1e-4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options = parser.parse_args(arguments)
    plan = Plan(
        options.rank, options.alpha or options.rank, options.steps, options.batch, options.learning_rate, options.seed
    )
    try:
        checkpoint = read_checkpoint(ModelSpec.parse(options.model))
        clips = read_music(options.music, checkpoint.params.sample_rate, print, checkpoint.params.channels)
    except RiffError as error:
        print(error, file=sys.stderr)
        return 2
    trainer = Trainer(checkpoint, clips, plan, torch.device(options.device))
    before = trainer.exam()
    recent: list[float] = []
    for number, loss in enumerate(trainer.run(), 1):
        recent = [*recent[-49:], loss]
        if number % 50 == 0 or number == plan.steps:
            print(f"step {number}: loss {np.mean(recent):.4f} (mean of the last {len(recent)})", flush=True)
    write(options.out, trainer.additions, plan)
    print(f"{options.out}: {len(trainer.additions)} layers of rank {plan.rank}, from {len(clips)} clips")
    print(f"exam on the same questions: {before:.4f} before, {trainer.exam():.4f} after")
    return 0


if __name__ == "__main__":
    sys.exit(main())
