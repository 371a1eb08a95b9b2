"""MetaAddresses: the addresses below /riff that are no parameter: notify, proof, sync, status and help."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict

from riffengine.control.osc.address import ROOT
from riffengine.control.osc.arguments import port_number, single_argument, whole_number
from riffengine.control.osc.replies import OscCounters, OscReplies
from riffengine.control.osc.subscribers import Sender
from riffengine.control.osc.wire import OscRequest, encode
from riffengine.control.surface import SurfaceContext
from riffengine.errors import WrongType
from riffengine.performance.command import Value

META_ADDRESSES = {
    "notify": ("i", "1 sends every value now, and every change from now on, to your address; 0 ends it"),
    "proof": ("i", "Sends back the number that /riff/prove asked for: your address is sent everything from then on"),
    "sync": ("i", "Answered by /riff/synced when everything sent before has been handled"),
    "status": ("N", "Answered by /riff/status.reply name value …"),
    "help": ("s", "Answered by /riff/help.reply path kind allowed help"),
}
"""Their OSC type and what they do, as OSCQuery shows it."""


class MetaAddresses:
    """Answers them. ``handlers`` maps each address to what answers it, which may raise a ``RiffError``."""

    def __init__(self, context: SurfaceContext, replies: OscReplies, counters: OscCounters) -> None:
        self.handlers: Mapping[str, Callable[[OscRequest, Sender], None]] = {
            ROOT + "notify": self._notify,
            ROOT + "proof": self._proof,
            ROOT + "sync": self._sync,
            ROOT + "status": self._status,
            ROOT + "help": self._help,
        }
        self._context, self._replies, self._counters = context, replies, counters

    def _notify(self, request: OscRequest, sender: Sender) -> None:
        subscribers = self._replies.subscribers
        wanted, *rest = request.arguments or (None,)
        if not isinstance(wanted, bool | int | float) or wanted not in (0, 1) or len(rest) > 1:
            raise WrongType(f"{request.address} takes 1 to subscribe or 0 to end it, and a port for the replies")
        if rest:
            port = port_number(request, rest[0])
            if self._replies.is_self((sender[0], port)):
                raise WrongType(f"{request.address}: {port} is the engine's own port; name the one that you listen on")
            subscribers.set_reply_port(sender, port)
        if not wanted:
            subscribers.unsubscribe(sender)
            self._replies.reply(sender, ROOT + "notified", 0)
            return
        self._replies.subscribe(sender)
        self._replies.reply(sender, ROOT + "notified", 1)
        budget, now_ns = self._replies.budget, self._replies.clock.now_ns()
        if not budget.is_trusted(sender[0], now_ns):
            self._replies.reply(sender, ROOT + "prove", budget.question(sender[0], now_ns))
        self._send_values(sender)

    def _proof(self, request: OscRequest, sender: Sender) -> None:
        replies = self._replies
        if not replies.budget.prove(sender[0], whole_number(request), replies.clock.now_ns()):
            raise WrongType(f"{request.address} takes the number that /riff/prove has sent to your address")
        if replies.subscribers.is_subscribed(sender):
            self._send_values(sender)

    def _send_values(self, sender: Sender) -> None:
        state = self._context.state()
        for parameter in self._context.tree.values:
            self._replies.reply(sender, ROOT + parameter.path, state[parameter.path])

    def _sync(self, request: OscRequest, sender: Sender) -> None:
        self._replies.reply(sender, ROOT + "synced", whole_number(request))

    def _status(self, request: OscRequest, sender: Sender) -> None:
        revision = self._context.state().revision
        figures: dict[str, Value] = {"revision": revision, **asdict(self._counters), **self._context.status()}
        self._replies.reply(sender, ROOT + "status.reply", *(word for figure in figures.items() for word in figure))

    def _help(self, request: OscRequest, sender: Sender) -> None:
        tree, path = self._context.tree, single_argument(request, "")
        if not isinstance(path, str):
            raise WrongType(f"{request.address} takes the path of a parameter, or nothing for all")
        chosen = [tree[path.removeprefix(ROOT)]] if path else tree.parameters.values()
        answers = (
            encode(ROOT + "help.reply", parameter.path, parameter.kind, parameter.allowed, parameter.help)
            for parameter in chosen
        )
        self._replies.reply_packed(sender, list(answers))
