"""ClapPlugin: one running CLAP plugin, by ctypes."""

from __future__ import annotations

import math
from pathlib import Path

from riffengine.errors import PluginError, printable
from riffengine.plugins import clap_abi as abi
from riffengine.plugins.channels import Channels
from riffengine.plugins.clap_events import write_transport
from riffengine.plugins.clap_file import clap_plugin
from riffengine.plugins.clap_instance import ClapInstance
from riffengine.plugins.plugin import MidiEvent, PluginInfo, Position
from riffengine.plugins.saved_state import pack_state, unpack_state
from riffengine.processes.audio import Block


class ClapPlugin:
    """A plugin of a CLAP file, run in blocks of exactly ``block_frames``. One thread, which is both of CLAP's.

    ``run`` releases the interpreter lock while the plugin computes. ``PluginError`` when the plugin refuses.
    """

    def __init__(self, path: Path, plugin_id: str, reference: str, sample_rate: int, block_frames: int) -> None:
        self._sample_rate, self._block_frames = sample_rate, block_frames
        self._instances: list[ClapInstance] = []
        factory, descriptor = clap_plugin(path, plugin_id)
        name = (descriptor.name or descriptor.id or b"").decode("utf-8", "replace")
        try:
            first = ClapInstance(factory, descriptor.id, name)
            self._instances.append(first)
            inputs, outputs = first.channels(True), first.channels(False)
            main_in, main_out = inputs[0] if inputs else 0, outputs[0] if outputs else 0
            self._channels = Channels(main_in, main_out, block_frames)
            for _ in range(1, self._channels.instances):
                self._instances.append(ClapInstance(factory, descriptor.id, name))
            for number, instance in enumerate(self._instances):
                instance.start(self._channels, number, (inputs, outputs), sample_rate, block_frames)
        except BaseException:
            self.close()
            raise
        self._known = {parameter.about.symbol: parameter for parameter in first.parameters()}
        self._pending: dict[str, float] = {}
        self._transport = abi.Transport()
        self.info = PluginInfo(
            reference=reference,
            format="clap",
            name=name,
            maker=(descriptor.vendor or b"").decode("utf-8", "replace"),
            inputs=main_in,
            outputs=main_out,
            midi_in=first.dialect != 0,
            parameters=tuple(parameter.about for parameter in self._known.values()),
            has_state=first.state is not None,
        )

    @property
    def latency(self) -> int:
        """The frames that the plugin reports now."""
        first = self._instances[0]
        return int(first.latency.get(first.address)) if first.latency is not None else 0

    def set(self, symbol: str, value: float) -> None:
        """Set a parameter for the next block, clipped to its range; ``PluginError`` for an unknown one, or NaN."""
        known = self._known.get(symbol)
        if known is None or known.about.output:
            raise PluginError(f"{self.info.name} has no parameter {printable(symbol)} that can be set")
        about = known.about
        if math.isnan(value):
            raise PluginError(f"{self.info.name}: {symbol} cannot be NaN; it goes from {about.low:g} to {about.high:g}")
        clipped = min(max(value, about.low), about.high)
        self._pending[symbol] = float(round(clipped)) if about.integer else clipped

    def get(self, symbol: str) -> float:
        """The present value of a parameter, or the one that the next block brings."""
        known = self._known.get(symbol)
        if known is None:
            raise PluginError(f"{self.info.name} has no parameter {printable(symbol)}")
        if symbol in self._pending:
            return self._pending[symbol]
        return self._instances[0].value(known.id)

    def run(self, sound: Block, position: Position, events: tuple[MidiEvent, ...] = ()) -> None:
        """Process ``(block_frames, 2) float32`` in place. A plugin that reports an error gives silence."""
        self._channels.put(sound)
        write_transport(self._transport, position, self._sample_rate)
        failed = False
        for instance in self._instances:
            self._load_events(instance, events)
            failed |= not instance.run(self._transport, position.frame, self._block_frames)
        self._pending.clear()
        if failed:
            sound[:] = 0
        else:
            self._channels.take(sound)
        for instance in self._instances:
            instance.between_blocks(self._sample_rate, self._block_frames)

    def state(self) -> bytes:
        """The values of all parameters, and the plugin's own state where it has one, as JSON."""
        self._flush()
        first = self._instances[0]
        return pack_state(first.id, self._values(), first.save())

    def restore(self, state: bytes) -> None:
        """Bring back what ``state`` gave; ``PluginError`` for what is no state of this plugin."""
        values, own = unpack_state(state, self._instances[0].id, self.info.name)
        taken = [own is not None and instance.load(own) for instance in self._instances]
        if all(taken):
            self._pending.clear()
            return
        for symbol, value in values.items():
            if symbol in self._known and not self._known[symbol].about.output:
                self.set(symbol, value)

    def close(self) -> None:
        """Stop and free the instances; the file stays loaded."""
        for instance in self._instances:
            instance.close()
        self._instances.clear()

    def _values(self) -> dict[str, float]:
        return {symbol: self.get(symbol) for symbol, known in self._known.items() if not known.about.output}

    def _load_events(self, instance: ClapInstance, events: tuple[MidiEvent, ...]) -> None:
        for symbol, value in self._pending.items():
            known = self._known[symbol]
            instance.events.parameter(known.id, known.cookie, value)
        if instance.dialect:
            for event in events:
                instance.events.midi(event)
        instance.events.ready()

    def _flush(self) -> None:
        """Let values that wait for a block reach the plugin, so that its own state has them."""
        for instance in self._instances:
            self._load_events(instance, ())
            instance.flush()
        self._pending.clear()
