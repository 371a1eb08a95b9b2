"""Subscribers: where each sender gets its replies, and who is notified of every change. Pure: no socket, no clock."""

from __future__ import annotations

from collections.abc import Callable, Iterator

Sender = tuple[str, int]  # host and port

MAX_SUBSCRIBERS = 32
MAX_REPLY_ADDRESSES = 256  # senders that are answered at another port
SILENT_SECONDS = 300.0  # after which a subscription from another machine ends


class Subscribers:
    """Reply addresses and subscriptions, both bounded; the one that has been silent longest is dropped for a new one.

    A subscriber is known by its reply address. One at another host ends when nothing has come from it for
    ``SILENT_SECONDS``, for somebody else may have asked in its name; ``is_local`` says which hosts are this machine.
    """

    def __init__(self, is_local: Callable[[str], bool] = lambda host: True) -> None:
        self.has_place: Callable[[Sender], bool] = lambda sender: False  # who makes no room for others
        self._is_local = is_local
        self._asked_by: dict[Sender, Sender] = {}  # who subscribed each
        self._reply_addresses: dict[Sender, Sender] = {}
        self._subscribers: dict[Sender, int] = {}  # when each was heard, in ns; the longest silent first

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

    def mark_active(self, sender: Sender, now_ns: int) -> None:
        """``sender`` has sent something."""
        address = self.reply_address(sender)
        if address in self._subscribers:
            del self._subscribers[address]
            self._subscribers[address] = now_ns

    def end_silent(self, now_ns: int) -> list[Sender]:
        """Drop and return the subscribers at other hosts that have been silent for too long."""
        silent = []
        for address, heard_ns in self._subscribers.items():
            if now_ns - heard_ns < SILENT_SECONDS * 1e9:
                break
            if not self._is_local(address[0]):
                silent.append(address)
        for address in silent:
            del self._subscribers[address], self._asked_by[address]
        return silent

    def subscribe(self, sender: Sender, now_ns: int) -> Sender | None:
        """Notify ``sender`` of every change; returns the subscriber that was dropped for it, if any."""
        address, dropped = self.reply_address(sender), None
        if address not in self._subscribers and len(self._subscribers) >= MAX_SUBSCRIBERS:
            silent = [known for known in self._subscribers if not self.has_place(self._asked_by[known])]
            dropped = next(iter(silent or self._subscribers))
            del self._subscribers[dropped], self._asked_by[dropped]
        self._subscribers.pop(address, None)
        self._subscribers[address] = now_ns
        self._asked_by[address] = sender
        return dropped

    def is_subscribed(self, sender: Sender) -> bool:
        """Whether ``sender`` is notified of changes."""
        return self.reply_address(sender) in self._subscribers

    def unsubscribe(self, sender: Sender) -> None:
        """Notify ``sender`` no more."""
        self._subscribers.pop(self.reply_address(sender), None)
        self._asked_by.pop(self.reply_address(sender), None)
