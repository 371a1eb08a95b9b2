"""What a score becomes: notes of a loop, a note sequencer, MIDI files."""
