"""Dashboard: the screen. It draws the engine's last message ten times a second and turns keys into commands.

Runs in the dashboard's process. ``send_to_engine`` passes messages to the engine and must not block.
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
from riffengine.dashboard.wire import CommandReply, FadeOutStarted, FromDashboard, Notice, StopRequested, ToDashboard
from riffengine.errors import plain
from riffengine.performance.command import Accepted, Command, Value
from riffengine.performance.gain import LOUDEST_DB, SILENT_DB
from riffengine.processes.parameter_path import stems_of
from riffengine.telemetry.observation import Observation
from riffengine.transport.beat_grid import rounded

ALPHA_STEP = 0.05
FADER_STEP = 0.05
GAIN_STEP_DB = 1.0
DRAW_SECONDS = 0.1
SOURCE = "dashboard"
_LOG_LINES = 200
_LEAST_SIZE = 80, 24  # columns and lines
_ROOMY_LINES = 18  # everything except the decks; a smaller terminal gets no empty lines

HELP = (
    "←→ alpha  ↑↓ deck  [ ] crossfade  n next  m mute  1-9 stems  +- gain  t tap\n"
    "p/o prompt/to  s/S scene  u/U undo/redo  r rec  l save last  ! panic  q quit"
)


class Dashboard(App[None]):
    """One performance on a terminal of 80 × 24 or more. ``receive`` takes the engine's messages."""

    TITLE = "riffengine"
    ENABLE_COMMAND_PALETTE = False
    AUTO_FOCUS = ""  # keys are gestures until a prompt is being typed
    CSS = """
    Screen { layout: vertical; }
    #header { height: 1; background: $boost; }
    #decks { height: auto; margin-top: 1; }
    #sound { height: 3; margin-top: 1; }
    #middle { height: 5; margin-top: 1; }
    #landings { width: 1fr; } #latency { width: 42; }
    #log { height: 1fr; min-height: 1; margin-top: 1; color: $text-muted; }
    #answer { height: 1; }
    #entry { height: 1; border: none; padding: 0; display: none; }
    #help { height: 2; background: $boost; }
    .tight #decks, .tight #sound, .tight #middle, .tight #log { margin-top: 0; }
    """
    # All have priority: the app itself handles keys one after the other, so that characters typed right after p belong
    # to the prompt and are no gestures, even on a busy machine.
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

    def __init__(self, send_to_engine: Callable[[FromDashboard], None], clock: Clock) -> None:
        super().__init__()
        self._send_to_engine, self._clock = send_to_engine, clock
        self._observation: Observation | None = None
        self._unconfirmed: dict[str, float] = {}  # values sent, until an observation confirms them
        self._activity: Mapping[str, int] = {}
        self._selected = 0
        self._prompt_path = ""
        self._answer = Text("")
        self._notices: deque[str] = deque(maxlen=_LOG_LINES)
        self._drawn: dict[str, tuple[object, ...]] = {}

    def compose(self) -> ComposeResult:
        """The regions from top to bottom (called by textual)."""
        yield Static(id="header")
        yield Static(id="decks")
        yield Static(id="sound")
        with Horizontal(id="middle"):
            yield Static(id="landings")
            yield Static(id="latency")
        yield Static(id="log")
        yield Static(id="answer")
        yield Input(id="entry", compact=True, disabled=True)
        yield Static(HELP, id="help")

    def on_mount(self) -> None:
        """The screen is ready (called by textual)."""
        self.set_interval(DRAW_SECONDS, self.draw)
        self.set_focus(None)
        self.draw()

    # --- messages from the engine -------------------------------------------------------------------------------------

    def receive(self, message: ToDashboard) -> None:
        """Keep the message for the next drawing."""
        match message:
            case Observation():
                self._activity = self._observation.activity if self._observation is not None else message.activity
                self._observation = message
                self._unconfirmed.clear()
            case Notice(text):
                self._notices.append(plain(text))
            case CommandReply(reply):
                command = reply.command
                if isinstance(reply, Accepted):
                    landing = reply.landing
                    where = (
                        f", lands on beat {rounded(landing.beat)}"
                        if landing is not None and landing.seconds > 0
                        else ""
                    )
                    note = f"; {reply.note}" if reply.note else ""
                    answer = f"{command.path}: {_value_text(reply.value)}{where}{note}"
                    self._answer = Text(plain(answer), panels.GOOD)
                else:
                    self._answer = Text(plain(reply.reason), panels.BAD)
            case FadeOutStarted():
                self._answer = Text("fading out … press q again to end at once", panels.WARN)

    def draw(self) -> None:
        """Draw the regions that have changed."""
        if not self.query("#header"):  # the screen is not mounted
            return
        width, observation = self.size.width, self._observation
        if observation is None:
            self._update_region("header", Text(" riffengine: waiting for the engine …"))
        else:
            decks = observation.conductor.decks
            shown = [panels.deck(observation, d, n == self._selected, width) for n, d in enumerate(decks)]
            self.screen.set_class(self.size.height < _ROOMY_LINES + 2 * len(decks), "tight")
            self._update_region("header", panels.header(observation, width))
            self._update_region("decks", *(line for lines in shown for line in lines))
            self._update_region("sound", *panels.sound(observation, self._activity, width))
            self._update_region("landings", *panels.landings(observation, 5, max(20, width - 43)))
            self._update_region("latency", *panels.latency(observation, 42))
        log = self.query_one("#log", Static)
        latest = list(self._notices)[-max(1, log.size.height) :]
        self._update_region("log", *(panels.fitted(Text(text), width) for text in latest))
        self._update_region("answer", panels.fitted(self._answer if self._answer else self._too_small(), width))

    def _too_small(self) -> Text:
        """What to do where the terminal is too small to show everything; empty where it is not."""
        columns, lines = self.size
        if columns >= _LEAST_SIZE[0] and lines >= _LEAST_SIZE[1]:
            return Text("")
        return Text(
            "this terminal has {} × {}; enlarge it to {} × {}".format(columns, lines, *_LEAST_SIZE), panels.WARN
        )

    def _update_region(self, name: str, *lines: Text) -> None:
        """Update the region if its lines changed; lay it out only if its height changed: a third of the CPU load."""
        before = self._drawn.get(name, ())
        now = tuple((line.plain, line.style, tuple(line.spans)) for line in lines)  # == of Text ignores the style
        if now != before:
            self._drawn[name] = now
            self.query_one(f"#{name}", Static).update(panels.joined(lines), layout=len(now) != len(before))

    # --- keys ---------------------------------------------------------------------------------------------------------

    def action_choose(self, step: int) -> None:
        """Select the next or the previous deck."""
        if self._observation is not None:
            self._selected = (self._selected + step) % len(self._observation.conductor.decks)
            self.draw()

    def action_alpha(self, step: int) -> None:
        """Change the selected deck's alpha."""
        self._step_value(f"deck/{self._deck}/alpha", step * ALPHA_STEP, 0.0, 1.0)

    def action_fader(self, step: int) -> None:
        """Move the crossfader."""
        self._step_value("crossfader", step * FADER_STEP, 0.0, 1.0)

    def action_gain(self, step: int) -> None:
        """Change the selected deck's gain."""
        self._step_value(f"deck/{self._deck}/gain", step * GAIN_STEP_DB, SILENT_DB, LOUDEST_DB)

    def action_mute(self) -> None:
        """Mute or unmute the selected deck."""
        path = f"deck/{self._deck}/mute"
        if self._observation is not None:
            self._send_command(path, not self._observation.values.get(path, False))

    def action_stem(self, number: int) -> None:
        """Mute or unmute stem ``number`` of the selected deck."""
        stems = stems_of(self._observation.values, self._deck) if self._observation is not None else ()
        if number <= len(stems):
            path = f"deck/{self._deck}/stem/{stems[number - 1]}/mute"
            self._send_command(path, not (self._observation is not None and self._observation.values.get(path, False)))
        else:
            self._answer = Text(f"deck {self._deck} has {len(stems)} stems: {', '.join(stems)}", panels.WARN)

    def action_record(self) -> None:
        """Start or stop a recording."""
        recording = self._observation is not None and bool(self._observation.recording)
        self._send_command("record/stop" if recording else "record/start", True)

    def action_fire(self, path: str) -> None:
        """Send a trigger of the parameter tree."""
        self._send_command(path, True)

    def action_enter(self, name: str) -> None:
        """Open the input line for a prompt."""
        if self._observation is None:
            return
        entry = self.query_one("#entry", Input)
        self._prompt_path = f"deck/{self._deck}/{name}"
        entry.value = str(self._observation.values.get(self._prompt_path, ""))
        entry.placeholder = self._prompt_path
        entry.disabled = False
        entry.styles.display = "block"
        self.set_focus(entry)  # takes effect at once; entry.focus() would follow the next keys
        self._answer = Text(f"{self._prompt_path}: Enter sends it, Escape keeps the old text", panels.WARN)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """The prompt is complete (called by textual)."""
        path = self._prompt_path
        self.action_leave()
        if path:
            self._send_command(path, event.value)

    def action_leave(self) -> None:
        """Close the input line without sending."""
        if self._prompt_path:
            self._answer = Text("")
        self._prompt_path = ""
        entry = self.query_one("#entry", Input)
        entry.styles.display = "none"
        self.set_focus(None)
        entry.disabled = True

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """While a prompt is typed, only the keys that leave and end act (called by textual)."""
        return action == "end" or (action == "leave") == bool(self._prompt_path)

    def action_end(self) -> None:
        """Fade out and end, also while a prompt is typed."""
        self.action_stop()

    def action_stop(self) -> None:
        """Fade out and end."""
        self._answer = Text("fading out … press q again to end at once", panels.WARN)
        self._send_to_engine(StopRequested())

    @property
    def _deck(self) -> str:
        return self._observation.conductor.decks[self._selected].deck if self._observation is not None else "a"

    def _step_value(self, path: str, step: float, low: float, high: float) -> None:
        if self._observation is None:
            return
        now = self._unconfirmed.get(path, float(self._observation.values.get(path, 0.0)))
        self._unconfirmed[path] = round(min(high, max(low, now + step)), 4)
        self._send_command(path, self._unconfirmed[path])

    def _send_command(self, path: str, value: Value) -> None:
        self._send_to_engine(Command(path, value, SOURCE, self._clock.now_ns()))


def _value_text(value: Value) -> str:
    return ("on" if value else "off") if isinstance(value, bool) else str(value)
