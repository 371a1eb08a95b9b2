"""MIDI files: writes the notes of a loop, or of a morph between loops, for a DAW's own instruments.

Drums are on channel 10; bass, comp and lead are on channels 1, 2 and 3. Each part has its own track, and the file
contains the tempo.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from riffengine.errors import AudioFileError, reason
from riffengine.files.regular import is_folder
from riffengine.notes.loop_notes import PARTS, STEPS_PER_BEAT, LoopNote, channel_of

TICKS_PER_BEAT = 480
_TICKS_PER_STEP = TICKS_PER_BEAT // STEPS_PER_BEAT
_SUFFIXES = (".mid", ".midi")
# General MIDI electric bass, electric piano and square lead: the sounds of a player that has no other instruments.
_PROGRAMS = {"bass": 33, "comp": 4, "lead": 80}


def check_midi_path(path: Path) -> None:
    """Raise ``AudioFileError`` if no MIDI file can be written to ``path``. Called before anything is rendered."""
    if path.suffix.lower() not in _SUFFIXES:
        raise AudioFileError(f"{path.name}: a MIDI file must end in .mid; change its name")
    if not is_folder(path.parent) or is_folder(path):
        raise AudioFileError(f"{path} cannot be written: choose a name in a folder that exists")


def morph_notes(loops: Sequence[Sequence[LoopNote]], steps: int, loop_steps: int) -> list[LoopNote]:
    """The notes of a piece of ``steps`` sixteenths that morphs evenly from the first of ``loops`` to the last.

    Every sixteenth plays the notes of the nearest loop. A single loop is repeated. Notes are cut at the piece's end.
    """
    notes_by_step: list[dict[int, list[LoopNote]]] = [{} for _ in loops]
    for index, notes in enumerate(loops):
        for note in notes:
            notes_by_step[index].setdefault(note.start_step % loop_steps, []).append(note)
    result = []
    for step in range(steps):
        nearest = round(step / max(1, steps) * (len(loops) - 1))
        for note in notes_by_step[nearest].get(step % loop_steps, ()):
            result.append(LoopNote(note.part, note.pitch, step, min(note.steps, steps - step), note.velocity))
    return result


def write_midi(
    path: Path,
    notes: Iterable[LoopNote],
    bpm: float,
    steps: int,
    name: str = "",
    audible: Callable[[str], bool] = lambda stem: True,
) -> int:
    """Write the ``notes`` of a piece of ``steps`` sixteenths, except those of stems that are not ``audible``.

    A note ends an earlier note of the same pitch that still sounds. Returns the number of notes written. Raises
    ``AudioFileError`` when the file cannot be written.
    """
    import mido

    check_midi_path(path)
    audible_notes = [note for note in notes if audible(note.stem)]
    midi = mido.MidiFile(type=1, ticks_per_beat=TICKS_PER_BEAT)
    tempo_track = mido.MidiTrack()
    tempo_track.append(mido.MetaMessage("track_name", name=_latin1(name) or "riffengine"))
    tempo_track.append(mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(bpm)))
    tempo_track.append(mido.MetaMessage("time_signature", numerator=4, denominator=4))
    tempo_track.append(mido.MetaMessage("end_of_track", time=steps * _TICKS_PER_STEP))
    midi.tracks.append(tempo_track)
    for part in PARTS:
        channel = channel_of(part)
        track = mido.MidiTrack([mido.MetaMessage("track_name", name=part)])
        if part in _PROGRAMS:
            track.append(mido.Message("program_change", channel=channel, program=_PROGRAMS[part]))
        previous_tick = 0
        for tick, kind, note in _events([note for note in audible_notes if note.part == part], steps):
            velocity = note.velocity if kind == "note_on" else 0
            track.append(
                mido.Message(kind, channel=channel, note=note.pitch, velocity=velocity, time=tick - previous_tick)
            )
            previous_tick = tick
        track.append(mido.MetaMessage("end_of_track", time=steps * _TICKS_PER_STEP - previous_tick))
        midi.tracks.append(track)
    try:
        midi.save(path)
    except OSError as error:
        raise AudioFileError(f"{path} cannot be written: {reason(error)}; choose another folder") from error
    return len(audible_notes)


def _events(notes: list[LoopNote], steps: int) -> list[tuple[int, str, LoopNote]]:
    """Note-on and note-off events sorted by tick; on one tick note-off comes first. No event is after ``steps``."""
    events = []
    by_pitch: dict[int, list[LoopNote]] = {}
    for note in sorted(notes, key=lambda note: note.start_step):
        by_pitch.setdefault(note.pitch, []).append(note)
    for same_pitch in by_pitch.values():
        for note, following in zip(same_pitch, [*same_pitch[1:], None], strict=True):
            end = min(note.start_step + note.steps, steps)
            if following is not None:
                end = min(end, following.start_step)
            events.append((note.start_step * _TICKS_PER_STEP, "note_on", note))
            events.append((end * _TICKS_PER_STEP, "note_off", note))
    return sorted(events, key=lambda event: (event[0], event[1] == "note_on", event[2].pitch))


def _latin1(text: str) -> str:
    """Text that a MIDI file can hold: Latin-1, at most 120 characters."""
    return text.encode("latin-1", "replace").decode("latin-1")[:120]
