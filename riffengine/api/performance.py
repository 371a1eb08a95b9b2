"""Playing a set from Python: ``play`` gives a ``Performance``, a context manager."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType, TracebackType

from riffengine.api.engine_thread import EngineThread
from riffengine.clock import SystemClock
from riffengine.control.surface import EngineEvent, ParameterLanded
from riffengine.errors import AudioFileError, RiffError, SetEnded
from riffengine.offline.render import check_place
from riffengine.output.registry import preferred
from riffengine.performance.command import Accepted, Command, Landing, Reply, Value
from riffengine.processes.audio_files import AUDIO_ENDINGS_TEXT, is_audio_file
from riffengine.renderer.registry import family_of
from riffengine.session.named_files import find_preset
from riffengine.session.session import Session, load_session
from riffengine.telemetry.observation import Observation

SOURCE = "python"


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
    new file that keeps every command. The preset's OSC and MIDI are opened only with ``osc=True`` and ``midi=True``.
    Everything is checked here, before a process is started: ``PresetError``, ``ParameterError``, ``DeviceError``,
    ``ModelError`` or ``AudioFileError`` say what is wrong and what is allowed.

    The engine runs in a thread of this process, renderer and player in processes of their own. A script that plays
    must therefore guard its code with ``if __name__ == "__main__":``, since each new process imports the script.
    """
    session = preset if isinstance(preset, Session) else load_session(find_preset(str(preset)), model)
    audio = session.audio.with_given(output=output, record=None if record is None else Path(record))
    session = replace(
        session.with_given(model=model),
        audio=audio,
        osc=session.osc if osc else replace(session.osc, enabled=False),
        midi=session.midi if midi else replace(session.midi, enabled=False),
    )
    return Performance(_checked(session), None if journal is None else Path(journal))


def _checked(session: Session) -> Session:
    """``session`` with its values as their parameters hold them: one made in Python was not read from a preset."""
    preferred(session.audio.output)
    if session.audio.record is not None:
        if not is_audio_file(session.audio.record):
            raise AudioFileError(f"{session.audio.record.name}: a recording must end in {AUDIO_ENDINGS_TEXT}")
        check_place(session.audio.record)
    family_of(session.model).check(session.model)
    tree = session.tree()
    values = {path: tree.check(path, value)[0] for path, value in session.parameters.items()}
    return replace(session, parameters=MappingProxyType(values))


class Performance:
    """A set that plays. All methods may be called from any thread, also from the functions that it calls.

    ``with play(...) as performance:`` starts it and fades out at the end. The functions given to ``on_landing`` and
    ``on_event`` are called one at a time on a thread of their own. A script that ends without ``stop`` fades out, too.
    """

    def __init__(self, session: Session, journal: Path | None = None) -> None:
        self.session = session
        self._engine = EngineThread(session, journal)

    # --- beginning and end ------------------------------------------------------------------------------------------

    def start(self, timeout_seconds: float = 60.0) -> Performance:
        """Start the engine and wait until its output runs; the model is still being loaded then.

        Raises what the engine could not start with, for example ``JournalError`` for a journal that exists, and
        ``SetEnded`` when it takes longer than ``timeout_seconds``.
        """
        engine = self._engine
        engine.start()
        try:
            if not engine.wait(lambda: bool(engine.observation and engine.observation.output), timeout_seconds):
                engine.request_stop()
                engine.join(timeout_seconds)
                engine.raise_failure()
                raise SetEnded(f"the engine did not start within {timeout_seconds:g} s, or was stopped")
        except KeyboardInterrupt:
            engine.request_stop()
            raise
        return self

    def stop(self, timeout_seconds: float = 60.0) -> None:
        """Fade out, finish the recording and end every process; nothing is left to do if the set has ended.

        Raises ``SetEnded`` with the reason if it had ended by itself.
        """
        engine = self._engine
        engine.request_stop()
        try:
            ended = engine.join(timeout_seconds)
        except KeyboardInterrupt:  # a second Ctrl-C does not wait for the fade
            engine.request_stop()
            engine.join(timeout_seconds)
            raise
        if not ended:
            raise SetEnded(f"the engine did not end within {timeout_seconds:g} s")
        engine.raise_failure()

    def __enter__(self) -> Performance:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.stop()
        except RiffError:
            if error is None:  # otherwise the error of the block is the one to see
                raise

    @property
    def ended(self) -> bool:
        """Whether the set has ended, by ``stop`` or by itself."""
        return self._engine.ended

    # --- commands ---------------------------------------------------------------------------------------------------

    def set(self, path: str, value: Value) -> Reply:
        """Set the parameter at ``path``, for example ``deck/a/prompt``; at once, or with a landing.

        Returns ``Accepted``, whose ``landing`` names the beat on which the change is heard and the seconds until then,
        or ``Rejected`` with the reason. Raises ``SetEnded`` when no set is playing.
        """
        return self._engine.submit(Command(path, value, SOURCE, SystemClock().now_ns()))

    def fire(self, path: str) -> Reply:
        """Fire the trigger at ``path``, for example ``next``, ``panic`` or ``undo``."""
        return self.set(path, True)

    # --- observing --------------------------------------------------------------------------------------------------

    @property
    def values(self) -> Mapping[str, Value]:
        """The value of every parameter by path, a tenth of a second old at most; nothing before the start."""
        return {} if self._engine.observation is None else self._engine.observation.values

    @property
    def observation(self) -> Observation | None:
        """How the performance stands, a tenth of a second old at most; ``None`` before the first."""
        return self._engine.observation

    @property
    def messages(self) -> tuple[str, ...]:
        """What the engine has reported to the performer, oldest first; the last thousand."""
        return tuple(self._engine.messages)

    def wait(self, seconds: float | None = None) -> None:
        """Let the set play for ``seconds``, or until it is stopped; ``SetEnded`` with the reason if it fails meanwhile.

        Use this instead of ``time.sleep``, which does not notice the end.
        """
        engine = self._engine
        engine.wait(lambda: False, seconds)
        engine.raise_failure()

    def wait_until_sounding(self, timeout_seconds: float = 60.0) -> bool:
        """Wait for the first loop; false when it is not heard in time."""
        engine = self._engine
        return engine.wait(lambda: engine.observation is not None and engine.observation.sounding, timeout_seconds)

    def wait_for_landing(self, reply: Reply, timeout_seconds: float = 60.0) -> Landing | None:
        """Wait until the change of ``reply`` is heard; its real landing, or ``None`` when it is not heard in time.

        A change that was heard at once returns its landing at once, and ``Rejected`` returns ``None``. A change that a
        newer one has replaced before it was heard never lands.
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
            landings = self._engine.landed_events
            found[:] = [landed for landed in landings if (landed.path, landed.value) == (path, value) and new(landed)]
            return bool(found)

        if not self._engine.wait(heard, timeout_seconds):
            return None
        return Landing(path, found[0].moment.beat, 0.0)

    def on_landing(self, callback: Callable[[ParameterLanded], object]) -> None:
        """Call ``callback`` for every change that had to be rendered and is now heard; ``moment`` is the splice's."""
        self._engine.landing_callbacks.append(callback)

    def on_event(self, callback: Callable[[EngineEvent], object]) -> None:
        """Call ``callback`` for what nobody asked for, such as a renderer that ended; ``text`` is for a person."""
        self._engine.event_callbacks.append(callback)
