"""A controller in a process of its own: reads lines of JSON, sends their bytes, and prints what its LEDs are sent.

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
        while ports:  # a client that ends without closing its ports crashes jackd
            port = ports.pop()
            port.close_port()
            port.delete()

    for line in sys.stdin:
        asked = json.loads(line)
        if "come" in asked:
            leds, keys = rtmidi.MidiIn(api, name=asked["come"]), rtmidi.MidiOut(api, name=asked["come"])
            leds.ignore_types(sysex=False)
            leds.set_callback(tell)
            leds.open_virtual_port("in")
            keys.open_virtual_port("out")
            ports[:] = [keys, leds]
            print('"here"', flush=True)
        for message in asked.get("send", ()):
            ports[0].send_message(message)
        if "go" in asked:
            go()
            print('"gone"', flush=True)
    go()


if __name__ == "__main__":
    main()
