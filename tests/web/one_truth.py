"""Random hands on MIDI, OSC and a page at once, and what the dashboard and the page show of it, on simulated time.

Conductor and scenes, the surfaces, what the page is sent and the dashboard's panels are the real ones. Simulated are
time, the renderer, and the processes: bytes are handed to the MIDI and OSC servers, messages to the web surface. The
web server dies now and then; the page then gets the whole state.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from riffengine.clock import Clock
from riffengine.control.midi.binding import Binding
from riffengine.control.midi.controllers import MidiSetup
from riffengine.control.midi.server import MidiServer
from riffengine.control.osc.address import ROOT
from riffengine.control.osc.server import OscServer
from riffengine.control.osc.wire import encode
from riffengine.control.surface import SurfaceContext
from riffengine.dashboard import panels
from riffengine.engine.surfaces.registry import Surfaces
from riffengine.engine.surfaces.web import WebSurface
from riffengine.performance.command import Command, Reply, Value
from riffengine.performance.parameter_tree import Parameter
from riffengine.scheduler.actions import Action, Announce, Applied, ChangeLanded
from riffengine.session.session import Session
from riffengine.web.messages import Answered, Opened, Submit, ToWeb
from riffengine.web.options import WebOptions
from riffengine.web.process import WebProcess, WebStart
from riffengine.web.projection import Projection
from tests.dashboard.observations import RATE, SimulatedSet
from tests.engine.surfaces.test_web import FakeServer
from tests.web.simulated_time import SimulatedLoop, simulate

STEP_SECONDS = 0.1
LOOKS = 4
QUIET_SECONDS = 0.5  # for the last message to reach the page: it is sent values 33 times a second, figures 5 times
PROMPTS = ("techno", "dub, warm pad", "jazz with piano", "ambient", "<b>house</b>", "ünïcode 猫")
OTHERS = ("record", "midi", "cue", "learn")  # are answered by parts of the engine that are not here
BINDINGS = (
    Binding("crossfader", "cc", 1, port="box", takeover="jump"),
    *(Binding(f"deck/{deck}/{name}", "cc", 10 * n + m, port="box", takeover="jump")
      for n, deck in enumerate("ab", 1) for m, name in enumerate(("alpha", "gain", "filter", "density"))),
    *(Binding(f"deck/{deck}/mute", "note", 40 + n, port="box") for n, deck in enumerate("ab")),
    *(Binding(f"deck/{deck}/prompt", "note", 50 + 10 * n, port="box", values=PROMPTS[:4])
      for n, deck in enumerate("ab")),
    Binding("scene/recall", "program", 0, port="box", values=("1", "2")),
    Binding("undo", "note", 90, port="box"),
    Binding("next", "note", 91, port="box"),
)  # fmt: skip


class LoopClock(Clock):
    """The clock of a simulated loop."""

    def __init__(self, loop: SimulatedLoop) -> None:
        self._loop = loop

    def now_ns(self) -> int:
        return round(self._loop.time() * 1e9)


class PlayedSet(SimulatedSet):
    """A set whose surfaces are told of everything, as the engine tells them."""

    surfaces: Surfaces | None = None

    def submit(self, command: Command) -> Reply:
        reply, actions = self.scene_player.submit(command, self.frame)
        if self.surfaces is not None:
            self.surfaces.replied(self.conductor.moment(self.frame), reply, self.conductor.state)
        self._carry_out(actions)
        return reply

    def _carry_out(self, actions: Sequence[Action]) -> None:
        super()._carry_out(actions)
        if self.surfaces is None:
            return
        for action in actions:
            match action:
                case Announce(landing, source):
                    self.surfaces.landing_moved(self.conductor.moment(self.frame), landing, source)
                case Applied():
                    self.surfaces.replied(action.moment, action.reply, self.conductor.state, action.routine)
                case ChangeLanded():
                    moment = self.conductor.moment(action.frame)
                    self.surfaces.landed(moment, action.path, action.value, action.source)


class ProjectedServer(FakeServer):
    """A web server's process that shows one page what the engine says. ``values`` are those that the page has."""

    def __init__(self, start: WebStart) -> None:
        super().__init__(start)
        self.values: dict[str, Value] = {}
        self.figures: dict[str, Any] = {}
        self.answers = 0
        self._projection = Projection(start, RATE)
        self._options = start

    def start(self) -> None:
        super().start()
        self._projection = Projection(self._options, RATE)  # a new process knows nothing
        self.say(Opened("http://127.0.0.1:9480/", 9480))

    def send(self, message: ToWeb) -> None:
        if not self.lives:
            return
        self.answers += isinstance(message, Answered)
        told = self._projection.handle(message)
        if told is None:
            return
        told = json.loads(json.dumps(told, allow_nan=False))  # as the page gets it
        if told["type"] == "changes":
            self.values |= told["values"]
        elif told["type"] == "figures":
            self.figures = told


@dataclass
class Findings:
    """What was compared, and every difference."""

    gestures: dict[str, int] = field(default_factory=lambda: {"MIDI": 0, "OSC": 0, "page": 0})
    comparisons: int = 0
    deaths: int = 0
    differences: list[str] = field(default_factory=list)


class Hands:
    """Random gestures on all surfaces of ``played``; some are nonsense."""

    def __init__(
        self, played: PlayedSet, page: ProjectedServer, midi: MidiServer, osc: OscServer, clock: Clock
    ) -> None:
        self._played, self._page, self._midi, self._osc, self._clock = played, page, midi, osc, clock
        tree = played.conductor.tree
        self._parameters = [p for p in tree.parameters.values() if p.path.split("/")[0] not in OTHERS]
        self._number = 0

    def move(self, chance: random.Random, findings: Findings) -> None:
        """One gesture of one hand."""
        hand = chance.choice(("MIDI", "OSC", "page"))
        findings.gestures[hand] += 1
        if hand == "MIDI":
            self._midi.handle(self._message(chance), "box", self._clock.now_ns())
            return
        parameter = chance.choice(self._parameters)
        value = _value(parameter, chance)
        if hand == "OSC":
            self._osc.receive(encode(ROOT + parameter.path, value), ("127.0.0.1", 9001))
            self._osc.handle_waiting(self._clock.now_ns())
        elif self._page.lives:
            self._number += 1
            self._page.say(Submit(self._number, Command(parameter.path, value, "web:1", self._clock.now_ns())))

    def _message(self, chance: random.Random) -> tuple[int, ...]:
        kind = chance.random()
        if kind < 0.7:
            return (0xB0, chance.choice([1, *range(10, 14), *range(20, 24)]), chance.randrange(128))
        if kind < 0.9:
            return (0x90, chance.choice([40, 41, 90, 91, *range(50, 54), *range(60, 64)]), chance.randrange(1, 128))
        return (0xC0, chance.randrange(4)) if kind < 0.97 else tuple(chance.randbytes(3))


def _value(parameter: Parameter, chance: random.Random) -> Value:
    if chance.random() < 0.05:
        return chance.choice(("nonsense", -1e9, 1e9, 77))
    match parameter.kind:
        case "bool":
            return chance.random() < 0.5
        case "trigger":
            return True
        case "choice":
            return chance.choice(parameter.choices)
        case "str":
            return chance.choice((*PROMPTS, "", "Am F C G", "1"))
        case "int":
            return chance.randint(round(max(parameter.low, -100)), round(min(parameter.high, 1000)))
    return chance.uniform(max(parameter.low, -100.0), min(parameter.high, 1000.0))


async def _play(loop: SimulatedLoop, seconds: float, seed: int, findings: Findings) -> None:
    chance, clock, played = random.Random(seed), LoopClock(loop), PlayedSet()
    conductor = played.conductor
    context = SurfaceContext(
        conductor.tree, clock, played.submit, lambda: conductor.state,
        progress=lambda: conductor.progress(played.scene_player.book),
        now=lambda: (played.frame, conductor.grid),
    )  # fmt: skip
    pages: list[ProjectedServer] = []

    def process(start: WebStart) -> WebProcess:
        pages.append(ProjectedServer(start))
        return pages[0]

    web = WebSurface(WebOptions(), Session(loop_beats=8), context, process)
    midi, osc = MidiServer(context, MidiSetup(bindings=BINDINGS)), OscServer(context)
    osc.replies.send = lambda datagram, to: True
    played.surfaces = surfaces = Surfaces(Session(), lambda text: None)
    for surface in (web, midi, osc):
        surfaces.join(surface)
    web.start()
    hands = Hands(played, pages[0], midi, osc, clock)
    try:
        next_look, next_death = 5.0, 40.0
        while loop.time() < seconds:
            for _ in range(chance.randrange(4)):
                hands.move(chance, findings)
            await _pass(played, STEP_SECONDS)
            if loop.time() > next_death:
                next_death += chance.uniform(10.0, 120.0)
                findings.deaths += 1
                pages[0].kill()
            if loop.time() > next_look and pages[0].lives:
                next_look += chance.uniform(1.0, 10.0)
                await _pass(played, QUIET_SECONDS)
                await _agree(played, pages[0], findings)
    finally:
        surfaces.close()


async def _pass(played: PlayedSet, seconds: float) -> None:
    """Let ``seconds`` pass, for the set and for the messages alike."""
    for _ in range(round(seconds / 0.05)):
        played.play(0.05)
        await asyncio.sleep(0.05)


async def _agree(played: PlayedSet, page: ProjectedServer, findings: Findings) -> None:
    """Both must show the same within a few looks: a tempo may land just between two figures."""
    findings.comparisons += 1
    for _ in range(LOOKS):
        differences = _differences(played, page)
        if not differences:
            return
        await _pass(played, STEP_SECONDS)
    findings.differences += differences


def _differences(played: PlayedSet, page: ProjectedServer) -> list[str]:
    """The page's values are those of the state, and the dashboard draws the same with them as with its own."""
    found = []
    own = played.observation()
    for path, value in own.values.items():
        if page.values.get(path) != value:
            found.append(f"{played.frame / RATE:.1f} s: {path} is {value!r}, page: {page.values.get(path)!r}")
    theirs = replace(own, values={path: page.values.get(path, value) for path, value in own.values.items()})
    for drawn in (_screen(own), _screen(theirs)):
        if drawn != _screen(own):
            found.append(f"the dashboard shows\n{_screen(own)}\nand with the page's values\n{drawn}")
    figures = page.figures
    facts = (own.conductor.moment.bpm, own.scene, own.conductor.panicked, list(own.scenes))
    shown = (figures["grid"]["bpm"], figures["scene"], figures["panicked"], figures["scenes"])
    if facts != shown:
        found.append(f"tempo, scene, panic, scenes are {facts}, page: {shown}")
    return found


def _screen(observation: Any) -> str:
    """The dashboard's text of what performers set."""
    lines = [panels.header(observation, 200)]
    for status in observation.conductor.decks:
        lines += panels.deck(observation, status, False, 200)
    lines += panels.sound(observation, observation.activity, 200)
    return "\n".join(line.plain for line in lines)


def compare(seconds: float, seed: int) -> Findings:
    """Play for ``seconds`` of simulated time."""
    findings = Findings()
    simulate(lambda loop: _play(loop, seconds, seed, findings))
    return findings
