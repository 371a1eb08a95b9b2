"""Write the notes of a loop as MIDI messages, for any sequencer: python examples/notes_to_midi.py loop.mid

``loop.save("loop.mid")`` writes a file with a track for each part; this script shows what a note is made of.
"""

import sys

import mido

import riffengine

TICKS_PER_STEP = 480 // 4  # a step is a sixteenth
CHANNELS = {"drums": 9, "bass": 0, "comp": 1, "lead": 2}  # counted from 0; 9 is the General MIDI drum channel


def main(path: str) -> None:
    loop = riffengine.render("funk, slap bass, clavinet", seed=3, bpm=104, key="E minor")
    events: list[tuple[int, mido.Message]] = []
    for note in loop.notes:
        channel, pitch = CHANNELS[note.part], note.pitch
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
