"""``devices``: the sound outputs and MIDI ports of this machine."""

from __future__ import annotations

import argparse

from riffengine.cli.arguments import show
from riffengine.cli.verb import Verb


def _devices(arguments: argparse.Namespace) -> int:
    """List sound outputs and MIDI ports, and what to do where there are none."""
    from riffengine.doctor import observe_midi, observe_outputs
    from riffengine.session.controller_map import named_map

    outputs = observe_outputs()
    show("Sound outputs")
    for line in outputs.names:
        show(f"  {line}")
    if not outputs.names:
        show(f"  none: {outputs.problem or 'this machine has no sound device'}")
        show("  The engine still plays: `riffengine play --output paced --record FILE.flac` records the music.")
    midi = observe_midi()
    show(f"MIDI ({', '.join(midi.apis) or 'no driver'})")
    for line in midi.ports:
        known = named_map(line)
        show(f"  {line}{f' (map {known})' if known else ''}")
    if not midi.ports:
        show(f"  none: {midi.problem or 'no controller is connected'}")
        show("  Connect a controller and try again, or use OSC: the engine listens while it plays.")
    return 0


DEVICES = Verb("list sound outputs and MIDI ports", _devices)
