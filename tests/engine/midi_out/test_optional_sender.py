"""OptionalSender: open while it is wanted; a refusal and the sender's messages are reported once."""

from __future__ import annotations

from riffengine.engine.midi_out.optional_sender import OptionalSender
from riffengine.errors import ControlError


class Port:
    """A sender that counts."""

    def __init__(self, said: list[str]) -> None:
        self._said = said
        self.sent: list[int] = []
        self.closed = 0

    def send(self, order: int) -> None:
        self.sent.append(order)

    def notes(self) -> list[str]:
        told, self._said = self._said, []
        return told

    def close(self) -> None:
        self.closed += 1


def test_it_is_open_while_wanted_and_reports_the_senders_messages_once() -> None:
    ports: list[Port] = []
    said: list[str] = []

    def opened() -> Port:
        ports.append(Port(["the port is open"]))
        return ports[-1]

    optional = OptionalSender(opened, "nothing goes out", said.append)
    assert optional.sender(False) is None and not ports
    assert optional.sender(True) is ports[0] is optional.sender(True)
    assert said == ["the port is open"]
    assert optional.sender(False) is None and ports[0].closed == 1
    assert optional.sender(True) is ports[1]
    optional.close()
    optional.close()
    assert [port.closed for port in ports] == [1, 1]


def test_a_refusal_is_reported_once_until_it_was_switched_off() -> None:
    tries: list[int] = []
    said: list[str] = []

    def refused() -> Port:
        tries.append(len(tries))
        raise ControlError("no such port")

    optional = OptionalSender(refused, "nothing goes out", said.append)
    for _ in range(3):
        assert optional.sender(True) is None
    assert said == ["nothing goes out: no such port"] and len(tries) == 1
    optional.sender(False)
    optional.sender(True)
    assert len(tries) == 2
