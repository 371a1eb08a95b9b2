"""Which connection is taken and which one gives way to it."""

from __future__ import annotations

import sys

import pytest

from riffengine.http_server.connections import ConnectionLimits, ConnectionTable

LIMITS = ConnectionLimits(in_all=6, per_address=3, lasting=3, lasting_per_address=2)


def table(*addresses: str) -> ConnectionTable[str]:
    """A table with connections named a1, a2, … by their addresses, in this order."""
    made: ConnectionTable[str] = ConnectionTable(LIMITS)
    for address in addresses:
        made.add(f"{address}{sum(name.startswith(address) for name in made) + 1}", address)
    return made


def test_a_new_connection_takes_the_place_of_the_longest_waiting_one_of_its_address() -> None:
    connections = table("b", "a", "a", "a")
    assert connections.room_for("a") == (True, "a1")
    assert connections.room_for("b") == (True, None)
    connections.waiting("a1")
    assert connections.room_for("a") == (True, "a2"), "one that was answered has waited less"


def test_many_addresses_share_what_there_is_in_all() -> None:
    connections = table("a", "a", "b", "b", "c", "c")
    assert connections.room_for("d") == (True, "a1")


def test_one_that_is_being_answered_does_not_give_way() -> None:
    connections = table("a", "a", "a")
    connections.answering("a1")
    assert connections.room_for("a") == (True, "a2")
    connections.answering("a2")
    connections.answering("a3")
    assert connections.room_for("a") == (False, None)
    connections.remove("a2")
    assert connections.room_for("a") == (True, None) and len(connections) == 2


def test_lasting_connections_are_bounded_and_stay() -> None:
    connections = table("a", "a", "a", "b", "b")
    assert [connections.make_lasting(name) for name in ("a1", "a2", "a3", "b1", "b2")] == [
        True, True, False, True, False
    ]  # fmt: skip
    assert connections.room_for("a") == (True, "a3")
    assert not connections.make_lasting("gone")


def test_the_addresses_of_one_network_of_ipv6_count_as_one() -> None:
    connections = table("2001:db8::1", "2001:db8::2", "2001:db8:0:0:ffff::3")
    assert connections.room_for("2001:db8::4") == (True, "2001:db8::11")
    assert connections.room_for("2001:db8:0:1::4") == (True, None)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit of descriptors")
def test_a_process_with_few_descriptors_has_few_connections() -> None:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (160, hard))
        few = ConnectionLimits().within_descriptors()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert (few.in_all, few.per_address, few.lasting) == (20, 20, 10)
