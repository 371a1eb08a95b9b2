"""The notes of a loop as MIDI messages in a file for any sequencer: python examples/notes_to_midi.py loop.mid"""

import sys

import mido

import riffengine
from riffengine.notes.loop_notes import STEPS_PER_BEAT, channel_of

TICKS_PER_STEP = 480 // STEPS_PER_BEAT


def main(path: str) -> None:
    loop = riffengine.render("funk, slap bass, clavinet", seed=3, bpm=104, key="E minor")
    events: list[tuple[int, mido.Message]] = []
    for note in loop.notes:
        channel, pitch = channel_of(note.part), note.pitch
        begin, end = note.start_step * TICKS_PER_STEP, (note.start_step + note.steps) * TICKS_PER_STEP
        events.append((begin, mido.Message("note_on", channel=channel, note=pitch, velocity=note.velocity)))
        events.append((end, mido.Message("note_off", channel=channel, note=pitch)))
    song, now = mido.MidiFile(ticks_per_beat=480), 0
    track = mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(loop.bpm))])
    for tick, message in sorted(events, key=lambda event: (event[0], event[1].type == "note_on")):
        track.append(message.copy(time=tick - now))
        now = tick
    song.tracks.append(track)
    song.save(path)
    print(f"{path}: {len(loop.notes)} notes in {loop.beats} beats")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "loop.mid")
