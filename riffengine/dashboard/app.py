"""Dashboard: the screen. Ten times a second it draws what the engine has said last; keys become commands.

Runs in the dashboard's process. ``ask`` takes commands on their way to the engine and must not wait.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import ClassVar

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal
from textual.widgets import Input, Static

from riffengine.clock import Clock
from riffengine.dashboard import panels
from riffengine.dashboard.wire import Answered, Fading, FromDashboard, Quit, Said, ToDashboard
from riffengine.performance.command import Accepted, Command, Value
from riffengine.telemetry.observation import Observation

ALPHA_STEP = 0.05
FADER_STEP = 0.05
GAIN_STEP_DB = 1.0
DRAW_SECONDS = 0.1
SOURCE = "dashboard"
_LOG_LINES = 200
_ROOMY_LINES = 18  # of everything but the decks; with less there are no empty lines

HELP = (
    "←→ alpha  ↑↓ deck  [ ] crossfade  n next  m mute  1-9 stems  +- gain  t tap\n"
    "p/o prompt/to  s/S scene  u/U undo/redo  r rec  l save last  ! panic  q quit"
)


class Dashboard(App[None]):
    """One performance on a terminal of 80 × 24 or more. ``take`` gives it what the engine says."""

    TITLE = "riffengine"
    ENABLE_COMMAND_PALETTE = False
    AUTO_FOCUS = ""  # keys are gestures until a prompt is asked for
    CSS = """
    Screen { layout: vertical; }
    #header { height: 1; background: $boost; }
    #decks { height: auto; margin-top: 1; }
    #sound { height: 3; margin-top: 1; }
    #middle { height: 5; margin-top: 1; }
    #landings { width: 1fr; } #ear { width: 42; }
    #log { height: 1fr; min-height: 1; margin-top: 1; color: $text-muted; }
    #answer { height: 1; }
    #entry { height: 1; border: none; padding: 0; display: none; }
    #help { height: 2; background: $boost; }
    .tight #decks, .tight #sound, .tight #middle, .tight #log { margin-top: 0; }
    """
    # All of priority: the app itself takes them, one after the other, so that what is typed right behind a p is the
    # prompt and no gesture, however busy the machine.
    BINDINGS: ClassVar = [
        Binding("left", "alpha(-1)", show=False, priority=True),
        Binding("right", "alpha(1)", show=False, priority=True),
        Binding("up", "choose(-1)", show=False, priority=True),
        Binding("down", "choose(1)", show=False, priority=True),
        Binding("left_square_bracket", "fader(-1)", show=False, priority=True),
        Binding("right_square_bracket", "fader(1)", show=False, priority=True),
        Binding("plus,equals_sign", "gain(1)", show=False, priority=True),
        Binding("minus", "gain(-1)", show=False, priority=True),
        Binding("n", "fire('next')", show=False, priority=True),
        Binding("s", "fire('scene/next')", show=False, priority=True),
        Binding("S", "fire('scene/previous')", show=False, priority=True),
        Binding("t", "fire('transport/tap')", show=False, priority=True),
        Binding("u", "fire('undo')", show=False, priority=True),
        Binding("U", "fire('redo')", show=False, priority=True),
        Binding("l", "fire('record/save_last')", show=False, priority=True),
        Binding("exclamation_mark", "fire('panic')", show=False, priority=True),
        Binding("m", "mute", show=False, priority=True),
        *(Binding(str(n), f"stem({n})", show=False, priority=True) for n in range(1, 10)),
        Binding("r", "record", show=False, priority=True),
        Binding("p", "enter('prompt')", show=False, priority=True),
        Binding("o", "enter('to')", show=False, priority=True),
        Binding("escape", "leave", show=False, priority=True),
        Binding("q", "stop", show=False, priority=True),
        Binding("ctrl+c,ctrl+q", "end", show=False, priority=True),
    ]

    def __init__(self, ask: Callable[[FromDashboard], None], clock: Clock) -> None:
        super().__init__()
        self._ask, self._clock = ask, clock
        self._seen: Observation | None = None
        self._moving: dict[str, float] = {}  # what a knob was set to before the engine has said so
        self._activity: Mapping[str, int] = {}
        self._chosen = 0
        self._entering = ""
        self._answer = Text("")
        self._said: deque[str] = deque(maxlen=_LOG_LINES)
        self._shown: dict[str, tuple[object, ...]] = {}

    def compose(self) -> ComposeResult:
        """The regions, from top to bottom (called by textual)."""
        yield Static(id="header")
        yield Static(id="decks")
        yield Static(id="sound")
        with Horizontal(id="middle"):
            yield Static(id="landings")
            yield Static(id="ear")
        yield Static(id="log")
        yield Static(id="answer")
        yield Input(id="entry", compact=True, disabled=True)
        yield Static(HELP, id="help")

    def on_mount(self) -> None:
        """The screen is there (called by textual)."""
        self.set_interval(DRAW_SECONDS, self.draw)
        self.set_focus(None)
        self.draw()

    # --- what the engine says -----------------------------------------------------------------------------------------

    def take(self, message: ToDashboard) -> None:
        """Keep it for the next drawing."""
        match message:
            case Observation():
                self._activity = self._seen.activity if self._seen is not None else message.activity
                self._seen = message
                self._moving.clear()
            case Said(text):
                self._said.append(text)
            case Answered(reply):
                command = reply.command
                if isinstance(reply, Accepted):
                    landing = reply.landing
                    where = f", lands on beat {landing.beat:g}" if landing is not None and landing.seconds > 0 else ""
                    note = f"; {reply.note}" if reply.note else ""
                    self._answer = Text(f"{command.path}: {_shown(reply.value)}{where}{note}", panels.GOOD)
                else:
                    self._answer = Text(reply.reason, panels.BAD)
            case Fading():
                self._answer = Text("fading out … q again ends at once", panels.WARN)

    def draw(self) -> None:
        """Draw what is known and has changed."""
        if not self.query("#header"):  # the screen is coming or going
            return
        width, seen = self.size.width, self._seen
        if seen is None:
            self._show("header", Text(" riffengine: waiting for the engine …"))
        else:
            decks = seen.conductor.decks
            shown = [panels.deck(seen, d, n == self._chosen, width) for n, d in enumerate(decks)]
            self.screen.set_class(self.size.height < _ROOMY_LINES + 2 * len(decks), "tight")
            self._show("header", panels.header(seen, width))
            self._show("decks", *(line for lines in shown for line in lines))
            self._show("sound", *panels.sound(seen, self._activity, width))
            self._show("landings", *panels.landings(seen, 5, max(20, width - 43)))
            self._show("ear", *panels.latency(seen, 42))
        log = self.query_one("#log", Static)
        latest = list(self._said)[-max(1, log.size.height) :]
        self._show("log", *(panels.fitted(Text(text), width) for text in latest))
        self._show("answer", panels.fitted(self._answer, width))

    def _show(self, name: str, *lines: Text) -> None:
        """What is as it was is left alone, and only other heights are laid out anew: a third of the CPU."""
        before = self._shown.get(name, ())
        now = tuple((line.plain, line.style, tuple(line.spans)) for line in lines)  # Text's own == knows no style
        if now != before:
            self._shown[name] = now
            self.query_one(f"#{name}", Static).update(panels.stacked(lines), layout=len(now) != len(before))

    # --- keys ---------------------------------------------------------------------------------------------------------

    def action_choose(self, step: int) -> None:
        """The next deck, or the one before."""
        if self._seen is not None:
            self._chosen = (self._chosen + step) % len(self._seen.conductor.decks)
            self.draw()

    def action_alpha(self, step: int) -> None:
        """Turn the chosen deck's alpha."""
        self._turn(f"deck/{self._deck}/alpha", step * ALPHA_STEP, 0.0, 1.0)

    def action_fader(self, step: int) -> None:
        """Move the crossfader."""
        self._turn("crossfader", step * FADER_STEP, 0.0, 1.0)

    def action_gain(self, step: int) -> None:
        """Raise or lower the chosen deck."""
        self._turn(f"deck/{self._deck}/gain", step * GAIN_STEP_DB, -60.0, 6.0)

    def action_mute(self) -> None:
        """Mute the chosen deck, or let it be heard again."""
        path = f"deck/{self._deck}/mute"
        if self._seen is not None:
            self._send(path, not self._seen.values.get(path, False))

    def action_stem(self, number: int) -> None:
        """Mute the chosen deck's stem of this number, or let it be heard again."""
        stems = panels.stems(self._seen.values, self._deck) if self._seen is not None else []
        if number <= len(stems):
            path = f"deck/{self._deck}/stem/{stems[number - 1]}/mute"
            self._send(path, not (self._seen is not None and self._seen.values.get(path, False)))
        else:
            self._answer = Text(f"deck {self._deck} has {len(stems)} stems: {', '.join(stems)}", panels.WARN)

    def action_record(self) -> None:
        """Begin a recording, or finish it."""
        recording = self._seen is not None and bool(self._seen.recording)
        self._send("record/stop" if recording else "record/start", True)

    def action_fire(self, path: str) -> None:
        """Press a button of the tree."""
        self._send(path, True)

    def action_enter(self, name: str) -> None:
        """Ask for a prompt."""
        if self._seen is None:
            return
        entry = self.query_one("#entry", Input)
        self._entering = f"deck/{self._deck}/{name}"
        entry.value = str(self._seen.values.get(self._entering, ""))
        entry.placeholder = self._entering
        entry.disabled = False
        entry.styles.display = "block"
        self.set_focus(entry)  # at once; entry.focus() would come after the next keys
        self._answer = Text(f"{self._entering}: Enter sends it, Escape leaves it as it is", panels.WARN)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """The prompt is written (called by textual)."""
        path = self._entering
        self.action_leave()
        if path:
            self._send(path, event.value)

    def action_leave(self) -> None:
        """Leave the entry as it was."""
        if self._entering:
            self._answer = Text("")
        self._entering = ""
        entry = self.query_one("#entry", Input)
        entry.styles.display = "none"
        self.set_focus(None)
        entry.disabled = True

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """While a prompt is written keys are letters, but for those that leave and end (called by textual)."""
        return action == "end" or (action == "leave") == bool(self._entering)

    def action_end(self) -> None:
        """Fade out and end, also while a prompt is written."""
        self.action_stop()

    def action_stop(self) -> None:
        """Fade out and end."""
        self._answer = Text("fading out … q again ends at once", panels.WARN)
        self._ask(Quit())

    @property
    def _deck(self) -> str:
        return self._seen.conductor.decks[self._chosen].deck if self._seen is not None else "a"

    def _turn(self, path: str, step: float, low: float, high: float) -> None:
        if self._seen is None:
            return
        now = self._moving.get(path, float(self._seen.values.get(path, 0.0)))
        self._moving[path] = round(min(high, max(low, now + step)), 4)
        self._send(path, self._moving[path])

    def _send(self, path: str, value: Value) -> None:
        self._ask(Command(path, value, SOURCE, self._clock.now_ns()))


def _shown(value: Value) -> str:
    return ("on" if value else "off") if isinstance(value, bool) else str(value)
