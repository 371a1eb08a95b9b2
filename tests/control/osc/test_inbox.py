"""The queues of senders, of which one may be held until its command's file has been read."""

from riffengine.control.osc.inbox import Inbox

ONE, TWO = ("127.0.0.1", 9001), ("127.0.0.1", 9002)


def test_a_queue_held_in_the_last_turn_of_a_drain_gets_no_turn_in_the_next() -> None:
    inbox = Inbox()
    inbox.put(ONE, b"first", 0)
    for _, queue in inbox.turns():
        queue.datagrams.clear()
        queue.held = True
        break  # the budget of the drain is used up
    inbox.put(ONE, b"second", 1)
    inbox.put(TWO, b"other", 1)
    turns = []
    for sender, queue in inbox.turns():
        turns.append(sender)
        queue.datagrams.popleft()
    assert turns == [TWO]
    assert not inbox
    inbox.release(ONE)
    assert [sender for sender, queue in inbox.turns() if queue.datagrams.popleft()] == [ONE]
