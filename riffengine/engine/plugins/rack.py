"""PluginRack: all hosted plugins of a set: their places, processes and parameters. The event loop's thread.

It is a surface like others: it hears of every parameter that changes, whoever changed it, and loads what is wanted.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from riffengine.control.surface import Surface
from riffengine.engine.plugins.insert_link import InsertLink
from riffengine.errors import PluginError
from riffengine.performance.command import Command, Rejected, Reply, Value
from riffengine.performance.insert_parameters import (
    MOST_PLUGINS,
    PluginControl,
    control_rows,
    plugin_path,
    plugin_row,
)
from riffengine.performance.parameter_tree import Parameter
from riffengine.plugins.chain import MIX, MOST_LATENCY_SECONDS, ON, HostedPlugin, control_name, settable, symbol_of
from riffengine.plugins.host import PluginHost
from riffengine.plugins.host_messages import HostReady
from riffengine.plugins.plugin import PluginParameter
from riffengine.processes.parameter_path import parse_path
from riffengine.processes.player_messages import SetControl, ToPlayer
from riffengine.processes.plugin_blocks import BLOCK_FRAMES
from riffengine.scheduler.actions import Action
from riffengine.scheduler.conductor import Conductor
from riffengine.session.fx import PluginSetting

_REFERENCE = re.compile(r"(lv2|clap|vst3):\S.*")
_SPARE_SECONDS = 2.0  # until the next spare is started: what crashed is loaded again first
SOURCE = "plugins"


@dataclass(frozen=True)
class RackPorts:
    """What a rack uses of the engine. ``submit`` applies a command; ``leads`` hears of a new lead in frames.

    ``journaled``: the set has a journal, in which its chains are described.
    """

    send: Callable[[ToPlayer], None]
    submit: Callable[[Command], Reply]
    tell: Callable[[str, str], None]
    now_ns: Callable[[], int]
    leads: Callable[[int], None]
    parameters_changed: Callable[[], None]
    check: Callable[[str], None] = lambda reference: None  # raises PluginError for a plugin on the blacklist
    blame: Callable[[str, str], None] = lambda reference, reason: None
    opener: str = "riffengine.plugins.registry"
    journaled: bool = True


class PluginRack(Surface):
    """Keeps the plugins of a set with ``conductor``; the player asks for blocks of ``block_frames``."""

    def __init__(self, conductor: Conductor, block_frames: int, ports: RackPorts) -> None:
        self.sample_rate = conductor.grid.sample_rate
        self.pull_frames = block_frames
        self.most_latency = round(MOST_LATENCY_SECONDS * self.sample_rate)
        self.opener, self.journaled = ports.opener, ports.journaled
        self._conductor, self._ports = conductor, ports
        self._links: dict[str, InsertLink] = {}
        # By place and number: a plugin, and the values for when it is there.
        self._pending: dict[str, tuple[str, Mapping[str, Value]]] = {}
        self._joined: dict[str, tuple[str, ...]] = {}  # paths in the tree, by place and number
        self._lead = 0
        self._spare: PluginHost | None = None  # takes the place of a host that has crashed
        self._spare_due_ns = 0
        self._logs: tempfile.TemporaryDirectory[str] | None = None

    # --- for the engine ---------------------------------------------------------------------------------------------

    def begin(self, wanted: tuple[PluginSetting, ...]) -> None:
        """Load the plugins that the set begins with."""
        for plugin in wanted:
            path, at = plugin_path(plugin.place, plugin.number), f"{plugin.place}/fx/{plugin.number}"
            states = self._link(plugin.place).states
            self._pending[at] = (plugin.reference, plugin.values)
            states[plugin.number] = plugin.state
            self._offer(plugin.place, plugin.number)
            reply = self._ports.submit(Command(path, plugin.reference, SOURCE))
            if isinstance(reply, Rejected):  # what it should have had is no other plugin's
                del self._pending[at], states[plugin.number]
                self._ports.tell(plugin.place, reply.reason)

    def answer(self, command: Command, frame: int) -> tuple[Reply, list[Action]] | None:
        """Refuse a plugin that cannot be one; ``None`` passes the command on."""
        reference = str(command.value)
        if reference and not _REFERENCE.fullmatch(reference) and not reference.startswith("test:"):
            text = f"{command.path}: {reference!r} names no plugin; it must begin with lv2:, clap: or vst3:"
            return Rejected(command, f"{text}; `riffengine plugins list` shows them"), []
        try:
            if reference:
                self._ports.check(reference)
        except PluginError as error:
            return Rejected(command, str(error)), []
        return None

    def changed(self, path: str, value: Value) -> None:
        """``path`` became ``value``: load a plugin, try one again, or take its state when it has come to rest."""
        parsed = parse_path(path)
        number = parsed.plugin_number
        if not number:
            return
        now_ns, link = self._ports.now_ns(), self._link(parsed.place)
        if parsed.control == "plugin":
            if value != link.wanted.get(number, ""):
                state = link.states.get(number, b"") if number not in link.wanted else b""
                link.want(number, str(value), now_ns, state)
                if value:
                    self._offer(parsed.place, number + 1)
        elif parsed.control == "on" and value and link.bypassed:
            link.forgive(now_ns)
        else:
            link.changed(now_ns)

    def tick(self) -> None:
        """Look after the processes; call it every 20 ms."""
        now_ns = self._ports.now_ns()
        for link in self._links.values():
            link.tick(now_ns)
        if self._spare is None and now_ns >= self._spare_due_ns and any(link.running for link in self._links.values()):
            self._start_spare(now_ns)
        lead = self._leads()
        if lead != self._lead:
            self._lead = lead
            self._ports.leads(lead)

    def player_restarted(self) -> None:
        """A new player knows no plugins."""
        for link in self._links.values():
            link.attach_again()

    def instruments(self) -> list[str]:
        """The places at which an instrument plays."""
        return [place for place, link in self._links.items() if link.plays]

    @property
    def lead(self) -> int:
        """How many frames ahead of its faders the player works, at most."""
        return self._lead

    def facts(self) -> dict[str, Value]:
        """Figures for a status report."""
        links = self._links.values()
        return {
            "plugins": sum(len(link.wanted) for link in links if link.running),
            "plugin_deaths": sum(link.deaths for link in links),
            "plugins_bypassed": "; ".join(link.bypassed for link in links if link.bypassed),
        }

    def pids(self) -> dict[str, int]:
        """The host process of every place that has one."""
        return {place: link.pid for place, link in self._links.items() if link.pid}

    def states(self) -> dict[str, bytes]:
        """What is kept of every plugin, by place and number."""
        return {
            f"{place}/fx/{number}": state
            for place, link in self._links.items()
            for number, state in link.states.items()
            if state and number in link.wanted
        }

    def close_hosts(self) -> None:
        """End all host processes."""
        for link in self._links.values():
            link.close()
        if self._spare is not None:
            self._spare.dismiss()
            self._spare = None
        if self._logs is not None:
            self._logs.cleanup()
            self._logs = None

    # --- for the links ----------------------------------------------------------------------------------------------

    def send(self, message: ToPlayer) -> None:
        """To the player."""
        self._ports.send(message)

    def present(self, place: str, number: int, reference: str) -> HostedPlugin:
        """The plugin as the tree has it now."""
        tree, state, at = self._conductor.tree, self._conductor.state, f"{place}/fx/{number}"
        pending = self._pending_values(at, reference)
        on, mix = (state.values.get(f"{at}/{name}", pending.get(name, 1)) for name in ("on", "mix"))
        values = tuple(
            (symbol_of(path.rpartition("/")[2]), tree[path].number(state[path]))
            for path in self._joined.get(at, ())
            if path in state.values and not path.endswith(("/on", "/mix"))
        )
        return HostedPlugin(reference, bool(on), float(mix), values)

    def joined(self, place: str, number: int, ready: HostReady, position: int) -> None:
        """The parameters of a plugin join tree and state, with what the plugin has and the preset wants."""
        at, info = f"{place}/fx/{number}", ready.infos[position]
        rows = control_rows(place, number, info.name, [_control(found) for found in settable(info)])
        now = dict(ready.values[position])
        values = {row.path: _value(row, now) for row in rows}
        self._conductor.scheduler.join(rows, values)
        self._joined[at] = tuple(row.path for row in rows)
        self._ports.parameters_changed()
        self._ports.tell(place, f"plugin {number} of {place}: {info.name}, {len(rows)} parameters at /riff/{at}/…")
        pending = self._pending_values(at, self._link(place).wanted.get(number, ""))
        self._pending.pop(at, None)
        for symbol, value in pending.items():
            reply = self._ports.submit(Command(f"{at}/{symbol}", value, SOURCE))
            if isinstance(reply, Rejected):
                self._ports.tell(place, reply.reason)

    def catch_up(self, place: str, number: int, had: HostedPlugin) -> None:
        """A plugin runs as ``had`` says; what was moved since it was started goes to it now."""
        now, at, before = self.present(place, number, had.reference), f"{place}/fx/{number}", dict(had.values)
        moved = {control_name(symbol): value for symbol, value in now.values if before.get(symbol) != value}
        if now.on != had.on:
            moved[ON] = float(now.on)
        if now.mix != had.mix:
            moved[MIX] = now.mix
        for name, value in moved.items():
            self.send(SetControl(parse_path(f"{at}/{name}"), value, None, 0))

    def left(self, place: str, number: int) -> None:
        """The parameters of a plugin leave tree and state."""
        gone = self._joined.pop(f"{place}/fx/{number}", ())
        self._pending.pop(f"{place}/fx/{number}", None)
        scheduler, path = self._conductor.scheduler, plugin_path(place, number)
        scheduler.leave(gone)
        if not self._link(place).wanted.get(number) and scheduler.state.values.get(path):
            scheduler.join([], {path: ""})  # it could not be opened
        self._ports.parameters_changed()

    def tell(self, place: str, text: str) -> None:
        """Tell the performer and every surface."""
        self._ports.tell(place, text)

    def blame(self, reference: str, reason: str) -> None:
        """Put a plugin on the blacklist."""
        self._ports.blame(reference, reason)

    def log_of(self, place: str) -> str:
        """The file for what the plugins of ``place`` print."""
        if self._logs is None:
            self._logs = tempfile.TemporaryDirectory(prefix="riffengine-plugins-")
        return str(Path(self._logs.name) / f"{place.replace('/', '-')}.log")

    def bpm(self) -> float:
        """The tempo now."""
        return self._conductor.grid.bpm

    def take_spare(self) -> PluginHost | None:
        """A host process that waits for plugins, if there is one."""
        spare, self._spare = self._spare, None
        self._spare_due_ns = self._ports.now_ns() + round(_SPARE_SECONDS * 1e9)
        return spare

    # ----------------------------------------------------------------------------------------------------------------

    def _pending_values(self, at: str, reference: str) -> Mapping[str, Value]:
        plugin, values = self._pending.get(at, ("", {}))
        return values if plugin == reference else {}

    def _start_spare(self, now_ns: int) -> None:
        try:
            self._spare = PluginHost.spare()
        except OSError:  # there is no room for a process now: try again later
            self._spare_due_ns = now_ns + round(_SPARE_SECONDS * 1e9)

    def _link(self, place: str) -> InsertLink:
        if place not in self._links:
            self._links[place] = InsertLink(self, place)
        return self._links[place]

    def _offer(self, place: str, number: int) -> None:
        """Have the rows for plugins up to ``number`` in the tree."""
        rows: list[Parameter] = [
            plugin_row(place, n)
            for n in range(1, min(number, MOST_PLUGINS) + 1)
            if plugin_path(place, n) not in self._conductor.tree
        ]
        if rows:
            self._conductor.scheduler.join(rows, {row.path: row.default for row in rows})
            self._ports.parameters_changed()

    def _leads(self) -> int:
        by_kind: dict[str, int] = {}
        for place, link in self._links.items():
            path = parse_path(f"{place}/x")
            kind = "stem" if path.stem else "deck" if path.deck else path.group.partition("/")[0]
            by_kind[kind] = max(
                by_kind.get(kind, 0), min(link.lead, self.pull_frames + BLOCK_FRAMES + self.most_latency)
            )
        return sum(by_kind.values())


def _control(found: PluginParameter) -> PluginControl:
    return PluginControl(
        control_name(found.symbol),
        found.name,
        found.low,
        found.high,
        found.default,
        found.unit,
        found.integer,
        found.toggled,
        found.labels,
    )


def _value(row: Parameter, now: Mapping[str, float]) -> Value:
    name = row.path.rpartition("/")[2]
    symbol = symbol_of(name)
    # The chain's own switch and mix are not among what the plugin says.
    return row.value(now[symbol]) if symbol in now and name not in (ON, MIX) else row.default
