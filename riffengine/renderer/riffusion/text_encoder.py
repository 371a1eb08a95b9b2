"""TextEncoder: embeds weighted prompts of up to 3 x 75 tokens, and caches the embeddings."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from riffengine.renderer.cache import LruCache
from riffengine.renderer.riffusion.prompt_weights import Prompt

CHUNK = 75  # tokens between the begin and the end token
MOST_CHUNKS = 3
_CACHE_SIZE = 128


class TextEncoder:
    """CLIP's text model with weights on words. Renderer process; one thread at a time.

    Long prompts are divided into chunks of 75 tokens, which are embedded separately and concatenated, as in Riffusion.
    Weights scale the embeddings of their tokens; then the mean of all embeddings is restored.
    """

    def __init__(self, tokenizer: Any, model: Any) -> None:
        self._tokenizer = tokenizer
        self._model = model
        self._cache: LruCache[tuple[Prompt, int, object], Tensor] = LruCache(_CACHE_SIZE)

    def chunks(self, prompt: Prompt) -> int:
        """The number of chunks of ``prompt``, 1 to 3."""
        tokens, _ = self._tokens(prompt)
        return min(MOST_CHUNKS, max(1, -(-len(tokens) // CHUNK)))

    def unread(self, prompt: Prompt) -> str:
        """The end of ``prompt`` after the last token that is read; ``""`` if all of it is read."""
        tokens, _ = self._tokens(prompt)
        return str(self._tokenizer.decode(tokens[MOST_CHUNKS * CHUNK :])).strip()

    @torch.inference_mode()
    def encode(self, prompt: Prompt, chunks: int, state: object = None) -> Tensor:
        """Embeddings ``(1, 77 * chunks, width) float32`` on the model's device.

        A shorter prompt is padded with end tokens, so that prompts of any length can be interpolated. ``state``
        identifies the weights of the model (its LoRAs), for the cache.
        """
        key = (Prompt(prompt.parts), chunks, state)
        cached = self._cache.get(key)
        return self._cache.put(key, self._embed(prompt, chunks)) if cached is None else cached

    def _tokens(self, prompt: Prompt) -> tuple[list[int], list[float]]:
        tokens: list[int] = []
        weights: list[float] = []
        for text, weight in prompt.parts:
            found = self._tokenizer(text, add_special_tokens=False, verbose=False).input_ids
            tokens += found
            weights += [weight] * len(found)
        return tokens, weights

    def _embed(self, prompt: Prompt, chunks: int) -> Tensor:
        begin, end = self._tokenizer.bos_token_id, self._tokenizer.eos_token_id
        tokens, weights = self._tokens(prompt)
        rows, row_weights = [], []
        for first in range(0, chunks * CHUNK, CHUNK):
            part, part_weights = tokens[first : first + CHUNK], weights[first : first + CHUNK]
            padding = CHUNK + 1 - len(part)
            rows.append([begin, *part, *[end] * padding])
            row_weights.append([1.0, *part_weights, *[1.0] * padding])
        device = next(self._model.parameters()).device
        plain = self._model(torch.tensor(rows, device=device))[0].float().reshape(1, 77 * chunks, -1)
        if all(weight == 1.0 for weight in weights):
            return plain
        weighted = plain * torch.tensor(row_weights, device=device).reshape(1, -1, 1)
        mean, moved = plain.mean(), weighted.mean()
        return weighted * torch.where(moved.abs() > 1e-6, mean / moved, 1.0)
