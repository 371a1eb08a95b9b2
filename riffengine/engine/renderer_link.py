"""RendererLink: the renderer process, or a pool in its place, as the engine sees it; started again when it dies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from riffengine.engine.context import EngineContext
from riffengine.engine.process_link import ProcessLink
from riffengine.engine.supervisor import Supervisor
from riffengine.pool.options import PoolOptions
from riffengine.pool.process import PoolProcess
from riffengine.processes.backoff import RestartPolicy
from riffengine.processes.render_messages import (
    Alive,
    Cancel,
    Cancelled,
    Delivery,
    Failed,
    FromRenderer,
    PoolReport,
    Ready,
    Render,
    SeatsChanged,
)
from riffengine.renderer.process import RendererOptions, RendererProcess

if TYPE_CHECKING:
    from riffengine.engine.engine import Engine

_POLICY = RestartPolicy()
_FIRST_TRIES = len(_POLICY.pauses_seconds)  # a renderer that never was ready is given up after these
_STOP_SECONDS = 0.1


class RendererLink(ProcessLink[RendererProcess | PoolProcess]):
    """Keeps a renderer running and tells the Conductor what it says. Belongs to the event loop's thread."""

    def __init__(self, options: RendererOptions | PoolOptions, engine: Engine, context: EngineContext) -> None:
        self._engine, self._context = engine, context
        self.pool: PoolReport | None = None  # the last that a pool has said of itself
        process = PoolProcess(options) if isinstance(options, PoolOptions) else RendererProcess(options)
        supervisor = Supervisor(
            process, _POLICY, context.clock, self._on_message, lambda: None, self._on_lost, engine.fail
        )
        super().__init__(process, supervisor)

    def send(self, message: Render | Cancel) -> None:
        """Send to the renderer."""
        self._process.send(message)

    def kill(self) -> None:
        """End a process that hangs; a new one follows."""
        self._process.kill()

    def stop(self) -> None:
        """End it for good."""
        self._supervisor.stop()
        self._process.stop(_STOP_SECONDS)

    def _on_message(self, message: FromRenderer) -> None:
        engine, conductor = self._engine, self._context.conductor
        frame = engine.frame()
        match message:
            case Ready():
                self._was_ready = True
                engine.carry_out(conductor.renderer_ready(frame, message))
            case SeatsChanged():
                engine.carry_out(conductor.seats_changed(frame, message))
            case PoolReport():
                self.pool = message
            case Delivery():
                for remark in message.remarks:
                    engine.say(remark)
                self._context.player_log.set_slot_request(message.slot, message.request)
                self._context.midi_notes_out.set_slot_notes(message.slot, message.notes)
                engine.carry_out(conductor.delivered(frame, message))
            case Cancelled():
                engine.carry_out(conductor.cancelled(frame, message))
            case Alive():
                engine.carry_out(conductor.renderer_alive(frame, message))
            case Failed(-1, reason):  # it could not load its model; its death follows
                engine.say(reason)
                if not self._was_ready:
                    engine.fail(reason)
            case Failed():
                engine.carry_out(conductor.failed(frame, message))

    def _on_lost(self, reason: str, pause_seconds: float) -> None:
        engine = self._engine
        if engine.stopping:
            self._supervisor.stop()
            return
        if not self._was_ready and self.deaths > _FIRST_TRIES:
            self._supervisor.stop()
            engine.fail(f"the renderer {reason} each time it was started; run `riffengine doctor` for the cause")
            return
        engine.say(f"the renderer {reason}; the music continues, a new one starts in {pause_seconds:g} s")
        engine.carry_out(self._context.conductor.renderer_lost(engine.frame()))
