"""CC0 one-shots of the Sonic Pi sample library (Debian: sonic-pi-samples), trimmed, in stereo at 44.1 kHz.

All files in that folder were given to the public domain (CC0 1.0) by their authors on freesound.org; the README.md
beside them names each source. Without the package the kits are synthetic and from the soundfont only.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from tools.train.studio.kernels import RATE
from tools.train.studio.synth import faded

FOLDERS = ("/usr/share/sonic-pi/samples", "/usr/local/share/sonic-pi/samples")

KICKS = (
    "bd_fat",
    "bd_haus",
    "bd_klub",
    "bd_pure",
    "bd_sone",
    "bd_zome",
    "bd_tek",
    "bd_zum",
    "bd_ada",
    "drum_heavy_kick",
)
LONG_KICKS = ("bd_808", "bd_boom", "bd_gas", "bd_sone")
SNARES = ("sn_dolf", "sn_dub", "sn_generic", "sn_zome", "elec_snare", "elec_hi_snare", "elec_mid_snare",
          "elec_filt_snare", "elec_lo_snare")  # fmt: skip
CLAPS = ("perc_snap", "perc_snap2")
HATS = ("drum_cymbal_closed", "elec_tick")
PERCUSSION = ("elec_wood", "elec_pop", "elec_bong", "elec_plip", "elec_twip", "elec_blip", "elec_ping", "elec_flip",
              "perc_till", "glitch_perc2")  # fmt: skip
OPEN_HATS = ("drum_cymbal_open", "elec_cymbal")


def folder() -> Path | None:
    """Where the samples are, or None."""
    return next((Path(name) for name in FOLDERS if (Path(name) / "bd_haus.flac").is_file()), None)


@lru_cache(maxsize=96)
def load(name: str, longest: float = 2.0) -> NDArray[np.float32] | None:
    """The sample ``(2, frames)`` from its first sound on, at most ``longest`` seconds, peak 1; or None."""
    where = folder()
    if where is None or not (where / f"{name}.flac").is_file():
        return None
    audio, rate = soundfile.read(where / f"{name}.flac", dtype="float32", always_2d=True)
    if rate != RATE:
        return None
    level = np.abs(audio).max(axis=1)
    start = max(int(np.argmax(level > 0.02 * level.max())) - 22, 0)
    sound = np.ascontiguousarray(audio[start : start + int(longest * RATE), :2].T)
    if sound.shape[0] == 1:
        sound = np.repeat(sound, 2, axis=0)
    sound = sound - sound.mean(axis=1, keepdims=True)
    rise = min(22, sound.shape[1])
    sound[:, :rise] *= np.linspace(0.0, 1.0, rise, dtype=np.float32)
    out = faded(np.ascontiguousarray(sound / np.abs(sound).max(), np.float32), 0.02)
    out.flags.writeable = False
    return out
