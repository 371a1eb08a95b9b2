"""EngineThread: the engine on a thread of this process, and the caller's functions on another one."""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import multiprocessing
import queue
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from riffengine.control.surface import EngineEvent, ParameterLanded, Surface
from riffengine.engine import PlayOptions, run_play
from riffengine.errors import RiffError, SetEnded
from riffengine.performance.command import Command, Reply
from riffengine.session.session import Session
from riffengine.telemetry.observation import Observation, Observer, Submit
from riffengine.telemetry.observers import Observers

_KEPT = 1000  # landings, and messages: those of some minutes
_ANSWER_SECONDS = 10.0  # the engine answers in milliseconds; it may be held up while a machine is overloaded

T = TypeVar("T")


class CallbackThread:
    """Calls the caller's functions one at a time and in order, on a thread of its own: a slow one delays no music.

    A function that raises is logged with its traceback, and called again the next time.
    """

    def __init__(self) -> None:
        self._calls: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="riffengine-callbacks", daemon=True)

    def start(self) -> None:
        """Begin to call."""
        self._thread.start()

    def put(self, callback: Callable[[T], object], argument: T) -> None:
        """Call ``callback(argument)`` soon; from any thread."""

        def call() -> None:
            callback(argument)

        self._calls.put(call)

    def close(self) -> None:
        """Take no more calls; those that wait are still made."""
        self._calls.put(None)

    def join(self, timeout_seconds: float) -> None:
        """Wait until all calls are made, unless a callback asks for it."""
        if threading.current_thread() is not self._thread and self._thread.ident is not None:
            self._thread.join(timeout_seconds)

    def _run(self) -> None:
        while (call := self._calls.get()) is not None:
            try:
                call()
            except Exception:  # the caller's own error: it must end neither the set nor the callbacks after it
                logging.getLogger("riffengine").exception("a callback of the performance failed")


class EngineThread(Surface, Observer):
    """Runs the engine; its public methods may be called from any thread.

    As ``Surface`` and ``Observer`` it is called on the engine's thread. ``updated`` is notified when ``observation`` or
    ``landed`` has changed, and at the end.
    """

    def __init__(self, session: Session, journal: Path | None) -> None:
        self.updated = threading.Condition()
        self.observation: Observation | None = None
        self.landed_events: deque[ParameterLanded] = deque(maxlen=_KEPT)
        self.messages: deque[str] = deque(maxlen=_KEPT)
        self.landing_callbacks: list[Callable[[ParameterLanded], object]] = []
        self.event_callbacks: list[Callable[[EngineEvent], object]] = []
        self.failure: Exception | None = None  # why it ended, if not because it was asked to
        self._session, self._journal = session, journal
        self._callbacks = CallbackThread()
        # Not a daemon: at the end of a script that forgot to stop, Python waits until the set has faded out.
        self._thread = threading.Thread(target=self._run, name="riffengine-engine", daemon=False)
        self._submit: Submit | None = None
        self._stop: Callable[[], None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop_asked = self._over = False
        self._unanswered: set[concurrent.futures.Future[Reply]] = set()

    @property
    def started(self) -> bool:
        """Whether ``start`` was called."""
        return self._thread.ident is not None

    @property
    def ended(self) -> bool:
        """Whether the engine has ended, asked or not."""
        return self._over

    def start(self) -> None:
        """Start the engine; ``SetEnded`` in a process that only imports the script to become renderer or player."""
        # What multiprocessing itself looks at before it refuses to start a process from there.
        if getattr(multiprocessing.current_process(), "_inheriting", False):
            raise SetEnded(
                "a set is played by processes that import this script: put what the script does below "
                '`if __name__ == "__main__":`'
            )
        if self.started:
            raise SetEnded("this performance was started before; make a new one with riffengine.play()")
        self._callbacks.start()
        self._thread.start()

    def submit(self, command: Command) -> Reply:
        """The engine's reply to ``command``; ``SetEnded`` when there is no engine to answer."""
        answer: concurrent.futures.Future[Reply] = concurrent.futures.Future()
        with self.updated:
            submit, loop = self._submit, self._loop
            if submit is None or loop is None:
                raise self.ending_error()
            self._unanswered.add(answer)

        def run() -> None:
            try:
                answer.set_result(submit(command))
            except Exception as error:  # noqa: BLE001 (it is raised again in the caller's thread)
                answer.set_exception(error)

        try:
            if not self._call_on_loop(loop, run):
                raise self.ending_error()
            return answer.result(_ANSWER_SECONDS)
        except TimeoutError:
            raise SetEnded(f"the engine did not answer within {_ANSWER_SECONDS:g} s") from None
        finally:
            with self.updated:
                self._unanswered.discard(answer)

    def request_stop(self) -> None:
        """Ask the engine to fade out; ask again for an end without a fade."""
        with self.updated:
            self._stop_asked = True
            loop, stop = self._loop, self._stop
        if loop is not None and stop is not None:
            self._call_on_loop(loop, stop)

    @staticmethod
    def _call_on_loop(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> bool:
        """Have the engine's thread make ``call``; false when its loop has closed meanwhile."""
        try:
            loop.call_soon_threadsafe(call)
        except RuntimeError:
            return False
        return True

    def join(self, timeout_seconds: float) -> bool:
        """Wait for the end of the engine and of the callbacks; false when it has not come in time."""
        if self.started:
            self._thread.join(timeout_seconds)
            if not self._thread.is_alive():
                self._callbacks.join(timeout_seconds)
        return not self._thread.is_alive()

    def wait(self, done: Callable[[], bool], timeout_seconds: float | None) -> bool:
        """Wait until ``done``, asked whenever something has changed; false at the end of the set or of the time."""
        with self.updated:
            self.updated.wait_for(lambda: done() or self._over, timeout_seconds)
            return done()

    def ending_error(self) -> SetEnded:
        """What to raise where a set that plays is needed."""
        if not self.started:
            return SetEnded("this performance has not been started; use `with` or call start()")
        return SetEnded(f"the set has ended: {self.failure or 'it was stopped'}")

    def raise_failure(self) -> None:
        """Raise why the set ended by itself, if it did: an error of the tree."""
        if isinstance(self.failure, RiffError):
            raise self.failure
        if self.failure is not None:
            raise SetEnded(f"{type(self.failure).__name__}: {self.failure}") from self.failure

    # --- on the engine's thread -------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            options = PlayOptions(journal=self._journal, surfaces=(self,))
            status = run_play(self._session, options, Observers(None, [self]))
            if status:
                reason = self.messages[-1] if self.messages else "the reason is not known"
                self.failure = SetEnded(reason.removeprefix("riffengine: "))
        except Exception as error:  # noqa: BLE001 (raised again in the thread that starts or stops the set)
            self.failure = error
        finally:
            with self.updated:
                self._over, self._submit, self._stop, self._loop = True, None, None, None
                for answer in self._unanswered:
                    if not answer.done():
                        answer.set_exception(self.ending_error())
                self.updated.notify_all()
            self._callbacks.close()

    def opened(self, submit: Submit, stop: Callable[[], None]) -> None:
        """Commands are taken from now on."""
        with self.updated:
            self._loop, self._submit, self._stop = asyncio.get_running_loop(), submit, stop
            self.updated.notify_all()
            stop_asked = self._stop_asked
        if stop_asked:
            stop()

    def notified(self, text: str) -> None:
        """Keep the message."""
        self.messages.append(text)

    def observed(self, observation: Observation) -> None:
        """Keep the state; stop when the script has ended without ``stop``."""
        with self.updated:
            self.observation = observation
            self.updated.notify_all()
        if self._stop is not None and not self._stop_asked and not threading.main_thread().is_alive():
            self._stop_asked = True
            self._stop()

    def landed(self, event: ParameterLanded) -> None:
        """Keep the landing and report it."""
        with self.updated:
            self.landed_events.append(event)
            self.updated.notify_all()
        for callback in tuple(self.landing_callbacks):
            self._callbacks.put(callback, event)

    def event(self, event: EngineEvent) -> None:
        """Report the event."""
        for callback in tuple(self.event_callbacks):
            self._callbacks.put(callback, event)
