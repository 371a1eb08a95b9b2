"""Text that only its owner may read, such as tokens: made with that mode, and refused where others can read it."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

from riffengine.errors import ControlError, reason
from riffengine.files.regular import read_regular


def private_text(path: Path, most_bytes: int, make: Callable[[], str] | None = None) -> str:
    """The tokens that ``path`` holds; ``make`` gives the text of a new file where there is none.

    ``ControlError`` where it cannot be read or made, or others may read it.
    """
    try:
        if make is not None and not path.exists():
            text = make()
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
            return text
        if os.name == "posix" and stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise ControlError(f"others can read the tokens in {path}; run chmod 600 {path}, and change the tokens")
        return read_regular(path, most_bytes).decode()
    except (OSError, UnicodeDecodeError) as error:
        raise ControlError(f"the tokens in {path} cannot be read: {reason(error)}; name another file") from None
