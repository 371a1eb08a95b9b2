"""MIDI: controllers in, LEDs and motor faders out, learning, clock in, and the process that sends clock and notes."""
