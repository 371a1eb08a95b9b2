"""TextEncoder: weighted prompts of up to 3 x 75 tokens as embeddings, kept for the next loop."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import torch
from torch import Tensor

from riffengine.renderer.riffusion.prompt_weights import Prompt

CHUNK = 75  # tokens between the begin and the end mark
MOST_CHUNKS = 3
_KEPT = 128


class TextEncoder:
    """CLIP's text model with weights on words. Renderer process; one thread at a time.

    Long prompts are read in chunks of 75 tokens which are embedded alone and then stand behind each other, as in
    Riffusion. Weights scale the embeddings of their tokens; the mean of the whole stays what it was.
    """

    def __init__(self, tokenizer: Any, model: Any) -> None:
        self._tokenizer = tokenizer
        self._model = model
        self._kept: OrderedDict[tuple[Prompt, int, object], Tensor] = OrderedDict()

    def chunks(self, prompt: Prompt) -> int:
        """How many chunks ``prompt`` needs, 1 to 3."""
        tokens, _ = self._tokens(prompt)
        return min(MOST_CHUNKS, max(1, -(-len(tokens) // CHUNK)))

    def unread(self, prompt: Prompt) -> str:
        """The end of ``prompt`` that lies behind the last token that is read; ``""`` if all of it is."""
        tokens, _ = self._tokens(prompt)
        return str(self._tokenizer.decode(tokens[MOST_CHUNKS * CHUNK :])).strip()

    @torch.inference_mode()
    def encode(self, prompt: Prompt, chunks: int, state: object = None) -> Tensor:
        """Embeddings ``(1, 77 * chunks, width) float32`` on the model's device; ``state`` names the weights in force.

        A shorter prompt is filled up with ends of text, so two prompts of any length can be mixed.
        """
        key = (Prompt(prompt.parts), chunks, state)
        if key not in self._kept:
            self._kept[key] = self._embed(prompt, chunks)
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key]

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
            filling = CHUNK + 1 - len(part)
            rows.append([begin, *part, *[end] * filling])
            row_weights.append([1.0, *part_weights, *[1.0] * filling])
        device = next(self._model.parameters()).device
        plain = self._model(torch.tensor(rows, device=device))[0].float().reshape(1, 77 * chunks, -1)
        if all(weight == 1.0 for weight in weights):
            return plain
        weighted = plain * torch.tensor(row_weights, device=device).reshape(1, -1, 1)
        mean, moved = plain.mean(), weighted.mean()
        return weighted * torch.where(moved.abs() > 1e-6, mean / moved, 1.0)
