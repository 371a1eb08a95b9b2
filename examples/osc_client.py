"""Play a running engine by OSC: riffengine play first-sound, and beside it: python examples/osc_client.py 9000

Sends two commands and prints every answer until the new prompt is promised for a beat. docs/osc.md has all addresses.
"""

import socket
import sys

from pythonosc.osc_message import OscMessage
from pythonosc.osc_message_builder import build_msg


def main(port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:  # answers come back to the port that asked
        client.connect(("127.0.0.1", port))
        client.settimeout(20.0)
        for address, value in (("/riff/deck/a/filter", -0.3), ("/riff/deck/a/prompt", "dub, deep")):
            client.send(build_msg(address, [value]).dgram)
        while True:
            try:
                answer = OscMessage(client.recv(65536))
            except OSError:
                raise SystemExit("no answer: is the engine running, and does it listen on this port?") from None
            print(answer.address, *answer.params)
            if answer.address == "/riff/landing" and answer.params[0] == "deck/a/prompt":
                return


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 9000)
