"""LoopRack: loops in plain memory, without a loop store; every test makes its own and gives it to a mixer."""

from __future__ import annotations

import numpy as np

from riffengine.playback.mixer import Mixer
from riffengine.processes.audio import Samples
from riffengine.processes.player_messages import FADE, LoopRef, SetControl, ToPlayer
from riffengine.transport.beat_grid import BeatGrid


class LoopRack:
    """Loops by their slot, which is also their number; ``references`` has what the player is sent for each."""

    def __init__(self, rate: int = 44100, bpm: float = 120.0) -> None:
        self.grid = BeatGrid(rate, bpm)
        self.loops: list[Samples] = []
        self.references: list[LoopRef] = []

    def add(self, samples: Samples, beats: int = 1, stems: tuple[str, ...] | None = None) -> LoopRef:
        """Add ``(stems, frames, channels)``; returns its reference."""
        number = len(self.loops)
        self.loops.append(np.ascontiguousarray(samples, dtype=np.float32))
        names = stems or tuple(f"stem{i}" for i in range(len(samples)))
        self.references.append(LoopRef(number, number, samples.shape[1], samples.shape[2], names, beats))
        return self.references[-1]

    def noise(self, seed: int, beats: int = 1, stems: int = 1, channels: int = 2, level: float = 0.1) -> LoopRef:
        shape = (stems, self.grid.loop_frames(beats), channels)
        return self.add(level * np.random.default_rng(seed).standard_normal(shape).astype(np.float32), beats)

    def tone(self, cycles: int, beats: int = 1, level: float = 0.25, phase: float = 0.0) -> LoopRef:
        """A sine of whole ``cycles`` per loop in both channels."""
        frames = self.grid.loop_frames(beats)
        wave = level * np.sin(2 * np.pi * (np.arange(frames) * cycles / frames + phase))
        return self.add(np.repeat(wave[None, :, None], 2, axis=2), beats)

    def mixer(
        self, *messages: ToPlayer, decks: tuple[str, ...] = ("a",), channels: int = 2, fade: float = 1.0
    ) -> Mixer:
        mixer = Mixer(self.grid.sample_rate, self.grid, lambda ref: self.loops[ref.slot], decks, channels)
        if fade:
            mixer.schedule(SetControl(FADE, fade, 0, 0))
        for message in messages:
            mixer.schedule(message)
        return mixer


def pull_all(mixer: Mixer, total: int, blocks: tuple[int, ...] = (512,)) -> Samples:
    """``total`` frames in blocks of the given sizes, repeated in turn."""
    pulled, index = [], 0
    while mixer.frame < total:
        pulled.append(mixer.pull(min(blocks[index % len(blocks)], total - mixer.frame)))
        index += 1
    return np.concatenate(pulled)


def rms_db(samples: Samples) -> float:
    return float(10 * np.log10(np.mean(np.square(samples, dtype=np.float64))))
