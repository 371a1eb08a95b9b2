"""OscDispatcher: turns the datagrams of each sender into commands and replies, one small step at a time.

The values that a sender sets are kept as pending for a moment, so that of several values for one path only the newest
is applied. Everything else (a question, a trigger, /riff/sync) waits until the pending values before it are applied:
a sender always finds its messages handled in the order in which it sent them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from riffengine.control.osc.address import ROOT, paths
from riffengine.control.osc.arguments import parameter_value
from riffengine.control.osc.inbox import PendingCommand, SenderQueue
from riffengine.control.osc.meta_addresses import MetaAddresses
from riffengine.control.osc.replies import REPLIES, OscCounters, OscReplies
from riffengine.control.osc.subscribers import Sender
from riffengine.control.osc.wire import OscRequest, decode, unix_seconds
from riffengine.control.surface import SurfaceContext
from riffengine.errors import ControlError, ParameterError, TooFarAhead
from riffengine.performance.command import Command

MAX_UNAPPLIED = 128  # datagrams read before the pending values among them are applied, however many more have come
_MOST_TOLD = 1000


class OscDispatcher:
    """Handles the queues of all senders; ``release`` lets one go on that was held. The event loop's thread."""

    def __init__(
        self,
        context: SurfaceContext,
        replies: OscReplies,
        counters: OscCounters,
        release: Callable[[Sender], None] = lambda sender: None,
    ) -> None:
        self._release = release
        self._context, self._replies, self._counters = context, replies, counters
        self._meta = MetaAddresses(context, replies, counters).handlers
        self._told: set[Sender] = set()  # that their bundles' times are unreasonable

    def step(self, sender: Sender, queue: SenderQueue) -> None:
        """Handle one message, or read one datagram, or apply one pending command."""
        if queue.requests:
            self._handle_next(sender, queue)
        elif queue.datagrams and not (queue.pending and queue.unapplied >= MAX_UNAPPLIED):
            self._read_datagram(sender, queue)
        else:
            self._apply_pending(sender, queue)

    def _read_datagram(self, sender: Sender, queue: SenderQueue) -> None:
        datagram, queue.stamp_ns = queue.datagrams.popleft()
        queue.unapplied += 1
        try:
            queue.requests.extend(decode(datagram))
        except ControlError as error:
            self._counters.garbage += 1
            self._replies.refuse(sender, "", str(error))

    def _handle_next(self, sender: Sender, queue: SenderQueue) -> None:
        """Handle the next message of ``queue``, or apply a pending command that goes before it."""
        request, done = queue.requests[0], True
        try:
            done = self._handle(request, sender, queue)
        except (ControlError, ParameterError) as error:
            self._counters.rejected += 1
            self._replies.refuse(sender, request.address, str(error))
        finally:  # what raises anything else must not be handled again and again
            if done:
                queue.requests.popleft()

    def _handle(self, request: OscRequest, sender: Sender, queue: SenderQueue) -> bool:
        """Handle ``request`` if it is its turn; whether it is done."""
        if request.address in REPLIES:
            self._counters.ignored += 1
            return True
        if request.problem:
            raise ControlError(request.problem)
        meta = self._meta.get(request.address)
        if meta is not None:
            return self._after_pending(sender, queue, lambda: meta(request, sender))
        matched = paths(request.address, self._context.tree, self._meta)
        if request.address != ROOT + matched[0]:  # a pattern: one request for each path takes its place
            if not request.arguments:
                matched = self._that_answer(request.address, matched)
            queue.requests.popleft()
            queue.requests.extendleft(
                OscRequest(ROOT + path, request.arguments, request.time_tag) for path in reversed(matched)
            )
            return False
        parameter = self._context.tree[matched[0]]
        if not request.arguments and parameter.kind != "trigger":
            return self._after_pending(sender, queue, lambda: self._answer_value(sender, parameter.path))
        value, note = parameter_value(request, parameter)
        command = Command(parameter.path, value, f"osc:{sender[0]}:{sender[1]}", queue.stamp_ns)
        pending = PendingCommand(command, request.address, note)
        if request.time_tag:
            try:
                if self._schedule(sender, pending, unix_seconds(request.time_tag)):
                    return True
            except TooFarAhead as error:
                pending = replace(pending, note=self._once(sender, f"done at once: {error}") or note)
        if parameter.kind == "trigger":
            return self._after_pending(sender, queue, lambda: self._apply(sender, pending))
        self._counters.superseded += queue.pending.pop(parameter.path, None) is not None
        queue.pending[parameter.path] = pending
        return True

    def _that_answer(self, pattern: str, matched: Sequence[str]) -> Sequence[str]:
        """The paths that a pattern without a value asks for: whoever looks around must not fire panic or undo."""
        asked = [path for path in matched if self._context.tree[path].kind != "trigger"]
        if not asked:
            raise ControlError(f"{pattern} without a value asks, and matches triggers alone; send 1 to fire them")
        return asked

    def _after_pending(self, sender: Sender, queue: SenderQueue, act: Callable[[], None]) -> bool:
        """Act if nothing is pending, otherwise apply one pending command; whether it has acted."""
        if queue.pending:
            self._apply_pending(sender, queue)
            return False
        act()
        return True

    def _apply_pending(self, sender: Sender, queue: SenderQueue) -> None:
        """Apply the oldest pending command, if there is one."""
        path = next(iter(queue.pending), None)
        pending = queue.pending.pop(path) if path is not None else None
        if not queue.pending:
            queue.unapplied = 0
        if pending is None:
            return

        def apply() -> None:
            if queue.held:
                self._release(sender)
            self._apply(sender, pending)

        queue.held = not self._context.prepare(pending.command, apply)

    def _apply(self, sender: Sender, pending: PendingCommand) -> None:
        reply = self._context.submit(pending.command)
        self._replies.command_reply(sender, reply, pending.address, pending.note)

    def _schedule(self, sender: Sender, pending: PendingCommand, seconds: float) -> bool:
        """Keep ``pending`` until ``seconds``; false when that has passed or there is no schedule: it acts now."""
        if self._context.schedule is None:
            return False
        landing = self._context.schedule(
            pending.command,
            seconds,
            lambda reply: self._replies.command_reply(sender, reply, pending.address, pending.note),
        )
        if landing is None:
            self._counters.late += 1
            return False
        self._counters.scheduled += 1
        self._replies.reply(sender, ROOT + "scheduled", landing.path, float(landing.beat), float(landing.seconds))
        return True

    def _once(self, sender: Sender, text: str) -> str:
        """``text`` the first time that ``sender`` gives a reason for it, then ""."""
        if sender in self._told:
            return ""
        if len(self._told) >= _MOST_TOLD:
            self._told.clear()
        self._told.add(sender)
        return text

    def _answer_value(self, sender: Sender, path: str) -> None:
        self._replies.reply(sender, ROOT + path, self._context.state()[path])
