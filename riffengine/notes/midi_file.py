"""MIDI files: the notes of a loop, or of a journey between two, for a DAW's own instruments.

Drums on channel 10, bass, comp and lead on 1, 2 and 3, each on a track of its own, and the tempo in the file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from riffengine.errors import AudioFileError
from riffengine.notes.loop_notes import PARTS, STEPS_PER_BEAT, LoopNote, channel_of

TICKS_PER_BEAT = 480
_TICKS_PER_STEP = TICKS_PER_BEAT // STEPS_PER_BEAT
_ENDINGS = (".mid", ".midi")
# General MIDI's electric bass, electric piano and square lead: what a player without instruments of its own takes.
_PROGRAMS = {"bass": 33, "comp": 4, "lead": 80}


def check_midi_path(path: Path) -> None:
    """``AudioFileError`` when ``path`` can never be a MIDI file: said before anything is rendered."""
    if path.suffix.lower() not in _ENDINGS:
        raise AudioFileError(f"{path.name}: a MIDI file must end in .mid; change its name")
    if not path.parent.is_dir() or path.is_dir():
        raise AudioFileError(f"{path} cannot be written: choose a name in a folder that exists")


def journey(loops: Sequence[Sequence[LoopNote]], steps: int, loop_steps: int) -> list[LoopNote]:
    """The notes of ``steps`` sixteenths in which the music goes evenly from the first of ``loops`` to the last.

    Every sixteenth is played by the loop that is nearest; one loop is repeated. A note that reaches beyond the end is
    cut there.
    """
    begins: list[dict[int, list[LoopNote]]] = [{} for _ in loops]
    for place, notes in enumerate(loops):
        for note in notes:
            begins[place].setdefault(note.start_step % loop_steps, []).append(note)
    found = []
    for step in range(steps):
        nearest = round(step / max(1, steps) * (len(loops) - 1))
        for note in begins[nearest].get(step % loop_steps, ()):
            found.append(LoopNote(note.part, note.pitch, step, min(note.steps, steps - step), note.velocity))
    return found


def write_midi(
    path: Path,
    notes: Iterable[LoopNote],
    bpm: float,
    steps: int,
    name: str = "",
    audible: Callable[[str], bool] = lambda stem: True,
) -> int:
    """Write ``notes`` of a piece of ``steps`` sixteenths; those of stems that are not ``audible`` are left out.

    A note that begins while the same one still rings ends it. Returns how many were written. Raises
    ``AudioFileError`` when the file cannot be written.
    """
    import mido

    check_midi_path(path)
    heard = [note for note in notes if audible(note.stem)]
    song = mido.MidiFile(type=1, ticks_per_beat=TICKS_PER_BEAT)
    head = mido.MidiTrack()
    head.append(mido.MetaMessage("track_name", name=_latin(name) or "riffengine"))
    head.append(mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(bpm)))
    head.append(mido.MetaMessage("time_signature", numerator=4, denominator=4))
    head.append(mido.MetaMessage("end_of_track", time=steps * _TICKS_PER_STEP))
    song.tracks.append(head)
    for part in PARTS:
        channel = channel_of(part)
        track = mido.MidiTrack([mido.MetaMessage("track_name", name=part)])
        if part in _PROGRAMS:
            track.append(mido.Message("program_change", channel=channel, program=_PROGRAMS[part]))
        at = 0
        for tick, kind, note in _events([note for note in heard if note.part == part], steps):
            velocity = note.velocity if kind == "note_on" else 0
            track.append(mido.Message(kind, channel=channel, note=note.pitch, velocity=velocity, time=tick - at))
            at = tick
        track.append(mido.MetaMessage("end_of_track", time=steps * _TICKS_PER_STEP - at))
        song.tracks.append(track)
    try:
        song.save(path)
    except OSError as error:
        raise AudioFileError(f"{path} cannot be written: {error}") from error
    return len(heard)


def _events(notes: list[LoopNote], steps: int) -> list[tuple[int, str, LoopNote]]:
    """On and off by tick, an end before a beginning on the same one, nothing after ``steps``."""
    found = []
    by_pitch: dict[int, list[LoopNote]] = {}
    for note in sorted(notes, key=lambda note: note.start_step):
        by_pitch.setdefault(note.pitch, []).append(note)
    for same in by_pitch.values():
        for note, after in zip(same, [*same[1:], None], strict=True):
            end = min(note.start_step + note.steps, steps)
            if after is not None:
                end = min(end, after.start_step)
            found.append((note.start_step * _TICKS_PER_STEP, "note_on", note))
            found.append((end * _TICKS_PER_STEP, "note_off", note))
    return sorted(found, key=lambda event: (event[0], event[1] == "note_on", event[2].pitch))


def _latin(text: str) -> str:
    """What a MIDI file's text can hold."""
    return text.encode("latin-1", "replace").decode("latin-1")[:120]
