"""Subscribers: where each sender gets its replies, and who is notified of every change. Pure: no socket, no clock."""

from __future__ import annotations

from collections.abc import Iterator

Sender = tuple[str, int]  # host and port

MAX_SUBSCRIBERS = 32
MAX_REPLY_ADDRESSES = 256  # senders that are answered at another port


class Subscribers:
    """Reply addresses and subscriptions, both bounded; the one that has been silent longest is dropped for a new one.

    A subscriber is known by its reply address.
    """

    def __init__(self) -> None:
        self._reply_addresses: dict[Sender, Sender] = {}
        self._subscribers: dict[Sender, None] = {}  # the longest silent first

    def __iter__(self) -> Iterator[Sender]:
        return iter(tuple(self._subscribers))

    def reply_address(self, sender: Sender) -> Sender:
        """Where ``sender`` wants its replies: the address it sends from, or the port that it named."""
        return self._reply_addresses.get(sender, sender)

    def set_reply_port(self, sender: Sender, port: int) -> None:
        """Reply to ``sender`` at ``port`` of its own host from now on; never at another host, so no host is flooded."""
        self._reply_addresses.pop(sender, None)
        if port == sender[1]:
            return
        if len(self._reply_addresses) >= MAX_REPLY_ADDRESSES:
            self._reply_addresses.pop(next(iter(self._reply_addresses)))
        self._reply_addresses[sender] = (sender[0], port)

    def mark_active(self, sender: Sender) -> None:
        """``sender`` has sent something."""
        address = self.reply_address(sender)
        if address in self._subscribers:
            self._subscribers[address] = self._subscribers.pop(address)

    def subscribe(self, sender: Sender) -> Sender | None:
        """Notify ``sender`` of every change; returns the subscriber that was dropped for it, if any."""
        address, dropped = self.reply_address(sender), None
        if address not in self._subscribers and len(self._subscribers) >= MAX_SUBSCRIBERS:
            dropped = next(iter(self._subscribers))
            del self._subscribers[dropped]
        self._subscribers.pop(address, None)
        self._subscribers[address] = None
        return dropped

    def unsubscribe(self, sender: Sender) -> None:
        """Notify ``sender`` no more."""
        self._subscribers.pop(self.reply_address(sender), None)
