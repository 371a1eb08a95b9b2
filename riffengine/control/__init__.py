"""Control surfaces: OSC (``osc``), MIDI (``midi``), Ableton Link (``link``), and what every surface implements."""
