"""OSC cannot be turned against anybody: not against another machine, not against itself, not against the performer."""

from __future__ import annotations

import asyncio
import socket

import pytest

from riffengine.clock import SystemClock
from riffengine.control.osc.answer_budget import ALL_UNPROVEN, TRUSTED, UNPROVEN
from riffengine.control.osc.inbox import MAX_SENDERS
from riffengine.control.osc.options import OscOptions
from riffengine.control.osc.server import OscServer
from riffengine.control.osc.subscribers import Sender
from riffengine.control.osc.wire import decode, encode
from tests.control.engine_stub import EngineStub
from tests.control.osc.osc_harness import ALICE, NUMBER, OscHarness
from tests.control.osc.test_server import bundle

SECOND = 1_000_000_000
STRANGER = ("203.0.113.9", 5000)
OPEN = OscOptions("0.0.0.0")


@pytest.fixture
def osc() -> OscHarness:
    """A server that the whole network reaches."""
    return OscHarness(OPEN)


def sent_to(osc: OscHarness, host: str) -> int:
    """The bytes that were sent to ``host`` since the last call."""
    sizes = sum(len(datagram) for to, datagram in osc.datagrams if to[0] == host)
    osc.datagrams.clear()
    return sizes


def handle_all(osc: OscHarness) -> None:
    while osc.server.waiting:
        osc.handle_waiting()


def pass_time(osc: OscHarness, seconds: float) -> None:
    osc.clock.advance_to(osc.clock.now_ns() + round(seconds * SECOND))


# --- amplification ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "datagram",
    [
        encode("/riff/help"),
        encode("/riff/notify", 1),
        encode("/riff/status"),
        bundle(*[encode("/riff/help")] * 100),
        bundle(*[encode("/riff/deck/*/prompt")] * 50),
        bundle(*[encode("/riff/nothing" * 20)] * 50),
    ],
)
def test_an_address_that_has_not_proved_itself_is_sent_little(osc: OscHarness, datagram: bytes) -> None:
    for repeated in range(20):
        osc.server.receive(datagram, (STRANGER[0], 5000 + repeated))
        handle_all(osc)
    assert sent_to(osc, STRANGER[0]) <= UNPROVEN.most + 3 * 20 * len(datagram)


def test_many_invented_addresses_are_sent_little_together(osc: OscHarness) -> None:
    ask = encode("/riff/notify", 1)
    for number in range(2000):
        osc.server.receive(ask, (f"198.51.{100 + number // 250}.{number % 250}", 5000))
        handle_all(osc)
    assert sum(len(datagram) for _, datagram in osc.datagrams) <= ALL_UNPROVEN.most + 3 * 2000 * len(ask)


def test_what_a_performer_does_from_another_machine_is_answered_without_proof(osc: OscHarness) -> None:
    for number in range(500):
        assert osc.send("/riff/deck/a/alpha", number / 1000, who=STRANGER)[0][0] == "/riff/ok"  # type: ignore[index]
        pass_time(osc, 0.01)
    assert osc.server.counters.withheld == 0


def test_who_sends_the_number_back_is_sent_everything(osc: OscHarness) -> None:
    heard = osc.send("/riff/notify", 1, who=STRANGER)
    assert heard[:2] == [("/riff/notified", 1), ("/riff/prove", NUMBER)]
    osc.send("/riff/help", who=STRANGER)
    assert osc.server.counters.withheld > 0
    assert osc.send("/riff/proof", NUMBER + 1, who=STRANGER)[0][0] == "/riff/error"  # type: ignore[index]
    values = osc.send("/riff/proof", NUMBER, who=STRANGER)
    assert len(values) == len(osc.engine.tree.values)
    assert len(osc.send("/riff/help", who=STRANGER)) == len(osc.engine.tree.parameters)
    pass_time(osc, 3600)
    assert ("/riff/prove", NUMBER) in osc.send("/riff/notify", 1, who=STRANGER), "an address may change hands"


def test_a_number_that_was_not_asked_for_proves_nothing(osc: OscHarness) -> None:
    for number in (0, NUMBER):
        assert osc.send("/riff/proof", number, who=STRANGER)[0][0] == "/riff/error"  # type: ignore[index]


@pytest.mark.parametrize(
    ("options", "who"), [(OPEN, ALICE), (OscOptions("0.0.0.0", allow=("203.0.113.0/24",)), STRANGER)]
)
def test_this_machine_and_the_hosts_that_are_named_need_no_proof(options: OscOptions, who: Sender) -> None:
    osc = OscHarness(options)
    heard = osc.send("/riff/notify", 1, who=who)
    assert len(heard) == 1 + len(osc.engine.tree.values)
    assert len(osc.send("/riff/help", who=who)) == len(osc.engine.tree.parameters)
    for _ in range(200):
        osc.server.receive(encode("/riff/help"), who)
        handle_all(osc)
    assert sent_to(osc, who[0]) <= TRUSTED.most + 3 * 16 * 210, "they are bounded too"
    assert osc.server.counters.withheld > 0


def test_help_for_everything_comes_in_a_few_datagrams() -> None:
    osc = OscHarness()
    osc.send("/riff/help")
    assert len(osc.datagrams) <= 16 and all(len(datagram) <= 1400 for _, datagram in osc.datagrams)


def test_a_subscription_from_elsewhere_ends_without_a_sign_of_life() -> None:
    osc = OscHarness(OscOptions("0.0.0.0", allow=("203.0.113.0/24",)))
    other = ("203.0.113.10", 5000)
    for who in (ALICE, STRANGER, other):
        osc.send("/riff/notify", 1, who=who)
    pass_time(osc, 200)
    osc.send("/riff/sync", 1, who=other)
    pass_time(osc, 200)
    osc.replies()
    osc.server.changed("deck/a/alpha", 0.5)
    assert osc.sent == [
        (STRANGER, "/riff/notified", (0,)),
        (ALICE, "/riff/deck/a/alpha", (0.5,)),
        (other, "/riff/deck/a/alpha", (0.5,)),
    ]


# --- its own port -----------------------------------------------------------------------------------------------------


def test_a_value_that_is_set_again_is_not_announced_again(osc: OscHarness) -> None:
    osc.send("/riff/notify", 1)
    for value in (0.5, 0.5, 0.25, 0.25, 0.5):
        osc.server.changed("deck/a/alpha", value)
    assert [values for _, _, values in osc.sent if len(values) == 1 and isinstance(values[0], float)] == [
        (0.5,), (0.25,), (0.5,)
    ]  # fmt: skip
    osc.send("/riff/notify", 1, who=("127.0.0.1", 9009))
    osc.sent.clear()
    osc.server.changed("deck/a/alpha", 0.5)
    assert len(osc.sent) == 2, "a new subscriber may have been sent another value"


def own_addresses() -> list[str]:
    found = ["127.0.0.1"]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("203.0.113.1", 9))  # sends nothing
            found.append(probe.getsockname()[0])
        except OSError:
            pass
    return found


def test_the_engine_does_not_talk_to_itself() -> None:
    """A patch that names the engine's own port for its replies, from each address of this machine."""

    async def play() -> None:
        engine = EngineStub()
        server = OscServer(engine.context(SystemClock()), OscOptions("0.0.0.0", port=0))
        await server.start()
        loop = asyncio.get_running_loop()
        for address in own_addresses():
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as patch:
                patch.bind((address, 0))
                patch.setblocking(False)
                patch.sendto(encode("/riff/notify", 1, server.port), (address, server.port))
                (answer,) = decode(await asyncio.wait_for(loop.sock_recv(patch, 65536), 20))
                assert answer.address == "/riff/error" and "own port" in str(answer.arguments[1])
                patch.sendto(encode("/riff/sync", 1), (address, server.port))
                assert decode(await asyncio.wait_for(loop.sock_recv(patch, 65536), 20))[0].address == "/riff/synced"
            server.receive(encode("/riff/notify", 1), (address, server.port))  # forged
            server.changed("deck/a/alpha", 0.5)
        assert not server.waiting and engine.commands == []
        assert server.counters.received == 3 * len(own_addresses())
        server.close()

    asyncio.run(play())


# --- floods -----------------------------------------------------------------------------------------------------------


def answered_in_flood(osc: OscHarness, performers: list[Sender], senders: int, host: str = "127.0.0.1") -> float:
    """The part of the performers' questions that is answered while ``senders`` flood, 60 datagrams a second each."""
    flood = encode("/riff/deck/b/seed", 7)
    asked = answered = 0
    for step in range(500):  # of 5 ms: in each a third of them sends one
        for number in range(step % 3, senders, 3):
            osc.server.receive(flood, (host, 20000 + number))
        if step % 20 == 0:
            for who in performers:
                osc.server.receive(encode("/riff/sync", step), who)
                asked += 1
        osc.handle_waiting()
        answered += sum(address == "/riff/synced" for _, address, _ in osc.sent)
        osc.sent.clear()
        osc.datagrams.clear()
        pass_time(osc, 0.005)
    return answered / asked


def test_who_was_there_before_a_flood_keeps_a_place() -> None:
    osc = OscHarness()
    osc.send("/riff/sync", 1)
    assert answered_in_flood(osc, [ALICE], 500) == 1.0
    assert osc.server.counters.dropped > 0


def test_who_comes_during_a_flood_and_sends_little_gets_a_place() -> None:
    osc = OscHarness()
    answered_in_flood(osc, [ALICE], 500)
    assert answered_in_flood(osc, [("127.0.0.1", 9100), ("127.0.0.1", 9101)], 500) > 0.95


def test_a_flood_from_one_host_keeps_no_other_host_out(osc: OscHarness) -> None:
    answered_in_flood(osc, [STRANGER], 100)
    performers = [("192.168.1.20", 9100), ("192.168.1.21", 9100)]
    assert answered_in_flood(osc, performers, 500, "192.168.1.66") == 1.0


def test_who_was_there_first_stays_subscribed_however_many_others_subscribe() -> None:
    osc = OscHarness()
    osc.send("/riff/notify", 1, 7400)
    for number in range(500):
        osc.send("/riff/notify", 1, who=("127.0.0.1", 20000 + number))
    osc.sent.clear()
    osc.server.changed("deck/a/alpha", 0.5)
    assert ("127.0.0.1", 7400) in {to for to, _, _ in osc.sent} and len(osc.sent) == 32


def test_strangers_share_a_bounded_number_of_queues() -> None:
    osc = OscHarness()
    for number in range(20_000):
        osc.server.receive(b"/riff/next\0\0,\0\0\0", (f"10.0.{number % 200}.{number // 200}", number % 60_000))
    assert len(osc.server._inbox._queues) <= MAX_SENDERS + 16


def test_a_message_that_raises_an_error_of_ours_is_not_handled_again_and_again() -> None:
    osc = OscHarness()
    whole, osc.engine.state = osc.engine.state, None  # type: ignore[assignment]  # what a fault of ours would do
    with pytest.raises(TypeError):
        osc.send("/riff/deck/a/gain")
    osc.engine.state = whole
    assert osc.send("/riff/sync", 5) == [("/riff/synced", 5)]
