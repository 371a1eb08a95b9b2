"""MIDI: controllers in, LEDs and motor faders out, learning, clock in, a sender process."""
