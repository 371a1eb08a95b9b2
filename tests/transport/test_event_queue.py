from __future__ import annotations

from riffengine.transport.event_queue import MAX_ENTRIES, MAX_ENTRIES_EACH, EventQueue


def test_entries_come_in_order_of_time_and_then_of_entry() -> None:
    agenda: EventQueue[str] = EventQueue()
    for due, item in [(30, "c"), (10, "a"), (30, "d"), (20, "b")]:
        assert agenda.enter(due, "me", item)
    assert agenda.take(9) == []
    assert agenda.take(20) == [(10, "a"), (20, "b")]
    assert agenda.take(1000) == [(30, "c"), (30, "d")]
    assert len(agenda) == 0


def test_one_sender_cannot_use_up_the_space_of_the_others() -> None:
    agenda: EventQueue[int] = EventQueue()
    assert all(agenda.enter(n, "flood", n) for n in range(MAX_ENTRIES_EACH))
    assert not agenda.enter(0, "flood", 0)
    assert agenda.enter(0, "other", 0)
    agenda.take(0)
    assert agenda.enter(5, "flood", 0), "what was taken makes room"
    for sender in range(MAX_ENTRIES // MAX_ENTRIES_EACH + 1):
        for n in range(MAX_ENTRIES_EACH):
            agenda.enter(n, str(sender), n)
    assert len(agenda) == MAX_ENTRIES
    agenda.take(MAX_ENTRIES_EACH)
    assert agenda.room("flood") == MAX_ENTRIES_EACH
