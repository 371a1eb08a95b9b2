"""The rack of an engine: what its plugins may use of the set. The event loop's thread."""

from __future__ import annotations

from collections.abc import Callable

from riffengine.engine.context import EngineContext
from riffengine.engine.plugins.admission import PluginAdmission
from riffengine.engine.plugins.rack import PluginRack, RackPorts
from riffengine.output.registry import DAW
from riffengine.performance.command import Command, Reply
from riffengine.processes.player_messages import ToPlayer


def engine_rack(
    context: EngineContext,
    send: Callable[[ToPlayer], None],
    submit: Callable[[Command], Reply],
    report: Callable[[str, str], None],
) -> PluginRack:
    """A rack whose messages go to the player by ``send``, commands by ``submit``, and news of a path by ``report``."""
    admission = PluginAdmission(on_tracks=context.session.audio.output == DAW)

    def leads(frames: int) -> None:
        context.conductor.scheduler.set_plugin_lead(frames)
        context.schedule.plugin_lead_frames = frames

    ports = RackPorts(
        send=send,
        submit=submit,
        tell=lambda place, text: report(f"{place}/fx", text),
        now_ns=context.clock.now_ns,
        leads=leads,
        parameters_changed=context.surfaces.parameters_changed,
        check=admission.check,
        blame=admission.blame,
        journaled=context.options.journal is not None,
    )
    return PluginRack(context.conductor, context.session.audio.block_frames, ports)
