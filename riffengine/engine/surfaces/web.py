"""WebSurface: the web server as the engine sees it: a process that is kept running and is never waited for.

Its death, its hanging and its absence change nothing but the page: messages that it does not read are not kept, and
when it reads again it gets the whole state.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from riffengine.control.surface import (
    CommandReplied,
    EngineEvent,
    LandingMoved,
    ParameterLanded,
    Surface,
    SurfaceContext,
)
from riffengine.engine.supervisor import Supervisor
from riffengine.engine.turns import turns
from riffengine.errors import ControlError
from riffengine.performance.command import Accepted, Command, Rejected, Value
from riffengine.processes.backoff import RestartPolicy
from riffengine.processes.silence import Silence
from riffengine.processes.web_figures import WebFigures
from riffengine.session.session import Session
from riffengine.session.web import WebSettings
from riffengine.web.access import prepare_tokens, tls_of
from riffengine.web.app_files import check_app
from riffengine.web.icecast_target import PASSWORD_VARIABLE, icecast_target
from riffengine.web.messages import (
    Alive,
    Answered,
    Changes,
    DeckFigures,
    Figures,
    FromWeb,
    Opened,
    Parameters,
    Promised,
    Refused,
    Submit,
    Told,
    ToWeb,
    WholeState,
)
from riffengine.web.options import WebOptions
from riffengine.web.process import WebProcess, WebStart

_TICK_SECONDS = 0.03
_FIGURES_EVERY = 7  # ticks
_HANGS_SECONDS = 10.0  # without a sign of life; a stopped process gets that long to go on
_START_SECONDS = 60.0  # to import what it needs, on a busy machine; twice as long after each start that took longer
_MOST_START_SECONDS = 960.0
MOST_BYTES = 1 << 30  # of memory of its own: with 96 loops for Riffusion's API it has some 400 MB
_MOST_UNSENT = 64  # messages; beyond them the server does not read, and gets the whole state later
_POLICY = RestartPolicy()


async def open_web(session: Session, context: SurfaceContext) -> Surface | None:
    """Open the web server if ``session`` wants it; ``ControlError`` when its settings are refused."""
    if not session.web.enabled or not context.tap:
        return None
    options = web_options(session.web)
    for path in (path for path in options.guest if path not in context.tree):
        raise ControlError(f"web: guest: there is no parameter {path}; name paths of `riffengine play --help` or /riff")
    surface = WebSurface(options, session, context)
    surface.start()
    return surface


def web_options(settings: WebSettings) -> WebOptions:
    """The options of the server; ``ControlError`` for what is refused: no tokens for others, files, an address."""
    tokens = prepare_tokens(settings.host, settings.tokens)
    tls_of(settings.certificate, settings.key)
    icecast = icecast_target(settings.icecast, os.environ.get(PASSWORD_VARIABLE, "")) if settings.icecast else None
    if settings.app:
        check_app(Path(settings.app))
    return WebOptions(
        settings.host, settings.port, settings.names, settings.origins, tokens, settings.guest, settings.certificate,
        settings.key, icecast, settings.app,
    )  # fmt: skip


class WebSurface(Surface):
    """The surface of all pages together. The event loop's thread."""

    def __init__(
        self,
        options: WebOptions,
        session: Session,
        context: SurfaceContext,
        process: Callable[[WebStart], WebProcess] = WebProcess,
    ) -> None:
        self._context = context
        self._started = WebStart(
            options=options,
            tap=context.tap,
            loops=context.loops,
            name=session.name,
            model=session.model,
            loop_beats=session.loop_beats,
            parameters=tuple(context.tree.parameters.values()),
            cache=session.pool.cache,
            cache_mb=session.pool.cache_mb,
        )
        self._process = process(self._started)
        self._supervisor: Supervisor[FromWeb] = Supervisor(
            self._process,
            _POLICY,
            context.clock,
            self._on_message,
            self._on_restart,
            self._on_lost,
            self._on_lost_for_good,
        )
        self._changed: dict[str, Value] = {}
        self._open = False  # whether this process has opened its port
        self._reads = False  # whether the server has said that it is there, and reads what it is sent
        self._silence = Silence(context.clock.now_ns())
        self._start_seconds = _START_SECONDS
        self._received = self._ticks = 0
        self._url = self._refusal = ""
        self._figures_heard = WebFigures()
        self._task: asyncio.Task[None] | None = None

    @property
    def received(self) -> int:
        """Commands that came in from pages."""
        return self._received

    @property
    def figures(self) -> WebFigures:
        """How the server is; all but the deaths are 0 while none runs."""
        running = self._supervisor.running and self._open
        pid = (self._process.pid or 0) if running else 0
        return replace(self._figures_heard, pid=pid, deaths=self._supervisor.deaths)

    def start(self) -> None:
        """Start the process; it says where it listens when it does."""
        self._silence.heard(self._context.clock.now_ns())
        self._supervisor.start()
        self._task = asyncio.get_running_loop().create_task(
            turns(_TICK_SECONDS, self._turn, "an error in the web page")
        )

    def close(self) -> None:
        """End the process."""
        if self._task is not None:
            self._task.cancel()
        self._supervisor.stop()
        self._process.close()

    # --- notifications of the engine ------------------------------------------------------------------------------

    def changed(self, path: str, value: Value) -> None:
        """``path`` became ``value``; sent with the next message, the newest value alone."""
        self._changed[path] = value

    def parameters_changed(self) -> None:
        """The parameters of a plugin have come or gone: pages get their controls, as does a new process."""
        parameters = tuple(self._context.tree.parameters.values())
        self._started = replace(self._started, parameters=parameters)
        self._process.options = replace(self._process.options, parameters=parameters)
        self._send(Parameters(parameters))
        self._send(Changes(dict(self._context.state().values)))

    def replied(self, event: CommandReplied) -> None:
        """Pages show every landing, whoever asked for the change."""
        reply = event.reply
        if isinstance(reply, Accepted) and reply.landing is not None and not event.routine:
            self._send(Promised(reply.landing, reply.value, reply.command.source))

    def landing_moved(self, event: LandingMoved) -> None:
        """A landing moved."""
        self._send(event)

    def landed(self, event: ParameterLanded) -> None:
        """A change is heard."""
        self._send(event)

    def event(self, event: EngineEvent) -> None:
        """Something happened that no performer asked for."""
        self._send(event)

    # --- to the process -------------------------------------------------------------------------------------------

    def _turn(self) -> None:
        self._ticks += 1
        self._supervisor.check()
        self._end_if_it_hangs()
        if self._open and not self._reads and not self._process.unsent:
            self._send_whole_state()
        elif self._reads and self._changed:
            changed, self._changed = self._changed, {}
            self._send(Changes(changed))
        if self._reads and self._ticks % _FIGURES_EVERY == 0:
            self._send(self._figures())

    def _figures(self) -> Figures:
        context = self._context
        assert context.now is not None
        frame, grid = context.now()
        progress = context.progress()
        decks = {
            name: DeckFigures(str(deck.phase), dict(deck.sounding), deck.loop, deck.coming, deck.coming_frame)
            for name, deck in progress.decks.items()
        }
        facts = dict(context.status())
        files = context.files_in_use()
        return Figures(frame, grid, decks, progress.scenes, progress.scene, progress.panicked, facts, files)

    def _send_whole_state(self) -> None:
        self._reads = True
        self._changed.clear()
        self._process.send(Parameters(self._started.parameters))
        self._process.send(WholeState(dict(self._context.state().values)))
        self._process.send(self._figures())

    def _send(self, message: ToWeb) -> None:
        """Send ``message``, unless the server does not read: then it will get the whole state instead."""
        if not self._reads:
            return
        if self._process.unsent >= _MOST_UNSENT:
            self._reads = False
            return
        self._process.send(message)

    # --- from the process -----------------------------------------------------------------------------------------

    def _on_message(self, message: FromWeb) -> None:
        self._silence.heard(self._context.clock.now_ns())
        match message:
            case Opened(url, port, note):
                # The next one takes the same port: pages connect again by themselves.
                self._process.options = replace(self._started, options=replace(self._started.options, port=port))
                if not self._url:
                    self._context.say(f"web: {url}" + (f"  {note}" if note else ""))
                self._url = url
                self._start_seconds = _START_SECONDS
                self._open, self._reads = True, False  # the whole state follows
            case Refused(reason, for_good):
                # One that served before is not given up: its port may be free again in a moment.
                if for_good and not self._url:
                    self._context.say(f"no web page: {reason}")
                    self._supervisor.stop()
                else:
                    self._refusal = reason
            case Submit(number, command):
                self._received += 1
                self._context.prepare(command, lambda: self._submit(number, command))
            case Told(text):
                self._context.report("web", text)
            case Alive(figures):
                self._figures_heard = figures
                self._end_if_it_grows(figures.private_bytes)

    def _submit(self, number: int, command: Command) -> None:
        reply = self._context.submit(command)
        if isinstance(reply, Accepted | Rejected):
            self._send(Answered(number, reply))

    def _on_restart(self) -> None:
        self._silence.heard(self._context.clock.now_ns())

    def _on_lost(self, reason: str, pause_seconds: float) -> None:
        self._open = self._reads = False
        self._figures_heard = WebFigures()
        if self._refusal:
            reason, self._refusal = f"could not start: {self._refusal}", ""
        self._context.report(
            "web", f"the web server {reason}; the music continues, a new one starts in {pause_seconds:g} s"
        )

    def _on_lost_for_good(self, reason: str) -> None:
        """Never called: the policy sets no limit."""

    def _end_if_it_hangs(self) -> None:
        silent_seconds = self._silence.seconds(self._context.clock.now_ns())
        if self._supervisor.running and silent_seconds > (_HANGS_SECONDS if self._open else self._start_seconds):
            if not self._open:  # a machine at a load of 50 needs more than half a minute: let the next one have it
                self._start_seconds = min(2 * self._start_seconds, _MOST_START_SECONDS)
            self._silence.heard(self._context.clock.now_ns())
            self._process.kill()

    def _end_if_it_grows(self, private_bytes: int) -> None:
        """A server that grows without end would take the memory of the set: a new one takes its place."""
        if private_bytes > MOST_BYTES:
            megabytes, most = private_bytes // 1_000_000, MOST_BYTES // 1_000_000
            self._context.report("web", f"the web server takes {megabytes} MB of memory, more than {most}")
            self._process.kill()
