"""ListenerLink: the process that hears captured bars, as the engine sees it; started when a deck first follows them."""

from __future__ import annotations

from collections.abc import Callable

from riffengine.clock import Clock
from riffengine.engine.process_link import ProcessLink
from riffengine.engine.supervisor import Supervisor
from riffengine.processes.backoff import RestartPolicy
from riffengine.processes.listen_messages import FromListener, Listen, NotHeard
from riffengine.renderer.listener import ListenerOptions, ListenerProcess

_POLICY = RestartPolicy((0.5, 2.0, 5.0), most_deaths=5, within_seconds=60.0)


class ListenerLink(ProcessLink[ListenerProcess]):
    """Asks the listener, and passes its answers to ``heard``. What it was asked before it died is not answered.

    ``say`` tells the performer. The event loop's thread.
    """

    def __init__(self, clock: Clock, heard: Callable[[FromListener], None], say: Callable[[str], None]) -> None:
        self._heard, self._say = heard, say
        self._wanted = False
        process = ListenerProcess(ListenerOptions())
        supervisor = Supervisor(
            process, _POLICY, clock, self._on_message, lambda: None, self._on_lost, self._on_given_up
        )
        super().__init__(process, supervisor)

    def ask(self, question: Listen) -> None:
        """Have bars heard; the first question starts the process."""
        if not self._wanted:
            self._wanted = True
            self.start()
        self._process.send(question)

    def stop(self) -> None:
        """End it for good."""
        self._supervisor.stop()
        self._process.stop()

    def _on_message(self, message: FromListener) -> None:
        if isinstance(message, NotHeard) and message.number == -1:
            self._on_given_up(message.reason)
        else:
            self._heard(message)

    def _on_lost(self, reason: str, pause_seconds: float) -> None:
        self._say(f"the listener to the sound input {reason}; it is started again in {pause_seconds:g} s")

    def _on_given_up(self, reason: str) -> None:
        self._supervisor.stop()
        self._say(f"key, chords and energy of the sound input are not followed any more: the listener {reason}")
