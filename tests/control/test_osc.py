from __future__ import annotations

import asyncio
import random
import struct

import pytest

from riffengine.clock import SystemClock, VirtualClock
from riffengine.control.osc import DRAIN_DATAGRAMS, MAX_SENDERS, MAX_SUBSCRIBERS, MAX_WAITING, OscServer
from riffengine.control.osc_wire import decode, encode
from riffengine.performance.command import Landing
from tests.control.engine import Stage

ALICE = ("127.0.0.1", 9001)
BOB = ("127.0.0.1", 9002)


class Wire(asyncio.DatagramTransport):
    """A socket's other end: what was sent, to whom."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[tuple[tuple[str, int], str, tuple[object, ...]]] = []

    def get_extra_info(self, name: str, default: object = None) -> object:
        return ("127.0.0.1", 9000)

    def sendto(self, data: bytes, addr: object = None) -> None:
        (answer,) = decode(data)
        self.sent.append((addr, answer.address, answer.arguments))  # type: ignore[arg-type]

    def take(self, who: tuple[str, int] | None = None) -> list[tuple[object, ...]]:
        found = [(address, *arguments) for to, address, arguments in self.sent if who in (None, to)]
        self.sent.clear()
        return found


class Room:
    """A server without a socket: datagrams in, answers out, time stands still."""

    def __init__(self) -> None:
        self.stage = Stage()
        self.wire = Wire()
        self.server = OscServer(self.stage.tree, self.stage.submit, lambda: self.stage.state, VirtualClock(77))
        self.server.connection_made(self.wire)

    def say(self, address: str, *values: float | int | str | bool, who: tuple[str, int] = ALICE) -> list[object]:
        return self.say_bytes(encode(address, *values), who)

    def say_bytes(self, datagram: bytes, who: tuple[str, int] = ALICE) -> list[object]:
        self.server.datagram_received(datagram, who)
        self.server.work_off(77)
        return list(self.wire.take())


@pytest.fixture
def room() -> Room:
    return Room()


def test_a_set_is_answered_with_its_value_and_its_landing(room: Room) -> None:
    assert room.say("/riff/deck/a/prompt", "techno") == [
        ("/riff/ok", "deck/a/prompt", "techno"),
        ("/riff/landing", "deck/a/prompt", 16.0, 1.25),
    ]
    assert room.say("/riff/deck/a/alpha", 1) == [("/riff/ok", "deck/a/alpha", 1.0)]
    assert room.stage.state["deck/a/prompt"] == "techno"
    assert room.stage.commands[0].source == "osc:127.0.0.1:9001" and room.stage.commands[0].stamp_ns == 77


def test_an_address_without_a_value_asks(room: Room) -> None:
    assert room.say("/riff/deck/a/guidance") == [("/riff/deck/a/guidance", 2.0)]
    assert room.say("/riff/deck/a/mute") == [("/riff/deck/a/mute", False)]
    assert room.stage.commands == []


def test_a_trigger_fires_with_and_without_a_value(room: Room) -> None:
    assert room.say("/riff/next")[0] == ("/riff/ok", "next", True)
    assert room.say("/riff/next", 1.0)[0] == ("/riff/ok", "next", True)
    assert [c.value for c in room.stage.commands] == [True, True]


REFUSED = [
    (encode("/riff/deck/a/alpha", "much"), "/riff/deck/a/alpha", "wrong type"),
    (encode("/riff/deck/a/alpha", 1.5), "/riff/deck/a/alpha", "from 0 to 1"),
    (encode("/riff/deck/a/alpha", float("nan")), "/riff/deck/a/alpha", "wrong type"),
    (encode("/riff/steps", 2.5), "/riff/steps", "whole number"),
    (encode("/riff/deck/a/prompt", "two", "words"), "/riff/deck/a/prompt", "quotes"),
    (encode("/riff/deck/a/aplha", 0.5), "/riff/deck/a/aplha", "/riff/deck/a/alpha"),
    (encode("/deck/a/alpha", 0.5), "/deck/a/alpha", "/riff/deck/a/alpha"),
    (encode("/riff/notify", "please"), "/riff/notify", "1 to subscribe"),
    (encode("/riff/sync"), "/riff/sync", "whole number"),
    (encode("/riff/help", "tempi"), "/riff/help", "tempi"),
    (b"rubbish", "", "not OSC"),
]


@pytest.mark.parametrize(("datagram", "address", "reason"), REFUSED)
def test_what_is_wrong_changes_nothing_and_only_its_sender_hears(datagram: bytes, address: str, reason: str) -> None:
    room = Room()
    room.say("/riff/notify", 1, who=BOB)
    before = room.stage.state
    room.server.datagram_received(datagram, ALICE)
    room.server.work_off(77)
    ((to, where, arguments),) = room.wire.sent
    assert (to, where, arguments[0]) == (ALICE, "/riff/error", address)
    assert reason in str(arguments[1])
    assert room.stage.state is before and room.stage.commands == []
    assert room.server.counters.rejected + room.server.counters.garbage == 1


def test_answers_that_come_back_are_not_answered(room: Room) -> None:
    for address in ("/riff/error", "/riff/ok", "/riff/landing", "/riff/synced", "/riff/status.reply"):
        assert room.say(address, "deck/a/alpha", 1.0) == []
    assert room.server.counters.ignored == 5


def test_a_subscriber_hears_all_values_first_then_every_change_until_it_leaves(room: Room) -> None:
    heard = room.say("/riff/notify", 1)
    values = {p.path for p in room.stage.tree.values}
    assert heard[0] == ("/riff/notified", 1)
    assert {str(a[0]).removeprefix("/riff/") for a in heard[1:]} == values  # type: ignore[index]
    room.server.changed("deck/b/alpha", 0.5)
    assert room.wire.take(ALICE) == [("/riff/deck/b/alpha", 0.5)]
    assert room.say("/riff/notify", 0) == [("/riff/notified", 0)]
    room.server.changed("deck/b/alpha", 0.6)
    assert room.wire.take() == []


def test_subscribers_are_limited(room: Room) -> None:
    for port in range(MAX_SUBSCRIBERS):
        room.say("/riff/notify", 1, who=("127.0.0.1", 10000 + port))
    assert room.say("/riff/notify", 1)[0][0] == "/riff/error"  # type: ignore[index]


def test_a_landing_that_moves_is_told_to_the_one_who_asked(room: Room) -> None:
    room.server.announce(Landing("deck/a/prompt", 20.0, 3.0, moved=True), "osc:127.0.0.1:9002")
    room.server.announce(Landing("deck/a/prompt", 20.0, 3.0), "midi:nano")
    room.server.announce(Landing("deck/a/prompt", 20.0, 3.0), "osc:nonsense")
    assert room.wire.sent == [(BOB, "/riff/landing", ("deck/a/prompt", 20.0, 3.0))]


def test_status_sync_and_help(room: Room) -> None:
    assert room.say("/riff/sync", 41) == [("/riff/synced", 41)]
    (status,) = room.say("/riff/status")
    facts = dict(zip(status[1::2], status[2::2], strict=True))  # type: ignore[index]
    assert facts["received"] == 2 and facts["revision"] == 0
    assert room.say("/riff/help", "deck/a/alpha")[0][:3] == ("/riff/help.reply", "deck/a/alpha", "float")  # type: ignore[index]
    assert len(room.say("/riff/help")) == len(room.stage.tree.parameters)


def test_in_one_drain_the_latest_value_wins_but_order_holds_around_questions(room: Room) -> None:
    for alpha in (0.1, 0.2, 0.3):
        room.server.datagram_received(encode("/riff/deck/a/alpha", alpha), ALICE)
    room.server.datagram_received(encode("/riff/deck/a/alpha", 7.0), ALICE)  # refused: does not supersede 0.3
    room.server.datagram_received(encode("/riff/deck/a/alpha"), ALICE)
    room.server.datagram_received(encode("/riff/deck/a/alpha", 0.4), ALICE)
    room.server.work_off(77)
    assert [c.value for c in room.stage.commands] == [0.3, 0.4]
    assert ("/riff/deck/a/alpha", 0.3) in room.wire.take()
    assert room.server.counters.superseded == 2


def test_a_flood_is_worked_off_in_portions_and_does_not_starve_the_others(room: Room) -> None:
    for number in range(5000):
        room.server.datagram_received(encode("/riff/deck/a/seed", number), ALICE)
    room.server.datagram_received(encode("/riff/sync", 1), BOB)
    room.server.work_off(77)
    assert room.wire.take(BOB) == [("/riff/synced", 1)]
    assert room.server.counters.dropped == 5000 - MAX_WAITING
    for _ in range(MAX_WAITING // DRAIN_DATAGRAMS + 1):
        room.server.work_off(77)
    assert room.stage.state["deck/a/seed"] == 4999
    # One for each of the five portions, and one more before Bob's sync.
    assert len(room.stage.commands) <= MAX_WAITING // DRAIN_DATAGRAMS + 2
    for port in range(1000):
        room.server.datagram_received(encode("/riff/sync", 1), ("127.0.0.1", 20000 + port))
    assert room.server.counters.dropped == 5000 - MAX_WAITING + 1000 - MAX_SENDERS


def test_a_future_time_tag_acts_at_once(room: Room) -> None:
    message = encode("/riff/deck/a/alpha", 0.5)
    later = b"#bundle\0" + struct.pack(">Qi", 0xFFFFFFFF_00000000, len(message)) + message
    assert room.say_bytes(later) == [("/riff/ok", "deck/a/alpha", 0.5)]


def test_a_host_that_others_can_reach_is_warned_about(room: Room) -> None:
    assert room.server.note == ""
    for host, warned in [("0.0.0.0", True), ("192.168.1.5", True), ("::1", False), ("localhost", False)]:
        server = OscServer(room.stage.tree, room.stage.submit, lambda: room.stage.state, VirtualClock(), host)
        assert bool(server.note) is warned


@pytest.mark.slow
def test_200_000_mangled_datagrams_change_nothing_and_raise_nothing(room: Room) -> None:
    """Valid messages with bytes changed, cut, added or doubled; only those still valid may change the state."""
    chance = random.Random(2)
    seeds = [
        encode("/riff/deck/a/alpha", 0.25),
        encode("/riff/deck/b/prompt", "techno, dark"),
        encode("/riff/deck/a/seed", 12345),
        encode("/riff/deck/a/mute", True),
        encode("/riff/notify", 0),
        encode("/riff/deck/a/alpha"),
        b"#bundle\0" + struct.pack(">Qi", 1, 28) + encode("/riff/deck/b/alpha", 0.5),
        b"#bundle\0" + struct.pack(">QiQ", 1, 24, 0) + encode("/riff/sync", 7),
    ]
    total = 200_000
    for number in range(total):
        datagram = bytearray(chance.choice(seeds))
        for _ in range(chance.randint(1, 3)):
            at = chance.randrange(len(datagram) + 1)
            match chance.randrange(4):
                case 0 if at < len(datagram):
                    datagram[at] = chance.randrange(256)
                case 1:
                    del datagram[at:]
                case 2:
                    datagram[at:at] = chance.randbytes(4)
                case _:
                    datagram += datagram[: at // 4 * 4]
        before, seen = room.stage.state, len(room.stage.commands)
        room.server.datagram_received(bytes(datagram), ALICE)
        room.server.work_off(77)
        for command in room.stage.commands[seen:]:
            room.stage.tree.check(command.path, command.value)  # what got through is valid by itself
        if len(room.stage.commands) == seen:
            assert room.stage.state is before, number
        room.stage.commands.clear()
        room.wire.sent.clear()
    counters = room.server.counters
    assert counters.received == total
    assert counters.garbage > total // 10 and counters.rejected > total // 100 and counters.accepted > total // 100


def test_the_server_answers_over_a_real_socket_and_names_a_port_that_is_taken() -> None:
    async def play() -> None:
        from riffengine.errors import ControlError

        stage = Stage()
        server = OscServer(stage.tree, stage.submit, lambda: stage.state, SystemClock(), port=0)
        await server.start()
        with pytest.raises(ControlError, match="another program"):
            await OscServer(stage.tree, stage.submit, lambda: stage.state, SystemClock(), port=server.port).start()
        answers: asyncio.Queue[bytes] = asyncio.Queue()

        class Client(asyncio.DatagramProtocol):
            def datagram_received(self, data: bytes, addr: object) -> None:
                answers.put_nowait(data)

        loop = asyncio.get_running_loop()
        client, _ = await loop.create_datagram_endpoint(Client, remote_addr=("127.0.0.1", server.port))
        client.sendto(encode("/riff/deck/a/alpha", 0.5))
        (answer,) = decode(await asyncio.wait_for(answers.get(), 10))
        assert (answer.address, answer.arguments) == ("/riff/ok", ("deck/a/alpha", 0.5))
        client.close()
        server.close()
        await asyncio.sleep(0)

    asyncio.run(play())
