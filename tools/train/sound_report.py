"""The sound of loops as a listener hears them, for ``tools.train.evaluate``: buzz, strokes, width, loudness, bands."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from riffengine.renderer.loudness import loop_loudness
from tools.train.mix_measures import FRAMES_A_BEAT, bands_db, mono_loss_db, side_db, true_peak_db
from tools.train.stroke_measures import (
    HAT_HZ,
    RATE,
    SNARE_HZ,
    Loop,
    buzz_db,
    pre_echo_db,
    rises_ms,
    spectral_distance,
    strokes,
)
from tools.train.table import Table

AUDIBLE = 1e-3


@dataclass(frozen=True)
class StereoLoop:
    """The stems ``(3, 2, frames)`` of a loop, its tempo, and whether its genre is an electronic one."""

    stems: NDArray[np.float32]
    bpm: float
    electronic: bool

    @property
    def mix(self) -> Loop:
        """Both channels of all stems together ``(2, frames)``."""
        return np.asarray(self.stems.sum(axis=0))

    @property
    def drums(self) -> Loop | None:
        """The drums in mono, ``None`` where there are none."""
        drums = self.stems[0].mean(axis=0)
        return np.asarray(drums) if np.abs(drums).max() > AUDIBLE else None


def add_sound(table: Table, group: str, loops: list[StereoLoop]) -> None:
    """Medians of what is heard of each loop; the spread and the range of the loudness are of all loops together."""
    mixes = [loop.mix for loop in loops]
    buzz = np.array(
        [buzz_db(mix.mean(axis=0), FRAMES_A_BEAT * loop.bpm / 60) for mix, loop in zip(mixes, loops, strict=True)]
    )
    table.add(group, "buzz dB", buzz, np.median)
    table.add(group, "buzz above 15 dB", buzz > 15.0)
    drums = [loop.drums for loop in loops if loop.drums is not None]
    for name, hz in (("snare rise ms", SNARE_HZ), ("hat rise ms", HAT_HZ)):
        table.add(group, name, [rise for stem in drums for rise in rises_ms(stem, strokes(stem, *hz), *hz)], np.median)
    loudness = np.array([loop_loudness(mix.T, RATE) for mix in mixes])
    table.add(group, "LUFS", loudness)
    table.add(group, "LUFS spread", loudness, np.std)
    table.add(group, "LUFS largest jump", loudness, np.ptp)
    table.add(group, "true peak dBTP", [true_peak_db(mix) for mix in mixes], np.max)
    table.add(group, "side dB", [side_db(mix) for mix in mixes], np.median)
    table.add(group, "mono loss dB, most", [mono_loss_db(mix) for mix in mixes], np.max)
    bands = [bands_db(mix) for mix in mixes]
    with_drums = [band["16k+"] for band, loop in zip(bands, loops, strict=True) if loop.drums is not None]
    table.add(group, "above 16 kHz dB, drums", with_drums, np.median)
    club = [band for band, loop in zip(bands, loops, strict=True) if loop.electronic and loop.drums is not None]
    for name in ("20-60", "250-500", "500-1k", "4-8k"):
        table.add(group, f"{name} Hz dB, electronic", [band[name] for band in club], np.median)


def add_drums_rebuilt(table: Table, real: list[StereoLoop], rebuilt: list[NDArray[np.float32]]) -> None:
    """How far drums are from the original after the codec: ``rebuilt`` are mono stems ``(3, frames)``."""
    distances: list[float] = []
    echoes: list[float] = []
    for loop, stems in zip(real, rebuilt, strict=False):
        if (original := loop.drums) is not None:
            distances.append(spectral_distance(original, stems[0]))
            echoes += pre_echo_db(stems[0], original, strokes(original, *SNARE_HZ))
    table.add("reconstructed", "drums LSD dB", distances, np.median)
    table.add("reconstructed", "drums pre-echo dB", echoes, np.median)
