"""Conditions of the two stages: tempo, mode and character, and the score with its known and unknown parts."""

from __future__ import annotations

import torch
from torch import Tensor

from riffengine.renderer.bundled import score as sheet

CONDITION_PARTS = ("drums", "bass", "comp", "lead", "chords")
CHORD_STEPS = 8  # a chord is given as the pitch classes of two beats
_PITCHED = ((sheet.BASS, sheet.LOWEST["bass"]), (sheet.COMP, sheet.LOWEST["comp"]), (sheet.LEAD, sheet.LOWEST["lead"]))
CHROMA_COLUMNS = 24
CONTEXT_COLUMNS = sheet.COLUMNS + CHROMA_COLUMNS + len(CONDITION_PARTS)
SCALARS = 5


def scalars(bpm: Tensor, mode: Tensor, character: Tensor) -> Tensor:
    """``(batch, 5)``: tempo relative to 120 bpm; mode +1 major, -1 minor, 0 unknown; ``character`` ``(batch, 3)``.

    The character is density, brightness and energy, each -1..1, where 0 is the middle and also "unknown".
    """
    return torch.cat([torch.stack([(bpm - 120.0) / 40.0, mode], dim=1), character], dim=1)


def _pitch_classes(active: Tensor, lowest: int) -> Tensor:
    """``(batch, steps, pitches)`` → ``(batch, steps, 12)``: the pitch classes that sound within the same two beats."""
    pitches = active.shape[2]
    classes = torch.zeros(pitches, 12)
    classes[torch.arange(pitches), (torch.arange(pitches) + lowest) % 12] = 1.0
    chroma = (active @ classes).unflatten(1, (-1, CHORD_STEPS)).amax(dim=2).clamp(max=1.0)
    return chroma.repeat_interleave(CHORD_STEPS, dim=1)


def score_context(scores: Tensor, known: Tensor) -> Tensor:
    """The per-token condition ``(batch, steps, CONTEXT_COLUMNS)`` of the render stage.

    ``scores`` ``(batch, steps, sheet.COLUMNS)`` is at sounding pitch. ``known`` ``(batch, 5)`` says for each of
    ``CONDITION_PARTS`` whether it is given (1) or left to the model (0). An unknown part is zero and flagged, so that
    it differs from a silent one.
    """
    drums, bass, comp, lead, chords = known[:, None, :].split(1, dim=2)
    given = scores.clone()
    given[..., sheet.DRUMS] *= drums
    for flag, (columns, _), onset in zip((bass, comp, lead), _PITCHED, range(3), strict=True):
        given[..., columns] *= flag
        given[..., sheet.ONSETS.start + onset] *= flag[..., 0]
    chroma = torch.cat(
        [
            _pitch_classes(scores[..., sheet.COMP], sheet.LOWEST["comp"]),
            _pitch_classes(scores[..., sheet.BASS], sheet.LOWEST["bass"]),
        ],
        dim=2,
    )
    return torch.cat([given, chroma * chords, known[:, None, :].expand(-1, scores.shape[1], -1)], dim=2)
