"""Which audio files are written: by the player, the renderer and the command line. No numpy: the options import it."""

from __future__ import annotations

from pathlib import PurePath

AUDIO_ENDINGS = (".wav", ".flac")
AUDIO_ENDINGS_TEXT = " or ".join(AUDIO_ENDINGS)
"""For a message: ``.wav or .flac``."""


def is_audio_file(path: PurePath) -> bool:
    """Whether ``path`` has the ending of a format that is written."""
    return path.suffix.lower() in AUDIO_ENDINGS
