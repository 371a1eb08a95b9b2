from __future__ import annotations

import asyncio
import struct

import pytest

from riffengine.clock import SystemClock
from riffengine.control.osc.dispatcher import MAX_UNAPPLIED
from riffengine.control.osc.inbox import MAX_SENDERS, MAX_WAITING, PLACES_PER_HOST
from riffengine.control.osc.options import OscOptions
from riffengine.control.osc.server import OscServer
from riffengine.control.osc.subscribers import MAX_SUBSCRIBERS
from riffengine.control.osc.wire import decode, encode
from riffengine.control.surface import LandingMoved
from riffengine.errors import ControlError, TooFarAhead
from riffengine.performance.command import Command, Landing
from riffengine.transport.beat_grid import BeatGrid, Moment
from tests.control.engine_stub import EngineStub
from tests.control.osc.osc_harness import ALICE, BOB, OscHarness

NOW = Moment.on(BeatGrid(48000, 120.0), 0)


@pytest.fixture
def osc() -> OscHarness:
    return OscHarness()


def test_a_set_is_answered_with_its_value_and_its_landing(osc: OscHarness) -> None:
    assert osc.send("/riff/deck/a/prompt", "techno") == [
        ("/riff/ok", "deck/a/prompt", "techno"),
        ("/riff/landing", "deck/a/prompt", 16.0, 1.25),
    ]
    assert osc.send("/riff/deck/a/alpha", 1) == [("/riff/ok", "deck/a/alpha", 1.0)]
    assert osc.engine.state["deck/a/prompt"] == "techno"
    assert osc.engine.commands[0].source == "osc:127.0.0.1:9001" and osc.engine.commands[0].stamp_ns == 77


def test_an_address_without_a_value_asks(osc: OscHarness) -> None:
    assert osc.send("/riff/deck/a/guidance") == [("/riff/deck/a/guidance", 3.0)]
    assert osc.send("/riff/deck/a/mute") == [("/riff/deck/a/mute", False)]
    assert osc.engine.commands == []


def test_a_trigger_fires_with_and_without_a_value(osc: OscHarness) -> None:
    assert osc.send("/riff/next")[0] == ("/riff/ok", "next", True)
    assert osc.send("/riff/next", 1.0)[0] == ("/riff/ok", "next", True)
    assert [c.value for c in osc.engine.commands] == [True, True]


REFUSED = [
    (encode("/riff/deck/a/alpha", "much"), "/riff/deck/a/alpha", "wrong type"),
    (encode("/riff/deck/[a]/alpha", "much"), "/riff/deck/a/alpha", "wrong type"),
    (encode("/riff/*/a/aplha", 1.5), "/riff/*/a/aplha", "a star stands for one word"),
    (encode("/riff/deck/a/alpha", float("inf")), "/riff/deck/a/alpha", "from 0 to 1"),
    (encode("/riff/deck/a/alpha", float("nan")), "/riff/deck/a/alpha", "wrong type"),
    (encode("/riff/deck/a/prompt", "two", True), "/riff/deck/a/prompt", "quotes"),
    (encode("/riff/transport/quantum", 6), "/riff/transport/quantum", "count from 0 to 5"),
    (encode("/riff/deck/a/mute", "perhaps"), "/riff/deck/a/mute", "wrong type"),
    (encode("/riff/deck/a/mute", 1.5), "/riff/deck/a/mute", "wrong type"),
    (encode("/riff/deck/*/again"), "/riff/deck/*/again", "send 1 to fire them"),
    (b"/riff/steps\0,q\0\0", "/riff/steps", "type tag 'q'"),
    (encode("/riff/deck/a/aplha", 0.5), "/riff/deck/a/aplha", "/riff/deck/a/alpha"),
    (encode("/deck/a/alpha", 0.5), "/deck/a/alpha", "/riff/deck/a/alpha"),
    (encode("/riff/notify", "please"), "/riff/notify", "1 to subscribe"),
    (encode("/riff/sync"), "/riff/sync", "whole number"),
    (encode("/riff/help", "tempi"), "/riff/help", "tempi"),
    (b"rubbish", "", "not OSC"),
]


@pytest.mark.parametrize(("datagram", "address", "reason"), REFUSED)
def test_a_wrong_message_changes_nothing_and_only_its_sender_gets_an_error(
    datagram: bytes, address: str, reason: str
) -> None:
    osc = OscHarness()
    osc.send("/riff/notify", 1, who=BOB)
    before = osc.engine.state
    osc.server.receive(datagram, ALICE)
    osc.handle_waiting()
    ((to, where, arguments),) = osc.sent
    assert (to, where, arguments[0]) == (ALICE, "/riff/error", address)
    assert reason in str(arguments[1])
    assert osc.engine.state is before and osc.engine.commands == []
    assert osc.server.counters.rejected + osc.server.counters.garbage == 1


def test_replies_that_are_sent_back_are_ignored(osc: OscHarness) -> None:
    for address in ("/riff/error", "/riff/ok", "/riff/landing", "/riff/synced", "/riff/status.reply"):
        assert osc.send(address, "deck/a/alpha", 1.0) == []
    assert osc.server.counters.ignored == 5


def test_a_subscriber_gets_all_values_then_every_change_until_it_unsubscribes(osc: OscHarness) -> None:
    heard = osc.send("/riff/notify", 1)
    values = {p.path for p in osc.engine.tree.values}
    assert heard[0] == ("/riff/notified", 1)
    assert {str(a[0]).removeprefix("/riff/") for a in heard[1:]} == values  # type: ignore[index]
    osc.server.changed("deck/b/alpha", 0.5)
    assert osc.replies(ALICE) == [("/riff/deck/b/alpha", 0.5)]
    assert osc.send("/riff/notify", 0) == [("/riff/notified", 0)]
    osc.server.changed("deck/b/alpha", 0.6)
    assert osc.replies() == []


def test_subscribers_are_limited_and_the_one_that_is_silent_longest_makes_room(osc: OscHarness) -> None:
    crowd = [("127.0.0.1", 10000 + number) for number in range(MAX_SUBSCRIBERS)]
    for who in crowd:
        osc.send("/riff/notify", 1, who=who)
    first = crowd[PLACES_PER_HOST]  # those before it have a place
    osc.send("/riff/sync", 1, who=first)  # still alive
    osc.server.receive(encode("/riff/notify", 1), ALICE)
    osc.handle_waiting()
    assert [(to, address, values) for to, address, values in osc.sent if to not in (ALICE,)] == [
        (crowd[PLACES_PER_HOST + 1], "/riff/notified", (0,))
    ]
    osc.sent.clear()
    osc.server.changed("deck/a/alpha", 0.5)
    assert {to for to, _, _ in osc.sent} == {ALICE, *crowd} - {crowd[PLACES_PER_HOST + 1]}


def test_a_sender_that_cannot_receive_where_it_sends_from_names_a_port(osc: OscHarness) -> None:
    """Max's udpsend and many others send from a port on which no program can listen."""
    osc.server.receive(encode("/riff/notify", 1, 7400), ALICE)
    osc.server.receive(encode("/riff/deck/a/prompt", "dub"), ALICE)
    osc.server.receive(encode("/riff/deck/a/alpha", "dub"), ALICE)
    osc.handle_waiting()
    port = ("127.0.0.1", 7400)
    assert {to for to, _, _ in osc.sent} == {port}
    heard = [address for _, address, _ in osc.sent]
    assert heard[0] == "/riff/notified" and heard[-3:] == ["/riff/error", "/riff/ok", "/riff/landing"]
    osc.sent.clear()
    osc.server.changed("deck/a/alpha", 0.5)
    osc.server.landing_moved(LandingMoved(NOW, Landing("deck/a/prompt", 20.0, 3.0), "osc:127.0.0.1:9001"))
    assert [to for to, _, _ in osc.sent] == [port, port]
    osc.sent.clear()
    assert osc.send("/riff/sync", 1, who=BOB) == [("/riff/synced", 1)]
    assert osc.send("/riff/notify", 0) == [("/riff/notified", 0)]
    for wrong in (0, 65536, 7.5, "7400", True):
        assert osc.send("/riff/notify", 1, wrong)[0][0] == "/riff/error"


def test_a_moved_landing_is_sent_to_the_sender_that_asked(osc: OscHarness) -> None:
    osc.server.landing_moved(LandingMoved(NOW, Landing("deck/a/prompt", 20.0, 3.0, moved=True), "osc:127.0.0.1:9002"))
    osc.server.landing_moved(LandingMoved(NOW, Landing("deck/a/prompt", 20.0, 3.0), "midi:nano"))
    osc.server.landing_moved(LandingMoved(NOW, Landing("deck/a/prompt", 20.0, 3.0), "osc:nonsense"))
    assert osc.sent == [(BOB, "/riff/landing", ("deck/a/prompt", 20.0, 3.0))]


def test_status_sync_and_help(osc: OscHarness) -> None:
    assert osc.send("/riff/sync", 41) == [("/riff/synced", 41)]
    (status,) = osc.send("/riff/status")
    facts = dict(zip(status[1::2], status[2::2], strict=True))  # type: ignore[index]
    assert facts["received"] == 2 and facts["revision"] == 0
    assert osc.send("/riff/help", "deck/a/alpha")[0][:3] == ("/riff/help.reply", "deck/a/alpha", "float")  # type: ignore[index]
    assert len(osc.send("/riff/help")) == len(osc.engine.tree.parameters)


def test_numbers_stand_for_each_other_where_nothing_is_lost(osc: OscHarness) -> None:
    for sent, path, held in [
        (1, "deck/a/alpha", 1.0),
        (True, "deck/a/alpha", 1.0),
        (False, "deck/a/seed", 0),
        (7.0, "deck/a/seed", 7),
        (1, "deck/a/mute", True),
        (0.0, "deck/a/mute", False),
        ("LEFT", "deck/a/side", "left"),
    ]:
        assert osc.send(f"/riff/{path}", sent)[0] == ("/riff/ok", path, held)
        assert type(osc.engine.state[path]) is type(held)


def test_the_words_of_a_text_may_come_one_by_one(osc: OscHarness) -> None:
    assert osc.send("/riff/deck/a/prompt", "dub", "techno,", "warm")[0] == (
        "/riff/ok",
        "deck/a/prompt",
        "dub techno, warm",
    )


def test_a_value_beyond_the_range_is_clipped_with_a_note(osc: OscHarness) -> None:
    assert osc.send("/riff/deck/a/alpha", 1.5) == [
        ("/riff/ok", "deck/a/alpha", 1.0),
        ("/riff/note", "deck/a/alpha", "clipped to 1.0; allowed is a number from 0 to 1"),
    ]
    (tempo, note) = osc.send("/riff/transport/tempo", 200.0)[:2]
    assert tempo == ("/riff/ok", "transport/tempo", 100.0)
    assert note[2].startswith("played as 100.0; allowed is a number from 60 to 180 bpm")
    osc.send("/riff/deck/a/seed", -5)
    osc.send("/riff/steps", 2**40)
    assert (osc.engine.state["deck/a/seed"], osc.engine.state["steps"]) == (0, 50)
    assert osc.server.counters.clipped == 4


def test_a_pattern_sets_and_asks_all_that_it_matches(osc: OscHarness) -> None:
    assert osc.send("/riff/deck/*/mute", True) == [("/riff/ok", f"deck/{d}/mute", True) for d in "ab"]
    assert osc.send("/riff/deck/[a-b]/mute") == [(f"/riff/deck/{d}/mute", True) for d in "ab"]
    assert osc.send("/riff/deck/{b,c}/{alpha,drift}", 0.25) == [
        ("/riff/ok", f"deck/b/{n}", 0.25) for n in ("alpha", "drift")
    ]
    assert [a[0] for a in osc.send("/riff/transport/t?p", 1)] == ["/riff/ok"]
    for slow in (
        "/riff/" + "*a" * 9,
        "/riff/" + "{,}" * 40,
        "/riff/deck/" + "{a,aa}" * 5 + "/alpha",
        "/riff/" + "?" * 300,
    ):
        assert osc.send(slow, 1)[0][0] == "/riff/error"


def test_in_one_drain_the_latest_value_wins_but_order_holds_around_questions(osc: OscHarness) -> None:
    for alpha in (0.1, 0.2, 0.3):
        osc.server.receive(encode("/riff/deck/a/alpha", alpha), ALICE)
    osc.server.receive(encode("/riff/deck/a/alpha", "much"), ALICE)  # refused: does not supersede 0.3
    osc.server.receive(encode("/riff/deck/a/alpha"), ALICE)
    osc.server.receive(encode("/riff/deck/a/alpha", 0.4), ALICE)
    osc.server.receive(encode("/riff/next"), ALICE)
    osc.handle_waiting()
    assert [c.value for c in osc.engine.commands] == [0.3, 0.4, True]
    assert ("/riff/deck/a/alpha", 0.3) in osc.replies()
    assert osc.server.counters.superseded == 2


def test_a_flood_fills_its_own_queue_and_the_others_are_answered_at_once(osc: OscHarness) -> None:
    for number in range(5000):
        osc.server.receive(encode("/riff/deck/a/seed", number), ALICE)
    osc.server.receive(encode("/riff/sync", 1), BOB)
    osc.handle_waiting()
    assert ("/riff/synced", 1) in osc.replies(BOB)
    assert osc.server.counters.dropped == 5000 - MAX_WAITING
    for _ in range(20):
        osc.handle_waiting()
    assert osc.engine.state["deck/a/seed"] == 4999
    assert len(osc.engine.commands) <= MAX_WAITING // MAX_UNAPPLIED + 1  # though it never paused, it moved meanwhile
    for port in range(1000):
        osc.server.receive(encode("/riff/sync", 1), ("127.0.0.1", 20000 + port))
    places = PLACES_PER_HOST - 2  # ALICE and BOB were there before
    assert osc.server.counters.dropped == 5000 - MAX_WAITING + 1000 - MAX_SENDERS - places


def test_a_datagram_full_of_triggers_does_not_delay_the_others(osc: OscHarness) -> None:
    osc.server.receive(bundle(*[encode("/riff/next")] * 500), ALICE)
    osc.server.receive(encode("/riff/sync", 1), BOB)
    osc.handle_waiting()
    assert ("/riff/synced", 1) in osc.replies(BOB) and len(osc.engine.commands) < 500
    osc.handle_waiting()
    osc.handle_waiting()
    assert len(osc.engine.commands) == 500


def test_without_a_schedule_a_future_time_tag_acts_at_once(osc: OscHarness) -> None:
    later = bundle(encode("/riff/deck/a/alpha", 0.5), tag=0xFFFFFFFF_00000000)
    assert osc.send_bytes(later) == [("/riff/ok", "deck/a/alpha", 0.5)]


def bundle(*messages: bytes, tag: int = 1) -> bytes:
    body = b"".join(struct.pack(">i", len(message)) + message for message in messages)
    return b"#bundle\0" + struct.pack(">Q", tag) + body


def test_a_host_that_others_can_reach_is_warned_about() -> None:
    for host, warned in [("0.0.0.0", True), ("192.168.1.5", True), ("::1", False), ("localhost", False)]:
        assert bool(OscOptions(host).note) is warned
    assert "everyone" in OscOptions("0.0.0.0").note
    assert "192.168.1.0/24" in OscOptions("0.0.0.0", allow=("192.168.1.0/24",)).note


def test_a_host_that_is_not_on_the_allow_list_is_ignored() -> None:
    osc = OscHarness(OscOptions("0.0.0.0", allow=("192.168.1.0/24", "fe80::/10")))
    for host, heard in [
        ("192.168.1.77", True),
        ("192.168.2.77", False),
        ("127.0.0.1", True),
        ("::ffff:192.168.1.9", True),
        ("fe80::1%eth0", True),
        ("2001:db8::1", False),
        ("nonsense", False),
    ]:
        assert bool(osc.send("/riff/sync", 3, who=(host, 5000))) is heard, host
    assert osc.server.counters.forbidden == 3
    with pytest.raises(ControlError, match=r"192\.168\.1\.0/24"):
        OscHarness(OscOptions(allow=("my house",)))


def test_the_server_answers_over_a_real_socket_and_names_a_port_that_is_taken() -> None:
    async def play() -> None:
        engine = EngineStub()
        server = OscServer(engine.context(SystemClock()), OscOptions(port=0))
        await server.start()
        with pytest.raises(ControlError, match="another program"):
            taken = OscOptions(port=server.port)
            await OscServer(engine.context(SystemClock()), taken).start()
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


MEANT: list[tuple[bytes, str, object, str]] = [
    (encode("/riff/deck/a/seed", 3.7), "deck/a/seed", 4, "rounded to 4"),
    (encode("/riff/steps", 7.5), "steps", 8, "rounded to 8"),
    (encode("/riff/steps", 99.5), "steps", 50, "clipped to 50"),
    (encode("/riff/deck/a/mute", 0.73), "deck/a/mute", True, ""),
    (encode("/riff/deck/a/mute", 0.49), "deck/a/mute", False, ""),
    (encode("/riff/deck/a/mute", "on"), "deck/a/mute", True, ""),
    (encode("/riff/transport/quantum", 2), "transport/quantum", "bar", ""),
    (encode("/riff/transport/quantum", 3.0), "transport/quantum", "2bars", ""),
    (encode("/riff/deck/a/alpha", "0.5"), "deck/a/alpha", 0.5, ""),
    (encode("/riff/steps", " 12 "), "steps", 12, ""),
    (encode("/riff/deck/a/prompt", 808, "drums"), "deck/a/prompt", "808 drums", ""),
    (encode("/riff/scene/store", 2.0), "scene/store", "2", ""),
    (encode("/riff/key", "A", "minor"), "key", "A minor", ""),
    (encode("/riff/key", "A# minor"), "key", "Bb minor", ""),
    (encode("/riff/key", "F#m"), "key", "F# minor", ""),
    (encode("/riff/steps/", 4), "steps", 4, ""),
    (b"/riff/next\0\0,I\0\0", "next", True, ""),
    (b"/riff/deck/a/prompt\0,S\0\0dub\0", "deck/a/prompt", "dub", ""),
    (b"/riff/deck/a/alpha\0\0,[f]\0\0\0\0?\0\0\0", "deck/a/alpha", 0.5, ""),
]


@pytest.mark.parametrize(("datagram", "path", "value", "note"), MEANT)
def test_what_surfaces_and_patches_send_does_what_they_mean(
    datagram: bytes, path: str, value: object, note: str
) -> None:
    osc = OscHarness()
    answers = osc.send_bytes(datagram)
    assert answers[0] == ("/riff/ok", path, value), answers
    assert [a[2] for a in answers if a[0] == "/riff/note" and note and note in str(a[2])] or not note
    assert [(c.path, c.value) for c in osc.engine.commands] == [(path, value)]


def test_who_looks_around_by_a_pattern_fires_nothing(osc: OscHarness) -> None:
    answers = osc.send("/riff/*")
    assert answers and all(address.startswith("/riff/") and address != "/riff/ok" for address, *_ in answers)
    assert osc.engine.commands == []


def test_a_bundle_from_a_sender_without_a_clock_is_done_at_once_with_one_note() -> None:
    def schedule(command: Command, seconds: float, on_reply: object) -> None:
        raise TooFarAhead("290138602 s ahead")

    osc = OscHarness(schedule=schedule)
    datagram = b"#bundle\0" + struct.pack(">Q", 5 << 32)
    for alpha in (0.25, 0.5):
        message = encode("/riff/deck/a/alpha", alpha)
        answers = osc.send_bytes(datagram + struct.pack(">i", len(message)) + message)
        assert answers[0] == ("/riff/ok", "deck/a/alpha", alpha)
        assert [a[0] for a in answers].count("/riff/note") == (alpha == 0.25)


def test_what_follows_a_file_waits_for_it_and_other_senders_do_not(osc: OscHarness) -> None:
    osc.engine.waiting = waiting = []
    for address, value in (("/riff/deck/a/init", "a.wav"), ("/riff/deck/a/alpha", 0.5), ("/riff/sync", 1)):
        osc.server.receive(encode(address, value), ALICE)
    assert osc.send("/riff/deck/b/alpha", 0.25, who=BOB) == [("/riff/ok", "deck/b/alpha", 0.25)]
    for _ in range(3):
        osc.handle_waiting()
    assert osc.replies() == [] and len(waiting) == 1
    assert osc.send("/riff/sync", 2) == []  # a later datagram of the sender that waits
    waiting.pop()()
    osc.handle_waiting()
    assert [(a, *rest) for a, *rest in osc.replies() if a != "/riff/landing"] == [
        ("/riff/ok", "deck/a/init", "a.wav"),
        ("/riff/ok", "deck/a/alpha", 0.5),
        ("/riff/synced", 1),
        ("/riff/synced", 2),
    ]
    assert not osc.server.waiting


def test_nothing_is_left_of_a_file_that_is_opened_after_the_end(osc: OscHarness) -> None:
    osc.engine.waiting = waiting = []
    osc.send("/riff/deck/a/init", "a.wav")
    osc.server.close()
    waiting.pop()()
    assert not osc.server.waiting
