"""Which audio files are written: by the player, the renderer and the command line. No numpy: the options import it."""

from __future__ import annotations

import re
from pathlib import PurePath

AUDIO_ENDINGS = (".wav", ".flac")
AUDIO_ENDINGS_TEXT = " or ".join(AUDIO_ENDINGS)
"""Of recordings, for a message: ``.wav or .flac``."""

RENDERED_ENDINGS = (*AUDIO_ENDINGS, ".aiff", ".ogg", ".mp3")
RENDERED_ENDINGS_TEXT = ".wav, .flac, .aiff, .ogg or .mp3"
"""Of what is rendered offline. The last two lose some of the sound, and a coder adds silence to an .mp3."""


def is_audio_file(path: PurePath) -> bool:
    """Whether ``path`` has the ending of a format that is recorded."""
    return path.suffix.lower() in AUDIO_ENDINGS


def is_rendered_file(path: PurePath) -> bool:
    """Whether ``path`` has the ending of a format that is rendered."""
    return path.suffix.lower() in RENDERED_ENDINGS


_BEATS = re.compile(r"riffengine beats=(\d{1,4}) frames=(\d{1,9})")


def beats_comment(beats: int, frames: int) -> str:
    """What a file's comment says where its first ``frames`` are exactly ``beats`` beats from a bar line on."""
    return f"riffengine beats={beats} frames={frames}"


def told_beats(comment: str, frames: int) -> tuple[int, int] | None:
    """Beats and their frames as ``beats_comment`` wrote them into a file of ``frames``; ``None`` for anything else."""
    match = _BEATS.fullmatch(comment)
    if match is None:
        return None
    beats, own = int(match[1]), int(match[2])
    return (beats, own) if beats and 0 < own <= frames else None
