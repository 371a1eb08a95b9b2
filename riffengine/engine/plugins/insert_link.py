"""InsertLink: the plugins of one place, kept running. The event loop's thread.

A change of the plugins starts a new host beside the old one; the player crossfades when the new one is warm. A host
that crashes, hangs or gives no sound is ended and started again with its state and its present parameters, while the
player plays the dry sound; after three times within a minute the place is bypassed until a switch ``on`` forgives it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from typing import Protocol

from riffengine.engine.plugins.host_watch import HostWatch
from riffengine.errors import PluginError
from riffengine.playback.inserts.return_path import SEND_PULL_FRAMES
from riffengine.plugins.chain import MOST_STATE_BYTES, HostedPlugin, PluginChain, controls
from riffengine.plugins.host import PluginHost
from riffengine.plugins.host_messages import (
    FromHost,
    HostFailed,
    HostOptions,
    HostReady,
    LatencyChanged,
    PluginFault,
    StateTaken,
)
from riffengine.processes.backoff import Backoff, RestartPolicy
from riffengine.processes.player_messages import AttachInsert, DetachInsert, SetInsertLatency, ToPlayer
from riffengine.processes.plugin_blocks import BLOCK_FRAMES, PluginBlocks

MOST_DEATHS = 3
WITHIN_SECONDS = 60.0
_RETIRE_SECONDS = 3.0  # a host that was replaced still answers while the player crossfades
_BETWEEN_LOADS_SECONDS = 0.5  # a start is a process: one who scrolls through a list of plugins starts no crowd of them
_STATE_AFTER_SECONDS = 1.0  # from the last change until the state is taken


class Rack(Protocol):
    """What a link needs of the rack that it belongs to."""

    sample_rate: int
    pull_frames: int
    most_latency: int
    opener: str
    journaled: bool

    def send(self, message: ToPlayer) -> None:
        """To the player."""

    def present(self, place: str, number: int, reference: str) -> HostedPlugin:
        """The plugin with what the parameter tree says of it now; its state is empty."""

    def joined(self, place: str, number: int, ready: HostReady, position: int) -> None:
        """A plugin runs for the first time: its parameters join the tree."""

    def catch_up(self, place: str, number: int, had: HostedPlugin) -> None:
        """A plugin runs as ``had`` says; what was moved since it was started goes to it now."""

    def left(self, place: str, number: int) -> None:
        """A plugin is no longer wanted, or cannot be had: its parameters leave the tree."""

    def tell(self, place: str, text: str) -> None:
        """Tell the performer and every surface."""

    def blame(self, reference: str, reason: str) -> None:
        """Put a plugin on the blacklist."""

    def log_of(self, place: str) -> str:
        """The file for what plugins print."""

    def bpm(self) -> float:
        """The tempo now."""

    def take_spare(self) -> PluginHost | None:
        """A host process that waits for plugins, if there is one."""


@dataclass
class InsertLink:
    """The plugins of ``place``. ``wanted`` are references by number, ``states`` what was kept of them last."""

    rack: Rack
    place: str
    wanted: dict[int, str] = field(default_factory=dict)
    states: dict[int, bytes] = field(default_factory=dict)
    bypassed: str = ""  # why, while it is
    deaths: int = 0
    _host: HostWatch | None = None
    _next: HostWatch | None = None  # loading, to take over
    _retired: list[tuple[HostWatch, int]] = field(default_factory=list)  # and until when
    _recent_deaths_ns: deque[int] = field(default_factory=deque)
    _known: dict[int, str] = field(default_factory=dict)  # plugins whose parameters are in the tree
    _unkept: set[int] = field(default_factory=set)  # numbers of plugins whose state is too large, as was told
    _dirty_ns: int | None = None
    _backoff: Backoff = field(default_factory=lambda: Backoff(RestartPolicy()))
    _load_ns: int | None = None  # when the plugins that are wanted are loaded; again, where the system refused it
    _loaded_ns: int | None = None  # when that began last

    @property
    def running(self) -> bool:
        """Whether its plugins run."""
        return self._host is not None and self._host.ready is not None

    @property
    def pid(self) -> int:
        """Of the host process, 0 while there is none."""
        return self._host.pid if self._host is not None else 0

    @property
    def lead(self) -> int:
        """How many frames ahead the player sends the sound of this place, at most."""
        pull_frames = max(self.rack.pull_frames, SEND_PULL_FRAMES if self.place.startswith("send/") else 0)
        return pull_frames + BLOCK_FRAMES + self._host.latency if self._host is not None else 0

    @property
    def plays(self) -> bool:
        """Whether one of its plugins is an instrument."""
        ready = self._host.ready if self._host is not None else None
        return ready is not None and any(info.midi_in and not info.inputs for info in ready.infos)

    def want(self, number: int, reference: str, now_ns: int, state: bytes = b"") -> None:
        """Have ``reference`` as plugin ``number``; "" takes it out."""
        if reference:
            self.wanted[number] = reference
        else:
            self.wanted.pop(number, None)
        self.states.pop(number, None)
        self._unkept.discard(number)
        if state:
            self.states[number] = state
        if number in self._known:
            del self._known[number]
            self.rack.left(self.place, number)
        self.forgive(now_ns)

    def forgive(self, now_ns: int) -> None:
        """Start the plugins that are wanted, whatever they did before: with the next ``tick``, the last wish wins."""
        self.bypassed = ""
        self._load_ns = None
        self._recent_deaths_ns.clear()
        if self._next is not None:
            self._next.close()
            self._next = None
        if not self.wanted:
            self._detach(now_ns)
            return
        rest_ns = 0 if self._loaded_ns is None else self._loaded_ns + round(_BETWEEN_LOADS_SECONDS * 1e9) - now_ns
        self._load_ns = now_ns + max(0, rest_ns)

    def changed(self, now_ns: int) -> None:
        """A parameter was moved: the state will be taken again when it has come to rest."""
        self._dirty_ns = now_ns

    def attach_again(self) -> None:
        """The player is a new one."""
        if self._host is not None and self._host.ready is not None:
            self._send_attach(self._host)

    def tick(self, now_ns: int) -> None:
        """Look after the processes; call it every 20 ms."""
        for retired, until_ns in list(self._retired):
            if now_ns >= until_ns:
                retired.close()
                self._retired.remove((retired, until_ns))
        for host in (self._next, self._host):
            if host is not None:
                said, trouble = host.receive(now_ns)
                for message in said:
                    trouble = self._heard(host, message, now_ns) or trouble
                if trouble and host in (self._host, self._next):
                    self._died(host, trouble, now_ns)
        if self._load_ns is not None and now_ns >= self._load_ns:
            self._load_ns = None
            self._load(now_ns)
        if self._dirty_ns is not None and now_ns - self._dirty_ns > _STATE_AFTER_SECONDS * 1e9 and self.running:
            assert self._host is not None
            self._dirty_ns = None
            self._host.ask_for_state()

    def close(self) -> None:
        """End all processes."""
        for host in (self._host, self._next, *(host for host, _ in self._retired)):
            if host is not None:
                host.close()
        self._host = self._next = None
        self._retired.clear()

    # --- the processes ----------------------------------------------------------------------------------------------

    def _load(self, now_ns: int) -> None:
        self._loaded_ns = now_ns
        self._backoff.started(now_ns)
        try:
            blocks = PluginBlocks.create()
        except PluginError as error:
            self._try_later(str(error), now_ns)
            return
        self._next = self._started(blocks, False, now_ns)

    def _started(self, blocks: PluginBlocks, takes_over: bool, now_ns: int) -> HostWatch | None:
        numbers = tuple(sorted(self.wanted))
        plugins = tuple(
            replace(self.rack.present(self.place, number, self.wanted[number]), state=self.states.get(number, b""))
            for number in numbers
        )
        options = HostOptions(
            segment=blocks.name,
            sample_rate=self.rack.sample_rate,
            chain=PluginChain(plugins),
            bpm=self.rack.bpm(),
            takes_over=takes_over,
            log=self.rack.log_of(self.place),
            opener=self.rack.opener,
        )
        host = HostWatch(options, blocks, numbers, self.rack.take_spare() if takes_over else None)
        try:
            host.start(now_ns)
        except OSError as error:
            host.close()
            self._try_later(f"the plugins of {self.place} cannot be started: {error.strerror or error}", now_ns)
            return None
        return host

    def _try_later(self, reason: str, now_ns: int) -> None:
        """The system has no descriptor, process or memory just now: try again after a pause."""
        pause = self._backoff.pause(now_ns)
        self._load_ns = now_ns + round(pause * 1e9)
        self.rack.tell(self.place, f"{reason}; they are started again {f'in {pause:g} s' if pause else 'now'}")

    def _heard(self, host: HostWatch, message: FromHost, now_ns: int) -> str:
        """Act on a message; the reason where the host must be ended for it."""
        match message:
            case HostReady():
                self._ready(host, message, now_ns)
            case HostFailed(position, reason):
                self._refuse(host, host.numbers[position], reason, now_ns)
            case LatencyChanged(frames):
                host.latency = frames
                if host is self._host:
                    self.rack.send(SetInsertLatency(self.place, frames))
            case StateTaken(states, too_large):
                self.states.update({n: s for n, s in zip(host.numbers, states, strict=True) if s})
                for position in too_large:
                    self._leave_unkept(host.numbers[position])
            case PluginFault(position, kind):
                host.blocks.set_position(position)
                return f"gives what is no sound ({kind})"
        return ""

    def _ready(self, host: HostWatch, ready: HostReady, now_ns: int) -> None:
        again = host.options.takes_over
        if host is self._next:
            if self._host is not None:
                self._retired.append((self._host, now_ns + round(_RETIRE_SECONDS * 1e9)))
            self._host, self._next = host, None
        for text in ready.notes:
            self.rack.tell(self.place, text)
        if again:
            self.rack.send(SetInsertLatency(self.place, ready.latency))
            self.rack.tell(self.place, f"the plugins of {self.place} are back")
        else:
            self._send_attach(host)
        for position, number in enumerate(host.numbers):
            if number in self._known:
                self.rack.catch_up(self.place, number, host.options.chain.plugins[position])
            else:
                self._known[number] = self.wanted[number]
                self.rack.joined(self.place, number, ready, position)
        self._dirty_ns = now_ns

    def _send_attach(self, host: HostWatch) -> None:
        assert host.ready is not None
        rack, place = self.rack, self.place
        names = tuple(f"{place}/fx/{host.numbers[position]}/{name}" for position, name in controls(host.ready.infos))
        chain = host.options.chain.as_text() if rack.journaled else ""  # 10 ms for each megabyte of state
        rack.send(
            AttachInsert(place, host.blocks.name, rack.pull_frames, host.latency, rack.most_latency, names, chain)
        )

    def _leave_unkept(self, number: int) -> None:
        """A plugin has a state that is too large: an older one would be another sound."""
        self.states.pop(number, None)
        if number not in self._unkept:
            self._unkept.add(number)
            name = f"plugin {number} of {self.place} ({self.wanted.get(number, '')})"
            self.rack.tell(
                self.place,
                f"{name} has a state of more than {MOST_STATE_BYTES >> 20} MiB, which is not kept: after a crash, and "
                "with --resume, it has its parameters alone",
            )

    def _refuse(self, host: HostWatch, number: int, reason: str, now_ns: int) -> None:
        """A plugin cannot be opened: the others of its place are loaded without it."""
        self.rack.tell(self.place, f"plugin {number} of {self.place}: {reason}")
        if host is self._host:
            self._host = None
        else:
            self._next = None
        host.close()
        self.want(number, "", now_ns)
        self.rack.left(self.place, number)

    def _died(self, host: HostWatch, reason: str, now_ns: int) -> None:
        self.deaths += 1
        number = host.blamed
        reference = self.wanted.get(number, host.options.chain.plugins[0].reference)
        recent = self._recent_deaths_ns
        recent.append(now_ns)
        while now_ns - recent[0] > WITHIN_SECONDS * 1e9:
            recent.popleft()
        name = f"plugin {number} of {self.place} ({reference})"
        if len(recent) >= MOST_DEATHS:
            self.bypassed = f"{name} {reason}, for the third time within a minute"
            self.rack.tell(
                self.place, f"{self.bypassed}; it is bypassed and on the blacklist, and switching it on tries it again"
            )
            self.rack.blame(reference, reason)
            if host is self._next:
                self._next = None
                host.close()
            else:
                host.kill()
                self._detach(now_ns)
            return
        self.rack.tell(self.place, f"{name} {reason}; the sound is dry until it has been started again")
        host.kill()
        following = self._started(host.blocks, host is self._host, now_ns)
        if following is not None:
            following.latency = host.latency
        if host is self._host:
            self._host = following
        else:
            self._next = following

    def _detach(self, now_ns: int) -> None:
        if self._host is not None:
            self.rack.send(DetachInsert(self.place))
            self._retired.append((self._host, now_ns + round(_RETIRE_SECONDS * 1e9)))
            self._host = None
