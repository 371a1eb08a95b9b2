"""The judge: a small network that hears audio only and names genre, drums and instruments.

``python -m tools.train.judge --data DIR [DIR …] --test DIR --out judge.safetensors``. It is trained on loops
rendered with another soundfont, of other compositions, than the model saw, and it never
sees a mel image of the model's own codec.
"""

from __future__ import annotations

import argparse
import itertools
import json
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from riffengine.renderer.bundled.vocabulary import Vocabulary
from tools.train.features import load_shards, loops_of

RATE, N_FFT, BANDS, FRAMES = 44100, 2048, 96, 128


def _filters() -> Tensor:
    """Triangles on a logarithmic axis from 40 Hz to 14 kHz ``(bins, BANDS)``."""
    edges = torch.logspace(np.log10(40.0), np.log10(14000.0), BANDS + 2)
    bins = torch.linspace(0, RATE / 2, N_FFT // 2 + 1)[:, None]
    up, down = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2]), (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    return torch.minimum(up, down).clamp_min(0.0) + 1e-9


FILTERS = _filters()


def hear(loop: np.ndarray) -> Tensor:
    """Log spectrum ``(BANDS, FRAMES)`` of a loop, eight beats wide whatever its tempo, level removed."""
    samples = torch.from_numpy(np.ascontiguousarray(loop, dtype=np.float32))
    centres = (torch.arange(2 * FRAMES) * len(samples) / (2 * FRAMES)).long()
    index = (centres[:, None] + torch.arange(N_FFT)[None, :]) % len(samples)
    power = torch.fft.rfft(samples[index] * torch.hann_window(N_FFT)).abs().square()
    log = torch.log10((power @ FILTERS).unflatten(0, (FRAMES, 2)).mean(dim=1) + 1e-7)  # two windows a column: no gap
    return ((log - log.mean()) / 1.5).T


class Judge(nn.Module):
    """Convolutions that wrap around in time; three answers."""

    def __init__(self, genres: int, words: int, width: int = 24) -> None:
        super().__init__()
        sizes = [1, width, 2 * width, 3 * width, 4 * width, 6 * width]
        self.layers = nn.ModuleList(
            nn.Sequential(nn.Conv2d(a, b, 3, padding=(1, 0)), nn.BatchNorm2d(b)) for a, b in itertools.pairwise(sizes)
        )
        self.genre = nn.Linear(2 * sizes[-1], genres)
        self.words = nn.Linear(2 * sizes[-1], words)
        self.drums = nn.Linear(2 * sizes[-1], 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        h = x[:, None]
        for layer in self.layers:
            h = F.max_pool2d(F.relu(layer(F.pad(h, (1, 1, 0, 0), mode="circular"))), 2)
        h = torch.cat([h.mean(dim=(2, 3)), h.amax(dim=(2, 3))], dim=1)
        h = F.dropout(h, 0.2, self.training)
        return self.genre(h), self.words(h), self.drums(h)[:, 0]


def verdicts(judge: Judge, heard: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The judge's three answers to many loops, 32 at a time: a batch of 300 would need gigabytes."""
    judge.eval()
    with torch.no_grad():
        parts = [judge(part.float()) for part in heard.split(32)]
    genre, words, drums = (torch.cat(column) for column in zip(*parts, strict=True))
    return genre, words, drums


def labels(table: dict[str, np.ndarray]) -> tuple[Tensor, Tensor, Tensor]:
    """Genre index (-1 where none can be heard), bag of words, and whether there are drums, of every loop."""
    vocabulary = Vocabulary.load()
    genres = {vocabulary.index(word): i for i, word in enumerate(vocabulary.with_role("genre"))}
    bags = np.zeros((len(table["words"]), len(vocabulary)), np.float32)
    genre = np.zeros(len(bags), np.int64)
    for row, words in enumerate(table["words"]):
        bags[row, words[words >= 0]] = 1.0
        genre[row] = next((genres[word] for word in words if word in genres), -1)
    drums = (table["scores"][:, :, :8].max(axis=(1, 2)) > 0).astype(np.float32)
    return torch.from_numpy(genre), torch.from_numpy(bags), torch.from_numpy(drums)


def load_heard(folder: Path) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor]]:
    """What the judge hears of every loop of ``folder``, and what is true of it."""
    return torch.stack([hear(loop).half() for loop in loops_of(folder)]), labels(load_shards(folder))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--test", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=30)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(5)
    parts = [load_heard(folder) for folder in args.data]
    heard = torch.cat([p[0] for p in parts])
    truth = [torch.cat([p[1][i] for p in parts]) for i in range(3)]
    vocabulary = Vocabulary.load()
    judge = Judge(len(vocabulary.with_role("genre")), len(vocabulary))
    optimizer = torch.optim.AdamW(judge.parameters(), 2e-3, weight_decay=0.02)
    steps = args.epochs * len(heard) // 32
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps)
    rng = np.random.default_rng(6)
    for step in range(steps):
        rows = torch.from_numpy(rng.integers(0, len(heard), 32))
        x = heard[rows].float().roll(int(rng.integers(0, FRAMES)), dims=2)
        x = x + 0.15 * torch.randn(32, BANDS, 1) + 0.05 * torch.randn_like(x)  # another soundfont is another equaliser
        with torch.autocast("cpu", torch.bfloat16):
            genre, words, drums = (y.float() for y in judge(x))
        loss = (
            F.cross_entropy(genre, truth[0][rows], label_smoothing=0.05, ignore_index=-1)
            + 4 * F.binary_cross_entropy_with_logits(words, truth[1][rows])
            + 0.3 * F.binary_cross_entropy_with_logits(drums, truth[2][rows])
        )
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 200 == 0:
            print(f"step {step}/{steps} loss {loss.item():.3f}", flush=True)
    test, (genre_true, _, drums_true) = load_heard(args.test)
    genre, _, drums = verdicts(judge, test)
    scores = {
        "genre": (genre.argmax(1) == genre_true)[genre_true >= 0].float().mean().item(),
        "drums": ((drums > 0).float() == drums_true).float().mean().item(),
    }
    save_file(judge.state_dict(), args.out, {"scores": json.dumps(scores)})
    print(f"on {len(test)} loops it has not heard: {scores}")


if __name__ == "__main__":
    main()
