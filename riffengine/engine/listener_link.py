"""ListenerLink: the process that hears captured bars, as the engine sees it; started when a deck first follows them."""

from __future__ import annotations

from collections.abc import Callable

from riffengine.clock import Clock
from riffengine.engine.process_link import ProcessLink
from riffengine.engine.supervisor import Supervisor
from riffengine.processes.backoff import RestartPolicy
from riffengine.processes.listen_messages import FromListener, Listen, NotHeard
from riffengine.processes.silence import Silence
from riffengine.renderer.listener import ListenerOptions, ListenerProcess

_POLICY = RestartPolicy((0.5, 2.0, 5.0), most_deaths=5, within_seconds=60.0)
_HANGS_SECONDS = 60.0  # without an answer to anything; its model loads in a few, on a busy machine in twenty


class ListenerLink(ProcessLink[ListenerProcess]):
    """Asks the listener, and passes its answers to ``heard``. What it was asked before it died is not answered.

    ``say`` tells the performer. The event loop's thread.
    """

    def __init__(
        self,
        clock: Clock,
        heard: Callable[[FromListener], None],
        say: Callable[[str], None],
        process: ListenerProcess | None = None,
    ) -> None:
        self._clock, self._heard, self._say = clock, heard, say
        self._wanted = False
        self._given_up = ""  # why
        self._asked: int | None = None  # the last question, while it was not answered
        self._silence = Silence(clock.now_ns())
        process = process or ListenerProcess(ListenerOptions())
        supervisor = Supervisor(
            process, _POLICY, clock, self._on_message, lambda: None, self._on_lost, self._on_given_up
        )
        super().__init__(process, supervisor)

    def ask(self, question: Listen) -> None:
        """Have bars heard; the first question starts the process. Answered at once while there is none."""
        if not self._wanted:
            self._wanted = True
            self.start()
        if not self._supervisor.running:
            self._heard(NotHeard(question.number, self._given_up or "the listener is being started again"))
            return
        if self._asked is None:
            self._silence.heard(self._clock.now_ns())
        self._asked = question.number
        self._process.send(question)

    def check(self) -> None:
        """Notice when the process has ended without a word, and end one that answers nothing."""
        super().check()
        silent = self._silence.seconds(self._clock.now_ns())
        if self._asked is not None and silent > _HANGS_SECONDS and self._supervisor.running:
            self._asked = None
            self._process.kill()

    def stop(self) -> None:
        """End it for good."""
        self._supervisor.stop()
        self._process.stop()

    def _on_message(self, message: FromListener) -> None:
        if isinstance(message, NotHeard) and message.number == -1:
            self._on_given_up(message.reason)
            return
        self._silence.heard(self._clock.now_ns())
        if message.number == self._asked:
            self._asked = None
        self._heard(message)

    def _on_lost(self, reason: str, pause_seconds: float) -> None:
        self._asked = None
        self._say(f"the listener to the sound input {reason}; it is started again in {pause_seconds:g} s")

    def _on_given_up(self, reason: str) -> None:
        self._supervisor.stop()
        self._given_up = f"the listener {reason}"
        self._say(f"key, chords and energy of the sound input are not followed any more: the listener {reason}")
