"""AnswerBudget: how much the OSC server sends to a host, so that nobody can turn it against another. Pure.

UDP does not prove where a datagram comes from. Somebody who writes another machine's address into it would have our
answers sent there, which may be hundreds of times as long as the question. So a host is sent at most three times what
came from it, as QUIC does before an address is validated (RFC 9000, section 8), and a small allowance, until it has
proved that it receives: it is sent a number, and sends it back. This machine needs no proof, for such datagrams do not
reach it from outside, nor does a host that the performer has named; what they are sent is bounded too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from riffengine.control.osc.subscribers import Sender

PER_BYTE = 3  # bytes of answers for each byte that came in
MAX_KNOWN = 256  # hosts, and addresses, whose budgets are kept
PROOF_SECONDS = 600.0  # of silence, after which a host proves itself again


@dataclass(frozen=True)
class Allowance:
    """What a host is sent beyond ``PER_BYTE``: ``most`` bytes at once, and ``per_second`` that come back to it."""

    most: float
    per_second: float


TRUSTED = Allowance(256 * 1024, 128 * 1024)
UNPROVEN = Allowance(4096, 8)
ALL_UNPROVEN = Allowance(32 * 1024, 512)  # of all such hosts together, however many addresses one invents


class _Bucket:
    def __init__(self, allowance: Allowance, now_ns: int) -> None:
        self.allowance, self.left, self._then_ns = allowance, allowance.most, now_ns

    def refill(self, now_ns: int) -> None:
        added = (now_ns - self._then_ns) / 1e9 * self.allowance.per_second
        self.left, self._then_ns = min(self.allowance.most, self.left + added), now_ns


class _Account:
    """What one address may be sent; of hosts without proof all ports together."""

    def __init__(self, allowance: Allowance, now_ns: int) -> None:
        self.earned = 0.0  # bytes that it may be sent because of what came from it
        self.allowed = _Bucket(allowance, now_ns)


class _Host:
    def __init__(self, trusted: bool, now_ns: int) -> None:
        self.trusted = trusted
        self.number = 0  # that it must send back; 0: none was sent yet
        self.heard_ns = now_ns


class AnswerBudget:
    """The budgets of all addresses. ``trusts`` says which hosts need no proof, ``number`` draws what one sends back.

    Each port of a trusted host has a budget of its own: a program that asks for much takes nothing from the others.
    """

    def __init__(self, trusts: Callable[[str], bool], number: Callable[[], int]) -> None:
        self._trusts, self._draw = trusts, number
        self._hosts: dict[str, _Host] = {}  # the one that was heard least recently first
        self._accounts: dict[Sender, _Account] = {}  # the one that was used least recently first
        self._shared: _Bucket | None = None

    def received(self, sender: Sender, size: int, now_ns: int) -> None:
        """A datagram of ``size`` bytes came from ``sender``, or from somebody who says so."""
        self._host(sender[0], now_ns).heard_ns = now_ns
        account = self._account(sender, now_ns)
        account.earned = min(TRUSTED.most, account.earned + PER_BYTE * size)

    def admits(self, address: Sender, size: int, now_ns: int) -> bool:
        """Whether ``size`` bytes may be sent to ``address`` now; if so, they are taken off its budget."""
        account = self._account(address, now_ns)
        if account.earned >= size:
            account.earned -= size
            return True
        account.allowed.refill(now_ns)
        missing = size - account.earned
        if account.allowed.left < missing:
            return False
        if not (self.is_trusted(address[0], now_ns) or self._is_left_for_all(missing, now_ns)):
            return False
        account.earned = 0.0
        account.allowed.left -= missing
        return True

    def is_trusted(self, host: str, now_ns: int) -> bool:
        """Whether ``host`` needs no proof, or has given it."""
        return self._host(host, now_ns).trusted

    def question(self, host: str, now_ns: int) -> int:
        """The number that ``host`` has to send back as its proof."""
        known = self._host(host, now_ns)
        if not known.number:
            known.number = self._draw()
        return known.number

    def prove(self, host: str, number: object, now_ns: int) -> bool:
        """Whether ``number`` is the one that was sent to ``host``; then it is trusted from now on."""
        known = self._host(host, now_ns)
        if not known.number or number != known.number or isinstance(number, bool):
            return False
        known.trusted = True
        return True

    def _host(self, host: str, now_ns: int) -> _Host:
        known = self._hosts.pop(host, None)
        if known is None or (now_ns - known.heard_ns > PROOF_SECONDS * 1e9 and not self._trusts(host)):
            while len(self._hosts) >= MAX_KNOWN:
                self._hosts.pop(next(iter(self._hosts)))
            known = _Host(self._trusts(host), now_ns)
        self._hosts[host] = known
        return known

    def _account(self, address: Sender, now_ns: int) -> _Account:
        trusted = self.is_trusted(address[0], now_ns)
        key = address if trusted else (address[0], 0)
        account = self._accounts.pop(key, None)
        if account is None:
            while len(self._accounts) >= MAX_KNOWN:
                self._accounts.pop(next(iter(self._accounts)))
            account = _Account(TRUSTED if trusted else UNPROVEN, now_ns)
        self._accounts[key] = account
        return account

    def _is_left_for_all(self, size: float, now_ns: int) -> bool:
        if self._shared is None:
            self._shared = _Bucket(ALL_UNPROVEN, now_ns)
        self._shared.refill(now_ns)
        if self._shared.left < size:
            return False
        self._shared.left -= size
        return True
