"""Playing a set from Python: ``play`` gives a ``Performance``, a context manager."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType

from riffengine.clock import SystemClock
from riffengine.control.surface import EngineEvent, ParameterLanded, Surface
from riffengine.engine import PlayOptions, run_play
from riffengine.errors import RiffError, SetEnded
from riffengine.performance.command import Accepted, Command, Landing, Reply, Value
from riffengine.session.named_files import find_preset
from riffengine.session.session import Session, load_session
from riffengine.telemetry.observation import Observation, Observer
from riffengine.telemetry.observers import Observers

SOURCE = "python"
_LANDINGS_KEPT = 1000
_ANSWER_SECONDS = 10.0  # the engine answers in milliseconds; it may be held up while a machine is overloaded


def play(
    preset: str | Path | Session,
    *,
    output: str | None = None,
    record: Path | str | None = None,
    journal: Path | str | None = None,
    osc: bool = False,
    midi: bool = False,
    model: str | None = None,
) -> Performance:
    """A performance of ``preset`` (its name, a file or a ``Session``), which begins at ``with`` or ``start()``.

    ``output`` is ``device``, ``paced`` (no sound device) or ``auto``; ``record`` is a .wav or .flac file, ``journal`` a
    file that keeps every command. The preset's OSC and MIDI are opened only with ``osc=True`` and ``midi=True``.

    The engine runs in a thread of this process, renderer and player in processes of their own. A script that plays
    must therefore guard its code with ``if __name__ == "__main__":``, since each new process imports the script.
    """
    session = preset if isinstance(preset, Session) else load_session(find_preset(str(preset)), model)
    audio = session.audio.with_given(output=output, record=None if record is None else Path(record))
    session = replace(
        session,
        audio=audio,
        osc=session.osc if osc else replace(session.osc, enabled=False),
        midi=session.midi if midi else replace(session.midi, enabled=False),
    )
    return Performance(session, None if journal is None else Path(journal))


class Performance:
    """A set that plays. All methods may be called from any thread but from a callback of this class.

    ``with play(...) as performance:`` starts it and fades out at the end. ``on_landing`` and ``on_event`` take
    functions that are called on the engine's thread: they must return at once.
    """

    def __init__(self, session: Session, journal: Path | None = None) -> None:
        self.session = session
        self.messages: list[str] = []
        """What the engine has reported to the performer, oldest first."""
        self._journal = journal
        self._link = _Link(self)
        self._landing_callbacks: list[Callable[[ParameterLanded], None]] = []
        self._event_callbacks: list[Callable[[EngineEvent], None]] = []
        self._changed = threading.Condition()
        self._landed: deque[ParameterLanded] = deque(maxlen=_LANDINGS_KEPT)
        self._observation: Observation | None = None
        self._status: int | None = None
        self._thread: threading.Thread | None = None

    # --- beginning and end ------------------------------------------------------------------------------------------

    def start(self, timeout_seconds: float = 60.0) -> Performance:
        """Start the engine and wait until its output runs. ``SetEnded`` with the reason if it ends before that."""
        if self._thread is not None:
            raise SetEnded("this performance was started before; make a new one with riffengine.play()")
        options = PlayOptions(journal=self._journal, surfaces=(self._link,))
        self._thread = threading.Thread(target=self._run, args=(options,), name="riffengine-engine", daemon=True)
        self._thread.start()
        if not self._wait(lambda: self._output_runs or self.ended, timeout_seconds):
            raise SetEnded(f"the engine did not start within {timeout_seconds:g} s")
        self._require_playing()
        return self

    def stop(self, timeout_seconds: float = 60.0) -> None:
        """Fade out, finish the recording and end every process. Does nothing if it has ended."""
        if self._thread is None:
            return
        self._link.request_stop()
        self._thread.join(timeout_seconds)
        if self._thread.is_alive():
            raise SetEnded(f"the engine did not end within {timeout_seconds:g} s")

    def __enter__(self) -> Performance:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def ended(self) -> bool:
        """Whether the engine has ended, by ``stop`` or by itself."""
        return self._status is not None

    # --- commands ---------------------------------------------------------------------------------------------------

    def set(self, path: str, value: Value) -> Reply:
        """Set the parameter at ``path``, for example ``deck/a/prompt``; at once, or with a landing.

        Returns ``Accepted``, whose ``landing`` names the beat on which the change is heard, or ``Rejected`` with the
        reason. Raises ``SetEnded`` when the set has ended.
        """
        return self._in_engine(lambda submit: submit(Command(path, value, SOURCE, SystemClock().now_ns())))

    def fire(self, path: str) -> Reply:
        """Fire the trigger at ``path``, for example ``next``, ``panic`` or ``undo``."""
        return self.set(path, True)

    # --- observing --------------------------------------------------------------------------------------------------

    @property
    def values(self) -> Mapping[str, Value]:
        """The value of every parameter by path, a tenth of a second old at most."""
        return {} if self._observation is None else self._observation.values

    @property
    def observation(self) -> Observation | None:
        """How the performance stands, a tenth of a second old at most; ``None`` before the first."""
        return self._observation

    def wait_until_sounding(self, timeout_seconds: float = 60.0) -> bool:
        """Wait for the first loop; false when it is not heard in time."""
        return self._wait(lambda: self._observation is not None and self._observation.sounding, timeout_seconds)

    def wait_for_landing(self, reply: Reply, timeout_seconds: float = 60.0) -> Landing | None:
        """Wait until the change of ``reply`` is heard; its real landing, or ``None`` when it is not heard in time.

        A change that was heard at once returns its landing at once.
        """
        if not isinstance(reply, Accepted) or reply.landing is None:
            return None
        if reply.landing.seconds <= 0.0:
            return reply.landing
        path, value, promised = reply.command.path, reply.value, reply.landing
        found: list[ParameterLanded] = []

        def new(landed: ParameterLanded) -> bool:
            asked_beat = promised.beat - promised.seconds * landed.moment.bpm / 60.0
            return landed.moment.beat > asked_beat

        def heard() -> bool:
            found[:] = [
                landed for landed in self._landed if (landed.path, landed.value) == (path, value) and new(landed)
            ]
            return bool(found)

        if not self._wait(heard, timeout_seconds):
            return None
        return Landing(path, found[-1].moment.beat, 0.0)

    def on_landing(self, callback: Callable[[ParameterLanded], None]) -> None:
        """Call ``callback`` for every change that is heard, on the engine's thread."""
        self._landing_callbacks.append(callback)

    def on_event(self, callback: Callable[[EngineEvent], None]) -> None:
        """Call ``callback`` for what nobody asked for, such as a renderer that ended, on the engine's thread."""
        self._event_callbacks.append(callback)

    # --- the engine's thread ----------------------------------------------------------------------------------------

    def _run(self, options: PlayOptions) -> None:
        status = 1
        try:
            status = run_play(self.session, options, Observers(None, [self._link.observer]))
        except RiffError as error:
            self.messages.append(str(error))
        finally:
            with self._changed:
                self._status = status
                self._link.submit = None
                self._changed.notify_all()

    def _wait(self, done: Callable[[], bool], timeout_seconds: float) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: done() or self.ended, timeout_seconds)
            return done()

    @property
    def _output_runs(self) -> bool:
        return self._observation is not None and bool(self._observation.output)

    def _require_playing(self) -> None:
        if self._thread is None:
            raise SetEnded("this performance has not been started; use `with` or call start()")
        if self._link.submit is None:
            reason = self.messages[-1] if self.messages else "it was stopped"
            raise SetEnded(f"the set has ended: {reason}")

    def _in_engine(self, act: Callable[[Callable[[Command], Reply]], Reply]) -> Reply:
        self._require_playing()
        submit, loop = self._link.submit, self._link.loop
        assert submit is not None and loop is not None
        answer: concurrent.futures.Future[Reply] = concurrent.futures.Future()

        def run() -> None:
            try:
                answer.set_result(act(submit))
            except Exception as error:  # noqa: BLE001 (it is raised again in the caller's thread)
                answer.set_exception(error)

        try:
            loop.call_soon_threadsafe(run)
        except RuntimeError:  # the loop has closed meanwhile
            raise SetEnded("the set has ended") from None
        return answer.result(_ANSWER_SECONDS)


class _Link(Surface):
    """What the engine tells a ``Performance``; on the engine's thread but for ``request_stop``."""

    def __init__(self, performance: Performance) -> None:
        self._performance = performance
        self.submit: Callable[[Command], Reply] | None = None
        self.loop: asyncio.AbstractEventLoop | None = None
        self._stop: Callable[[], None] | None = None
        self.observer = _Watcher(performance, self)

    def opened(self, submit: Callable[[Command], Reply], stop: Callable[[], None]) -> None:
        self.loop, self._stop = asyncio.get_running_loop(), stop
        with self._performance._changed:
            self.submit = submit
            self._performance._changed.notify_all()

    def request_stop(self) -> None:
        loop, stop = self.loop, self._stop
        if loop is not None and stop is not None and not self._performance.ended:
            try:
                loop.call_soon_threadsafe(stop)
            except RuntimeError:  # it has ended meanwhile
                return

    def landed(self, event: ParameterLanded) -> None:
        performance = self._performance
        with performance._changed:
            performance._landed.append(event)
            performance._changed.notify_all()
        for callback in performance._landing_callbacks:
            callback(event)

    def event(self, event: EngineEvent) -> None:
        for callback in self._performance._event_callbacks:
            callback(event)


class _Watcher(Observer):
    """Passes observations and messages on to a ``Performance``."""

    def __init__(self, performance: Performance, link: _Link) -> None:
        self._performance, self._link = performance, link

    def opened(self, submit: Callable[[Command], Reply], stop: Callable[[], None]) -> None:
        self._link.opened(submit, stop)

    def notified(self, text: str) -> None:
        self._performance.messages.append(text)

    def observed(self, observation: Observation) -> None:
        with self._performance._changed:
            self._performance._observation = observation
            self._performance._changed.notify_all()
