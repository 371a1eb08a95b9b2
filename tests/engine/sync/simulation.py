"""SyncSimulation: Conductor, TempoSync and a device on simulated time; every render takes half a second."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from riffengine.clock import VirtualClock
from riffengine.engine.sync.tempo_sync import Leader, TempoSync
from riffengine.performance.command import Accepted, Command, Landing, Reply
from riffengine.performance.parameter_tree import Checked
from riffengine.performance.parameters import standard_tree
from riffengine.performance.routing import Handler, handler_of
from riffengine.processes.player_messages import (
    BankLanded,
    FreeLoop,
    LaunchBank,
    LoopFreed,
    PlayerReady,
    SetGrid,
    Status,
)
from riffengine.processes.render_messages import Cancel, Cancelled, Delivery, Ready, Render, RenderCost
from riffengine.scheduler.actions import Action, Announce, Log, ToPlayerMessage, ToRendererMessage
from riffengine.scheduler.conductor import Conductor
from riffengine.transport.beat_grid import BeatGrid

RATE = 48000
BLOCK = 512
LATENCY = 0.01
TICK_FRAMES = 960  # 20 ms
SECOND = 1_000_000_000


class SyncSimulation:
    """Plays on a device whose clock runs ``drift`` too fast and whose reports jitter by ``jitter`` seconds (sd)."""

    def __init__(
        self,
        leaders: Mapping[str, Callable[[float], Leader]] | None = None,
        drift: float = 50e-6,
        jitter: float = 0.0005,
        start_stop: bool = False,
        tick_frames: int = TICK_FRAMES,
        latency: float = LATENCY,
        **values: Any,
    ) -> None:
        self.tree = standard_tree()
        state = self.tree.initial_state()
        for path, value in values.items():
            state, reply = self.tree.apply(state, Command(path.replace("__", "/"), value))
            assert isinstance(reply, Accepted), reply
        grid = BeatGrid(RATE, state.number("transport/tempo"))
        self.conductor = Conductor(self.tree, state, grid, ("a",), 32)
        self.clock = self.make_clock()
        self.sync = TempoSync(self.conductor, RATE, 8, self.clock, leaders or {}, start_stop)
        self.sync.player_ready(PlayerReady("simulated", RATE, BLOCK, latency))
        self._latency = latency
        self.begun_ns: float = SECOND
        self.frame = 0
        self.grids: list[SetGrid] = []
        self.ruling = grid
        self.sent: list[Any] = []
        self.said: list[str] = []  # of the leader
        self.announced: list[Landing] = []
        self.renders: list[tuple[int, float]] = []  # (frame, bpm of the loops)
        self._running: Render | None = None
        self._frame_ns = 1e9 / (RATE * (1 + drift))
        # Around their mean: how late reports are on average is a constant, and part of what the offset is for.
        self._late = jitter * np.random.default_rng(2).standard_normal(4096)
        self._marks = 0
        self._tick_frames = tick_frames
        self._events: list[tuple[int, int, Any]] = []
        self._order = 0
        self.do(self.conductor.start(0))
        self.do(self.conductor.renderer_ready(0, Ready("scripted", ("mix",), 1, (), 0.0, "")))

    def make_clock(self) -> VirtualClock:
        return VirtualClock()

    def heard_ns(self, frame: int) -> float:
        """The true time at which a frame is heard."""
        return self.begun_ns + frame * self._frame_ns + (self._latency + BLOCK / RATE) * 1e9

    def send(self, path: str, value: Any) -> Reply:
        command = Command(path, value, "test", self.clock.now_ns())
        checked = self.conductor.tree.checked(command)
        tempo = isinstance(checked, Checked) and handler_of(path) is Handler.TEMPO
        answered = self.sync.answer(checked.command, self.frame) if tempo else None
        reply, actions = answered or self.conductor.submit(command, self.frame)
        self.do([*actions, *self.sync.applied(reply, self.frame)])
        return reply

    def do(self, actions: list[Action]) -> None:
        for action in actions:
            if isinstance(action, ToPlayerMessage):
                message = action.message
                self.sent.append(message)
                if isinstance(message, SetGrid):
                    self.grids.append(message)
                    self._later(message.at_frame, message)
                elif isinstance(message, LaunchBank):
                    at = message.at_frame or self.frame
                    self._later(at, BankLanded(message.deck, message.bank, at, at))
                elif isinstance(message, FreeLoop):
                    slots = {m.loop.loop: m.loop.slot for m in self.sent if hasattr(m, "loop") and hasattr(m, "alpha")}
                    self._later(self.frame + 50, LoopFreed(message.loop, slots[message.loop]))
            elif isinstance(action, Announce):
                self.announced.append(action.landing)
            elif isinstance(action, Log) and action.kind == "sync":
                self.said.append(action.text)
            elif isinstance(action, ToRendererMessage):
                if isinstance(action.message, Render):
                    self._running = action.message
                    self._later(self.frame + RATE // 2, action.message)
                elif isinstance(action.message, Cancel) and self._running is not None:
                    self._running = None
                    self._later(self.frame + RATE // 50, Cancelled(action.message.job))

    def run(self, seconds: float, watch: Callable[[int], None] | None = None) -> None:
        end = self.frame + round(seconds * RATE)
        while self.frame < end:
            self.frame += self._tick_frames
            self.sync.player_status(Status(self.frame, self.pass_time(), 0, 0, 0.0, 0.0))
            while self._events and self._events[0][0] <= self.frame:
                self._happen(heapq.heappop(self._events)[2])
            self.do(self.conductor.tick(self.frame))
            self.do(self.sync.tick(self.frame))
            if watch is not None:
                watch(self.frame)

    def pass_time(self) -> int:
        """Go to the time of ``frame``; returns the time that the device reports for it, in nanoseconds."""
        self.clock.advance_to(round(self.begun_ns + self.frame * self._frame_ns))
        late = self._late[self._marks % len(self._late)]
        self._marks += 1
        return self.clock.now_ns() + round(late * 1e9)

    def _happen(self, event: Any) -> None:
        if isinstance(event, SetGrid):
            self.ruling = event.grid
        elif isinstance(event, Render):
            if self._running is not event:
                return
            request = event.request
            frames = round(8 * 60 / request.bpm * RATE)
            self.renders.append((self.frame, request.bpm))
            made = Delivery(event.job, event.slot, request, frames, 1, ("mix",), -14.0, 0.3, RenderCost())
            self._running = None
            self.do(self.conductor.delivered(self.frame, made))
        elif isinstance(event, Cancelled):
            self.do(self.conductor.cancelled(self.frame, event))
        else:
            self.do(self.conductor.reported(self.frame, event))

    def _later(self, frame: int, event: Any) -> None:
        heapq.heappush(self._events, (frame, self._order, event))
        self._order += 1
