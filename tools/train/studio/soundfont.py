"""FluidSynth inside this process, as a player of single parts and of single strokes, in stereo."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import fluidsynth
import numpy as np
from numpy.typing import NDArray

from riffengine.errors import RendererError
from tools.train.studio.kernels import RATE

SOUNDFONT_FOLDERS = (
    "/usr/share/sounds/sf3",
    "/usr/share/sounds/sf2",
    "/usr/share/soundfonts",
    "/usr/local/share/soundfonts",
)
# Both are MIT-licensed; the first is the one that the bundled model learns from.
SOUNDFONT_NAMES = ("MuseScore_General_Lite.sf3", "MuseScore_General.sf3", "FluidR3_GM.sf2", "FluidR3_GM.sf3")
BLOCK = 64  # FluidSynth begins notes on blocks of 64 frames

_FILTER_CUTOFF = 8  # SoundFont generator number, offset in cents
_VOLUME, _EXPRESSION = 7, 11
_SOFT_CENTS = (-1500.0, -600.0, 0.0)  # of three channels for soft, middle and hard strokes
_DRUM_CHANNEL = 9
_TAIL_SECONDS = 2.5  # what rings longer than this after the last note is faded

# (start in frames, gate in frames, key, velocity 1..127)
Stroke = tuple[int, int, int, int]


def find_soundfont(path: str | None = None) -> Path:
    """The soundfont at ``path`` or of that name, or the first known one in the usual folders.

    RendererError if there is none.
    """
    if path is not None:
        for found in (Path(path), *(Path(folder) / path for folder in SOUNDFONT_FOLDERS)):
            if found.is_file():
                return found
        raise RendererError(f"there is no soundfont at {path}; give another with --soundfont")
    for name in SOUNDFONT_NAMES:
        for folder in SOUNDFONT_FOLDERS:
            if (found := Path(folder) / name).is_file():
                return found
    raise RendererError(
        "no General MIDI soundfont found; install musescore-general-soundfont-small or fluid-soundfont-gm, "
        "or name a file with --soundfont"
    )


def _bound(function: Any, returns: Any, takes: list[Any]) -> Any:
    function.restype, function.argtypes = returns, takes
    return function


class SoundFont:
    """A loaded soundfont; belongs to one process and one thread.

    Every take is played by a new synthesiser (0.1 ms) around the soundfont that stays loaded: a used one keeps a
    little of what it played, up to 0.5 % of full scale, and a loop would depend on the loop before it.
    """

    def __init__(self, path: Path) -> None:
        # Errors only: a new synthesiser warns about each of its 16 empty channels. Missing presets are checked below.
        library = fluidsynth._fl
        library.fluid_set_log_function.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]
        for level in (2, 3):
            library.fluid_set_log_function(level, None, None)
        self._keeper = fluidsynth.Synth(
            gain=0.35, samplerate=float(RATE), channels=16, **{"synth.polyphony": 160, "synth.cpu-cores": 1}
        )
        # FluidSynth's reverb and chorus are modulated by oscillators that do not know the loop and would make a seam.
        self._keeper.setting("synth.reverb.active", 0)
        self._keeper.setting("synth.chorus.active", 0)
        if self._keeper.sfload(str(path)) == -1:
            raise RendererError(f"FluidSynth cannot load {path}; is it a SoundFont 2 or 3 file?")
        # What pyfluidsynth does not bind. Its own writer is 16-bit and dithers; the float one is exact and repeatable.
        pointer, number = ctypes.c_void_p, ctypes.c_int
        self._new = _bound(library.new_fluid_synth, pointer, [pointer])
        self._delete = _bound(library.delete_fluid_synth, None, [pointer])
        self._lend = _bound(library.fluid_synth_add_sfont, number, [pointer, pointer])
        self._return = _bound(library.fluid_synth_remove_sfont, number, [pointer, pointer])
        self._set_gen = _bound(library.fluid_synth_set_gen, number, [pointer, number, number, ctypes.c_float])
        self._voices = _bound(library.fluid_synth_get_active_voice_count, number, [pointer])
        self._write = _bound(
            library.fluid_synth_write_float, number,
            [pointer, number, pointer, number, number, pointer, number, number],
        )  # fmt: skip
        first = _bound(library.fluid_synth_get_sfont, pointer, [pointer, ctypes.c_uint])
        self._font = first(self._keeper.synth, 0)
        self.one_shot = lru_cache(maxsize=400)(self._one_shot)

    def close(self) -> None:
        """Free the synthesiser and its samples."""
        self._keeper.delete()

    def play(self, program: tuple[int, int], strokes: Sequence[Stroke], frames: int, *, cents: float = 0.0,
             layered: bool = True) -> NDArray[np.float32]:  # fmt: skip
        """Play strokes of one (bank, program) and return a loop ``(2, frames)``; what rings on is folded in.

        ``cents`` moves the filter of all strokes; with ``layered`` softer strokes of pitched programs get a lower one.
        """
        early = -min([0, *(start for start, *_ in strokes)])
        lead_in = -(-early // BLOCK) * BLOCK
        last = max((start + gate for start, gate, *_ in strokes), default=0)
        whole = max(frames, last + lead_in) + int(_TAIL_SECONDS * RATE)
        out = np.zeros((whole // BLOCK * BLOCK, 2), np.float32)
        synth = self._new(self._keeper.settings)
        font = self._lend(synth, self._font)
        try:
            channels = (_DRUM_CHANNEL,) if program[0] == 128 else tuple(range(len(_SOFT_CENTS) if layered else 1))
            self._prepare(synth, font, program, channels, cents)
            used = self._perform(synth, strokes, out, lead_in, channels)
        finally:
            self._return(synth, self._font)
            self._delete(synth)
        loop = np.zeros((2, frames), np.float32)
        at = -lead_in % frames if lead_in else 0
        done = 0
        while done < used:
            n = min(frames - at, used - done)
            loop[:, at : at + n] += out[done : done + n].T
            done, at = done + n, 0
        return loop

    def _prepare(
        self, synth: int, font: int, program: tuple[int, int], channels: tuple[int, ...], cents: float
    ) -> None:
        bank, number = program
        for channel in channels:
            if fluidsynth.fluid_synth_program_select(synth, channel, font, bank, number) != 0:
                raise RendererError(f"the soundfont has no program {number} in bank {bank}")
            fluidsynth.fluid_synth_cc(synth, channel, _VOLUME, 110)
            fluidsynth.fluid_synth_cc(synth, channel, _EXPRESSION, 127)
            soft = _SOFT_CENTS[channel] if len(channels) > 1 else 0.0
            self._set_gen(synth, channel, _FILTER_CUTOFF, soft + cents)

    def _perform(self, synth: int, strokes: Sequence[Stroke], out: NDArray[np.float32], lead_in: int,
                 channels: tuple[int, ...]) -> int:  # fmt: skip
        """Write the sound into ``out`` and return how many frames hold it; each channel has a share of velocities."""
        events = []
        for start, gate, key, velocity in strokes:
            channel = channels[velocity * len(channels) // 128]
            first = round((start + lead_in) / BLOCK)
            events.append((first, 1, channel, key, velocity))
            events.append((max(round((start + gate + lead_in) / BLOCK), first + 1), 0, channel, key, 0))
        events.sort()
        at, address = 0, out.ctypes.data

        def pull(until: int) -> None:
            nonlocal at
            if until > at:
                self._write(synth, until - at, address, 2 * at, 2, address, 2 * at + 1, 2)
                at = until

        for block, on, channel, key, velocity in events:
            pull(min(block * BLOCK, len(out)))
            if on:
                fluidsynth.fluid_synth_noteon(synth, channel, key, velocity)
            else:
                fluidsynth.fluid_synth_noteoff(synth, channel, key)
        while at < len(out) and self._voices(synth):
            pull(min(at + 64 * BLOCK, len(out)))
        n = min(64 * BLOCK, at)
        out[at - n : at] *= np.linspace(1.0, 0.0, n, dtype=np.float32)[:, None]
        return at

    def _one_shot(self, program: int, key: int, velocity: int) -> NDArray[np.float32]:
        """One stroke of a drum kit of bank 128, ``(2, frames)``, from its first sound on."""
        out = np.zeros((int(2.6 * RATE) // BLOCK * BLOCK, 2), np.float32)
        synth = self._new(self._keeper.settings)
        font = self._lend(synth, self._font)
        try:
            if fluidsynth.fluid_synth_program_select(synth, _DRUM_CHANNEL, font, 128, program) != 0:
                raise RendererError(f"the soundfont has no drum kit {program}")
            fluidsynth.fluid_synth_noteon(synth, _DRUM_CHANNEL, key, velocity)
            self._write(synth, len(out), out.ctypes.data, 0, 2, out.ctypes.data, 1, 2)
        finally:
            self._return(synth, self._font)
            self._delete(synth)
        level = np.abs(out).max(axis=1)
        if not level.any():
            return np.zeros((2, 1), np.float32)
        heard = np.flatnonzero(level > 0.001 * level.max())
        sound = np.ascontiguousarray(out[max(heard[0] - 8, 0) : heard[-1] + 1].T)
        n = min(2000, sound.shape[1])
        sound[:, sound.shape[1] - n :] *= np.linspace(1.0, 0.0, n, dtype=np.float32)
        sound.flags.writeable = False
        return sound
