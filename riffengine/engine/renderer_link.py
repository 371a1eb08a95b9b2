"""RendererLink: the renderer process from the engine's side: started, heard, started again when it dies."""

from __future__ import annotations

import asyncio

from riffengine.engine.context import EngineContext
from riffengine.engine.shell import Shell
from riffengine.processes.render_messages import Alive, Cancel, Cancelled, Delivery, Failed, FromRenderer, Ready, Render
from riffengine.renderer.process import RendererOptions, RendererProcess

RESTART_SECONDS = (0.0, 0.5, 2.0, 5.0)  # before each new start of a renderer that keeps dying
HEALTHY_SECONDS = 20.0  # a renderer that lived this long starts the series anew


class RendererLink:
    """Keeps a renderer running and tells the Conductor what it says. Belongs to the event loop's thread."""

    def __init__(self, options: RendererOptions, shell: Shell, context: EngineContext) -> None:
        self._process = RendererProcess(options)
        self._shell, self._context = shell, context
        self._began_ns = 0
        self.deaths = 0  # since the start
        self._deaths = 0  # in a row
        self._was_ready = False

    @property
    def pid(self) -> int:
        """Of the process, 0 while there is none."""
        return self._process.pid or 0

    def start(self) -> None:
        """Start a process and hear it, unless the end has come."""
        if self._shell.stopping:
            return
        self._process.start()
        self._began_ns = self._context.clock.now_ns()
        asyncio.get_running_loop().add_reader(self._process.fileno(), self._hear)

    def send(self, message: Render | Cancel) -> None:
        """To the renderer."""
        self._process.send(message)

    def kill(self) -> None:
        """End a process that hangs; a new one follows."""
        self._process.kill()

    def stop(self) -> None:
        """End it for good."""
        if self._process.alive:
            asyncio.get_running_loop().remove_reader(self._process.fileno())
        self._process.stop(timeout=0.1)

    def _hear(self) -> None:
        messages, connected = self._process.receive()
        for message in messages:
            self._heed(message)
        if not connected:
            self._lost()

    def _heed(self, message: FromRenderer) -> None:
        shell, conductor = self._shell, self._context.conductor
        frame = shell.frame()
        match message:
            case Ready():
                self._was_ready = True
                shell.carry_out(conductor.renderer_ready(frame, message))
            case Delivery():
                for remark in message.remarks:
                    shell.say(remark)
                self._context.player_log.lies_in(message.slot, message.request)
                self._context.midi_notes_out.set_slot_notes(message.slot, message.notes)
                shell.carry_out(conductor.delivered(frame, message))
            case Cancelled():
                shell.carry_out(conductor.cancelled(frame, message))
            case Alive():
                shell.carry_out(conductor.renderer_alive(frame, message))
            case Failed(-1, reason):  # it could not even start; its death follows
                shell.say(reason)
                if not self._was_ready:
                    shell.fail(reason)
            case Failed():
                shell.carry_out(conductor.failed(frame, message))

    def _lost(self) -> None:
        loop, shell = asyncio.get_running_loop(), self._shell
        loop.remove_reader(self._process.fileno())
        self._process.stop(timeout=0.1)
        if shell.stopping:
            return
        if (self._context.clock.now_ns() - self._began_ns) / 1e9 > HEALTHY_SECONDS:
            self._deaths = 0
        wait = RESTART_SECONDS[min(self._deaths, len(RESTART_SECONDS) - 1)]
        self.deaths += 1
        self._deaths += 1
        if not self._was_ready and self._deaths > len(RESTART_SECONDS):
            shell.fail("the renderer never came up; `riffengine doctor` may know why")
            return
        shell.say(f"the renderer ended; the music goes on, a new one starts in {wait:g} s")
        shell.carry_out(self._context.conductor.renderer_lost(shell.frame()))
        loop.call_later(wait, self.start)
