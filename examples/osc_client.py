"""Play a running engine by OSC: riffengine play first-sound, and beside it: python examples/osc_client.py [PORT]"""

import sys
import threading

from pythonosc.dispatcher import Dispatcher
from pythonosc.osc_server import BlockingOSCUDPServer


def main(port: int) -> None:
    answers: list[tuple[str, tuple[object, ...]]] = []
    arrived = threading.Event()

    def keep(address: str, *values: object) -> None:
        print(address, *values)
        answers.append((address, values))
        if address == "/riff/landing" and values[0] == "deck/a/prompt":
            arrived.set()

    dispatcher = Dispatcher()
    dispatcher.set_default_handler(keep)
    with BlockingOSCUDPServer(("127.0.0.1", 0), dispatcher) as server:  # sends and hears on one port
        threading.Thread(target=server.serve_forever, daemon=True).start()
        from pythonosc.osc_message_builder import build_msg

        for address, value in (("/riff/deck/a/filter", -0.3), ("/riff/deck/a/prompt", "dub, deep")):
            server.socket.sendto(build_msg(address, [value]).dgram, ("127.0.0.1", port))
        if not arrived.wait(20.0):
            raise SystemExit("no answer: is the engine running, and does it listen on this port?")
        server.shutdown()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 9000)
