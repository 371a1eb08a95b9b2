"""A controller in a process of its own: reads lines of JSON, sends their bytes, and prints what its lamps are sent.

``{"come": name}`` plugs it in, ``{"go": 1}`` pulls it out, ``{"send": [[...], ...]}`` sends messages.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence


def main() -> None:
    import rtmidi

    api = rtmidi.API_UNIX_JACK
    ports: list[rtmidi.MidiIn | rtmidi.MidiOut] = []

    def tell(event: tuple[Sequence[int], float], _: object) -> None:
        print(json.dumps(event[0]), flush=True)

    def go() -> None:
        while ports:  # a client that leaves without a word takes jackd down with it
            port = ports.pop()
            port.close_port()
            port.delete()

    for line in sys.stdin:
        asked = json.loads(line)
        if "come" in asked:
            lamps, keys = rtmidi.MidiIn(api, name=asked["come"]), rtmidi.MidiOut(api, name=asked["come"])
            lamps.ignore_types(sysex=False)
            lamps.set_callback(tell)
            lamps.open_virtual_port("in")
            keys.open_virtual_port("out")
            ports[:] = [keys, lamps]
            print('"here"', flush=True)
        for message in asked.get("send", ()):
            ports[0].send_message(message)
        if "go" in asked:
            go()
            print('"gone"', flush=True)
    go()


if __name__ == "__main__":
    main()
