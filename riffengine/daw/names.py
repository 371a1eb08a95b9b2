"""What the plugin is called, and the C header that holds it with the parameters: one table for sources and bundle."""

from __future__ import annotations

import riffengine
from riffengine.processes.daw_slots import SLOTS

URI = "urn:riffengine:plugin"
"""Of the LV2 audio effect; the instrument is ``#instrument``, the one with four outputs ``#stems``."""

CLAP_ID = "riffengine.plugin"
"""Of the CLAP audio effect; ``.instrument`` and ``.stems`` are the others."""


def names_header() -> str:
    """The text of ``names.h``, which the C sources include."""
    rows = [f'    {{"{slot.symbol}", "{slot.name}", 0, 1, {slot.default!r}f, false}}' for slot in SLOTS]
    lines = [
        f'#define RIFF_URI "{URI}"',
        f'#define RIFF_ID "{CLAP_ID}"',
        f'#define RIFF_VERSION "{riffengine.__version__}"',
        "#define RIFF_SLOT_LIST \\",
        ", \\\n".join(rows),
    ]
    return "\n".join(lines) + "\n"
