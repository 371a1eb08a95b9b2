"""TokenReader: turns text into the numbers that a text encoder reads, by the checkpoint's tokenizer.json alone."""

from __future__ import annotations

from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor

from riffengine.errors import ModelError, printable
from riffengine.renderer.checkpoints.layout import TOKENIZER_BYTES

_LETTERS = "abcdefghijklmnopqrstuvwxyz 0123456789"


class TokenReader:
    """Tokens of a text, padded to ``most``. No other file of the checkpoint is opened, whatever this one names."""

    def __init__(self, folder: Path, most: int, words: int, padding: int = 0) -> None:
        """``words`` is how many the text encoder knows. Raises ``ModelError`` where the file does not fit it."""
        path = folder / "tokenizer.json"
        if not path.is_file() or path.stat().st_size > TOKENIZER_BYTES:
            raise ModelError(
                f"the checkpoint's tokenizer is missing or too large: {path} is needed, of at most "
                f"{TOKENIZER_BYTES:,} bytes; download the checkpoint again"
            )
        try:
            self._plain: Tokenizer = Tokenizer.from_file(str(path))
            self._plain.no_truncation()
            self._plain.no_padding()
            self._padded: Tokenizer = Tokenizer.from_str(self._plain.to_str())
            self._padded.enable_truncation(most)
            self._padded.enable_padding(length=most, pad_id=padding, pad_token="")
        except Exception as error:  # the library raises bare Exceptions for damaged files
            raise ModelError(f"{path} cannot be read: {printable(error)}; download it again") from error
        if self._plain.get_vocab_size() > words or max(self._plain.encode(_LETTERS).ids, default=words) >= words:
            raise ModelError(
                f"{path} has {self._plain.get_vocab_size()} words, the text encoder {words}: they do not fit"
            )

    def read(self, text: str) -> tuple[Tensor, Tensor]:
        """Tokens ``(1, most)`` and their mask, 1 where there is a token and 0 in the padding."""
        found = self._padded.encode(text)
        return torch.tensor([found.ids]), torch.tensor([found.attention_mask])

    def unread(self, text: str) -> str:
        """The end of ``text`` after the last token that is read; ``""`` if all of it is."""
        rest = [offsets for each in self._padded.encode(text).overflowing for offsets in each.offsets if offsets[1]]
        return text[min(start for start, _ in rest) :].strip() if rest else ""
