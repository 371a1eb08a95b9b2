from __future__ import annotations

from riffengine.transport.event_queue import MAX_ENTRIES, MAX_ENTRIES_EACH, EventQueue


def test_entries_come_in_order_of_time_and_then_of_entry() -> None:
    queue: EventQueue[str] = EventQueue()
    for due, item in [(30, "c"), (10, "a"), (30, "d"), (20, "b")]:
        assert queue.enter(due, "me", item)
    assert queue.take(9) == []
    assert queue.take(20) == [(10, "a"), (20, "b")]
    assert queue.take(1000) == [(30, "c"), (30, "d")]
    assert len(queue) == 0


def test_one_sender_cannot_use_up_the_space_of_the_others() -> None:
    queue: EventQueue[int] = EventQueue()
    assert all(queue.enter(n, "flood", n) for n in range(MAX_ENTRIES_EACH))
    assert not queue.enter(0, "flood", 0)
    assert queue.enter(0, "other", 0)
    queue.take(0)
    assert queue.enter(5, "flood", 0), "what was taken makes room"
    for sender in range(MAX_ENTRIES // MAX_ENTRIES_EACH + 1):
        for n in range(MAX_ENTRIES_EACH):
            queue.enter(n, str(sender), n)
    assert len(queue) == MAX_ENTRIES
    queue.take(MAX_ENTRIES_EACH)
    assert queue.room("flood") == MAX_ENTRIES_EACH
