"""MIDI clock and notes sent out in time with the sound."""
