"""Rendering: a composition played by FluidSynth inside this process, twice over, of which the second pass is kept."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import fluidsynth
import numpy as np
from numpy.typing import NDArray

from riffengine.errors import RendererError
from riffengine.renderer.bundled.score import BEATS
from tools.train.compose import effects
from tools.train.compose.composition import Composition
from tools.train.compose.performance import Track
from tools.train.compose.tempo import BLOCK, SAMPLE_RATE, loop_frames

STEMS = ("drums", "bass", "harmony")
STEM_OF = {"drums": "drums", "bass": "bass", "comp": "harmony", "lead": "harmony"}
CHANNEL = {"drums": 9, "bass": 0, "comp": 1, "lead": 2}

SOUNDFONT_FOLDERS = (
    "/usr/share/sounds/sf3",
    "/usr/share/sounds/sf2",
    "/usr/share/soundfonts",
    "/usr/local/share/soundfonts",
)
# Both are MIT-licensed; the first is the one that the bundled model learns from.
SOUNDFONT_NAMES = ("MuseScore_General_Lite.sf3", "MuseScore_General.sf3", "FluidR3_GM.sf2", "FluidR3_GM.sf3")

_FILTER_CUTOFF = 8  # SoundFont generator number, offset in cents
_VOLUME, _EXPRESSION = 7, 11
_MIX_DB = -20.0  # the loudness of a part at level 0; only the balance matters, the mix is levelled
_MOST_GAIN_DB = 26.0  # a part that is almost inaudible (a sub below 40 Hz) is not dragged up without end

# (block, order within the block, action, channel, key or controller, velocity or value)
Event = tuple[int, int, str, int, int, int]


def _bound(function: Any, returns: Any, takes: list[Any]) -> Any:
    function.restype, function.argtypes = returns, takes
    return function


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


class Band:
    """FluidSynth with one soundfont, for many loops; belongs to one process and one thread.

    Every take is played by a new synthesiser (0.1 ms) around the soundfont that stays loaded: a used one keeps a
    little of what it played, up to 0.5 % of full scale, and a loop would depend on the loop before it.
    """

    def __init__(self, soundfont: Path) -> None:
        # Errors only: a new synthesiser warns about each of its 16 empty channels. Missing presets are checked below.
        library = fluidsynth._fl
        library.fluid_set_log_function.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]
        for level in (2, 3):
            library.fluid_set_log_function(level, None, None)
        self._keeper = fluidsynth.Synth(
            gain=0.35, samplerate=float(SAMPLE_RATE), channels=16, **{"synth.polyphony": 160, "synth.cpu-cores": 1}
        )
        # FluidSynth's reverb and chorus are modulated by oscillators that do not know the loop and would make a seam.
        # The room is added afterwards, circularly (effects).
        self._keeper.setting("synth.reverb.active", 0)
        self._keeper.setting("synth.chorus.active", 0)
        if self._keeper.sfload(str(soundfont)) == -1:
            raise RendererError(f"FluidSynth cannot load {soundfont}; is it a SoundFont 2 or 3 file?")
        # What pyfluidsynth does not bind. Its own writer is 16-bit and dithers; the float one is exact and repeatable.
        pointer, number = ctypes.c_void_p, ctypes.c_int
        self._new = _bound(library.new_fluid_synth, pointer, [pointer])
        self._delete = _bound(library.delete_fluid_synth, None, [pointer])
        self._lend = _bound(library.fluid_synth_add_sfont, number, [pointer, pointer])
        self._return = _bound(library.fluid_synth_remove_sfont, number, [pointer, pointer])
        self._set_gen = _bound(library.fluid_synth_set_gen, number, [pointer, number, number, ctypes.c_float])
        self._write = _bound(
            library.fluid_synth_write_float, number,
            [pointer, number, pointer, number, number, pointer, number, number],
        )  # fmt: skip
        first = _bound(library.fluid_synth_get_sfont, pointer, [pointer, ctypes.c_uint])
        self._font = first(self._keeper.synth, 0)

    def render(self, piece: Composition) -> NDArray[np.float32]:
        """The loop's stems ``(3, frames) float32`` in the order ``STEMS``; their sum is the loop, levelled.

        ``frames`` is ``loop_frames(bpm)``. Each part is played alone and balanced by its loudness while it plays,
        since General MIDI presets differ by 20 dB. The effects act on each stem, as on the channels of a mixer.
        """
        dry = np.zeros((len(STEMS), loop_frames(piece.bpm)), np.float32)
        for track in piece.tracks:
            dry[STEMS.index(STEM_OF[track.part])] += self._balanced(piece, track)
        stems = np.zeros_like(dry)
        for stem, part in zip(stems, dry, strict=True):
            if part.any():
                stem[:] = effects.apply(part, piece.sound, len(part) / BEATS, SAMPLE_RATE)
        return effects.levelled(stems)

    def _balanced(self, piece: Composition, track: Track) -> NDArray[np.float32]:
        dry = self._play(piece, track)
        wanted = _MIX_DB + track.level_db - effects.active_loudness_db(dry, SAMPLE_RATE)
        return dry * np.float32(10.0 ** (min(wanted, _MOST_GAIN_DB) / 20.0))

    def close(self) -> None:
        """Free the synthesiser and its samples."""
        self._keeper.delete()

    def _play(self, piece: Composition, track: Track) -> NDArray[np.float32]:
        """Play one part twice from a cold start and return the second pass, mono.

        Both passes must fall alike on FluidSynth's blocks, or tails would jump at the seam; so the tempo of every
        composition makes a loop a whole number of blocks (``tempo.smooth_tempo``).
        """
        frames = loop_frames(piece.bpm)
        out = np.zeros((2 * frames, 2), np.float32)
        synth = self._new(self._keeper.settings)
        font = self._lend(synth, self._font)
        try:
            self._tune(synth, font, track)
            self._perform(synth, self._events(piece, track, frames), out)
        finally:
            self._return(synth, self._font)
            self._delete(synth)
        return (out[frames:, 0] + out[frames:, 1]) * np.float32(0.5)

    def _tune(self, synth: int, font: int, track: Track) -> None:
        channel = CHANNEL[track.part]
        if fluidsynth.fluid_synth_program_select(synth, channel, font, track.bank, track.program) != 0:
            raise RendererError(f"the soundfont has no program {track.program} in bank {track.bank} ({track.word})")
        fluidsynth.fluid_synth_cc(synth, channel, _VOLUME, 110)
        fluidsynth.fluid_synth_cc(synth, channel, _EXPRESSION, 127)
        self._set_gen(synth, channel, _FILTER_CUTOFF, track.filter_cents)

    def _perform(self, synth: int, events: list[Event], out: NDArray[np.float32]) -> None:
        at = 0
        for block, _, action, channel, number, value in events:
            until = min(block * BLOCK, len(out))
            if until > at:
                self._pull(synth, out, at, until)
                at = until
            if action == "on":
                fluidsynth.fluid_synth_noteon(synth, channel, number, value)
            elif action == "off":
                fluidsynth.fluid_synth_noteoff(synth, channel, number)
            else:
                fluidsynth.fluid_synth_cc(synth, channel, number, value)
        self._pull(synth, out, at, len(out))

    def _pull(self, synth: int, out: NDArray[np.float32], start: int, stop: int) -> None:
        if stop > start:
            address = out.ctypes.data
            self._write(synth, stop - start, address, 2 * start, 2, address, 2 * start + 1, 2)

    def _events(self, piece: Composition, track: Track, frames: int) -> list[Event]:
        """Both passes, and the first notes of a third in case they come early; offs before controls before ons."""
        events: list[Event] = []
        channel = CHANNEL[track.part]
        for lap in range(3):
            for note in track.notes:
                start = (lap + note.start_beats / BEATS) * frames
                first = round(max(start, 0.0) / BLOCK)
                if first * BLOCK >= 2 * frames:
                    continue
                last = max(round((start + note.length_beats / BEATS * frames) / BLOCK), first + 1)
                events.append((first, 2, "on", channel, note.pitch, note.velocity))
                events.append((last, 0, "off", channel, note.pitch, 0))
            if piece.sound.pump and track.part != "drums" and lap < 2:
                events += self._ducking(piece.sound.pump, channel, lap, frames)
        events.sort(key=lambda event: event[:5])
        return events

    def _ducking(self, depth: float, channel: int, lap: int, frames: int) -> list[Event]:
        """Expression that falls on every beat and comes back within 0.7 beats, as if a kick pressed it down."""
        return [
            (int((lap + (beat + tenth / 10.0) / BEATS) * frames / BLOCK), 1, "cc", channel, _EXPRESSION,
             int(127 * (1.0 - depth * pressed)))
            for beat in range(BEATS)
            for tenth, pressed in enumerate((1.0, 0.9, 0.72, 0.5, 0.3, 0.14, 0.05, 0.0))
        ]  # fmt: skip
