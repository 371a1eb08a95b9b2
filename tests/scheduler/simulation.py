"""A conductor, and a player and a renderer that do exactly what they are told."""

import heapq

from riffengine.performance.command import Accepted, Command
from riffengine.performance.parameters import standard_tree
from riffengine.processes.player_messages import BankLanded, FreeLoop, LaunchBank, LoopFreed, PlaceLoop, SetControl
from riffengine.processes.render_messages import Cancel, Cancelled, Delivery, Failed, Ready, Render, RenderCost
from riffengine.scheduler.actions import Announce, Log, ToPlayerMessage, ToRendererMessage
from riffengine.scheduler.conductor import Conductor
from riffengine.transport.beat_grid import BeatGrid

RATE = 1000
READY = Ready("scripted", ("mix",), 1, (), 0.0, "")
BAR = 2000  # frames at 120 bpm


class SchedulerSimulation:
    """A conductor with simulated time, renderer, loop store and player."""

    def __init__(
        self, decks=("a",), render_seconds=0.4, slots=32, policy=None, stems=("mix",), file_hashes=None, **values
    ):
        tree = standard_tree(decks, stems, loop_beats=policy.loop_beats if policy else 8)
        self.stems = stems
        state = tree.initial_state()
        for path, value in values.items():
            state, reply = tree.apply(state, Command(path.replace("__", "/"), value))
            assert isinstance(reply, Accepted), reply
        self.conductor = Conductor(tree, state, BeatGrid(RATE, 120.0), decks, slots, policy, file_hashes=file_hashes)
        self.render_seconds = render_seconds
        self.frame = 0
        self.events = []
        self.order = 0
        self.running = None
        self.fail = lambda request: False
        self.renders = []  # (frame, request)
        self.player = []  # (frame, message)
        self.actions = []
        self.do(self.conductor.start(0))
        self.do(self.conductor.renderer_ready(0, READY))

    def later(self, frame, what):
        heapq.heappush(self.events, (frame, self.order, what))
        self.order += 1

    def do(self, actions):
        self.actions += [(self.frame, action) for action in actions]
        for action in actions:
            if isinstance(action, ToPlayerMessage):
                message = action.message
                self.player.append((self.frame, message))
                if isinstance(message, LaunchBank):
                    at = self.frame if message.at_frame is None else message.at_frame
                    self.later(at, BankLanded(message.deck, message.bank, at, message.at_frame))
                elif isinstance(message, FreeLoop):
                    slot = next(m.loop.slot for m in self.sent(PlaceLoop) if m.loop.loop == message.loop)
                    self.later(self.frame + 50, LoopFreed(message.loop, slot))
            elif isinstance(action, ToRendererMessage):
                self.tell_renderer(action.message)
        return actions

    def tell_renderer(self, message):
        if isinstance(message, Cancel):
            if self.running is not None and self.running.job == message.job:
                self.running = None
                self.later(self.frame + 1, Cancelled(message.job))
            return
        assert self.running is None, "two jobs in flight"
        self.running = message
        self.renders.append((self.frame, message.request))
        self.later(self.frame + round(self.render_seconds * RATE), message)

    def hear(self, event):
        if isinstance(event, BankLanded | LoopFreed):
            return self.conductor.reported(self.frame, event)
        if isinstance(event, Cancelled):
            return self.conductor.cancelled(self.frame, event)
        assert isinstance(event, Render)
        if self.running is not event:
            return []
        self.running = None
        if self.fail(event.request):
            return self.conductor.failed(self.frame, Failed(event.job, "no"))
        frames = event.request.beats * 500
        delivery = Delivery(event.job, event.slot, event.request, frames, 1, self.stems, -14.0, 0.3, RenderCost())
        return self.conductor.delivered(self.frame, delivery)

    def run_to(self, frame):
        while True:
            wakeup = self.conductor.next_wakeup(self.frame)
            due = [frame, *([wakeup] if wakeup else []), *([self.events[0][0]] if self.events else [])]
            self.frame = max(self.frame, min(due))
            while self.events and self.events[0][0] <= self.frame:
                self.do(self.hear(heapq.heappop(self.events)[2]))
            if wakeup is not None and wakeup <= self.frame:
                self.do(self.conductor.tick(self.frame))
            if self.frame >= frame:
                return self

    def send(self, path, value, source="test"):
        reply, actions = self.conductor.submit(Command(path, value, source), self.frame)
        self.do(actions)
        return reply

    def sent(self, kind):
        return [message for _, message in self.player if isinstance(message, kind)]

    def controls(self, name):
        return [message for message in self.sent(SetControl) if str(message.target) == name]

    @property
    def announced(self):
        return [action for _, action in self.actions if isinstance(action, Announce)]

    def status(self):
        return self.conductor.status(self.frame)


def actions_of(sim, kind):
    """Every action of the type ``kind`` so far."""
    return [action for _, action in sim.actions if isinstance(action, kind)]


def logs(sim, kind):
    return [action.values for _, action in sim.actions if isinstance(action, Log) and action.kind == kind]
