"""MIDI clock and notes, sent in time with the sound."""
