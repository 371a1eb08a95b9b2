"""A controller in a process of its own: reads lines of JSON, sends their bytes, and prints what its LEDs are sent.

``{"come": name}`` plugs it in, ``{"go": 1}`` pulls it out, ``{"send": [[...], ...]}`` sends messages.
"""

from __future__ import annotations

import json
import sys
import threading
import time


def main() -> None:
    import rtmidi

    api = rtmidi.API_UNIX_JACK
    ports: list[rtmidi.MidiIn | rtmidi.MidiOut] = []
    closing = threading.Lock()

    def show() -> None:
        # Without a callback: it needs the interpreter's lock, which whoever closes the port holds while JACK waits for
        # the callback to return.
        while True:
            with closing:
                while ports and (event := ports[1].get_message()):
                    print(json.dumps(event[0]), flush=True)
            time.sleep(0.001)

    def go() -> None:
        with closing:
            while ports:  # a client that ends without closing its ports crashes jackd
                port = ports.pop()
                port.close_port()
                port.delete()

    threading.Thread(target=show, daemon=True).start()
    for line in sys.stdin:
        asked = json.loads(line)
        if "come" in asked:
            leds, keys = rtmidi.MidiIn(api, name=asked["come"]), rtmidi.MidiOut(api, name=asked["come"])
            leds.ignore_types(sysex=False)
            leds.open_virtual_port("in")
            keys.open_virtual_port("out")
            print('"here"', flush=True)
            ports[:] = [keys, leds]
        for message in asked.get("send", ()):
            ports[0].send_message(message)
        if "go" in asked:
            go()
            print('"gone"', flush=True)
    go()


if __name__ == "__main__":
    main()
