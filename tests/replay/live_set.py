"""A live set without processes: real callback and mixer, pulled in uneven blocks, with a player log and journal."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from riffengine.clock import VirtualClock
from riffengine.output.callback import AudioCallback
from riffengine.performance.journal import Journal, JournalHeader
from riffengine.performance.parameters import standard_tree
from riffengine.playback.mixer import Mixer
from riffengine.plugins.chain import HostedPlugin, PluginChain
from riffengine.processes.parameter_path import parse_path
from riffengine.processes.player_messages import (
    FADE,
    AttachInsert,
    DetachInsert,
    FreeLoop,
    LaunchBank,
    LoopFreed,
    LoopRef,
    PlaceLoop,
    RemoveLoop,
    Scheduled,
    SetControl,
    SetGrid,
    StopPlayer,
    ToPlayer,
)
from riffengine.processes.render_messages import RenderCost
from riffengine.processes.render_request import MorphEnd, RenderRequest
from riffengine.renderer.family import Rendition
from riffengine.renderer.file_hash import file_hash
from riffengine.replay.player_log import PlayerLog
from riffengine.replay.plugin_hosts import ReplayHosts
from riffengine.transport.beat_grid import BeatGrid, Moment
from riffengine.transport.sync.follower import ChangeGrid, Follower
from riffengine.transport.sync.source import BeatPosition

RATE = 8000
BEATS = 2
WEIGHTS = "noise-1"
PLUGINS = "tests.plugins.python_plugins"


class NoiseFamily:
    """A fast renderer: equal requests give equal noise, and more steps give quieter noise."""

    name, stems, channels, vocabulary, weights_digest = "noise", ("mix",), 2, (), WEIGHTS

    def __init__(self) -> None:
        self.rendered: list[RenderRequest] = []

    def render(self, request: RenderRequest, check: Callable[[], None]) -> Rendition:
        check()
        self.rendered.append(request)
        frames = BeatGrid(RATE, request.bpm).loop_frames(request.beats)
        rng = np.random.default_rng(int(request.digest(), 16))
        audio = (rng.standard_normal((1, frames, 2)) / request.steps).astype(np.float32)
        return Rendition(request, audio, np.zeros((1, 1), np.float32), None, -14.0, 1.0, RenderCost())


class LiveSet:
    """Sends random messages, some without a frame and some too late, and records the output."""

    def __init__(
        self,
        journal: Path | None,
        seed: int,
        leader: Callable[[float], BeatPosition] | None = None,
        init: str = "",
        plugins: bool = False,
    ) -> None:
        self._init = init
        self._hosts = ReplayHosts(RATE, PLUGINS) if plugins else None
        self._rng = random.Random(seed)
        self._leader, self._follower = leader, Follower(RATE, BEATS)
        self.grids = 0
        self._slots: dict[int, NDArray[np.float32]] = {}
        self.grid = BeatGrid(RATE, 120.0)
        self._mixer = Mixer(
            RATE, self.grid, lambda ref: self._slots[ref.slot], ("a", "b"), 2, report_scheduled=journal is not None
        )
        self._mixer.inserts.waits = plugins
        self._callback = AudioCallback(self._mixer, None, VirtualClock())
        self._journal = None
        if journal is not None:
            tree = standard_tree(("a", "b"))
            values = dict(tree.initial_state().values)
            self._journal = Journal(journal, JournalHeader("noise", "noise", WEIGHTS, RATE, 0, values))
        self._player_log = PlayerLog(self._write)
        self._family = NoiseFamily()
        self._free = list(range(40))
        self._loops = self._banks = 0
        self._output: list[NDArray[np.float32]] = []
        self._stopped = False
        self._places: set[str] = set()

    def _write(self, frame: int, kind: str, facts: object) -> None:
        if self._journal is not None:
            self._journal.record_player(Moment.on(self.grid, frame), kind, facts)  # type: ignore[arg-type]

    def send(self, message: ToPlayer) -> None:
        self._player_log.sent(message)
        if isinstance(message, StopPlayer):
            if self._stopped:
                return
            self._stopped = True
            message = SetControl(FADE, 0.0, None, message.fade_frames)
        self._mixer.admit(message)
        self._mixer.schedule(message)

    def loop(self) -> LoopRef:
        rng = self._rng
        request = RenderRequest(
            MorphEnd("house", rng.randrange(9)),
            MorphEnd("dub", 1),
            rng.random(),
            rng.choice((2, 4)),
            120.0,
            BEATS,
            RATE,
            init=self._init,
            init_hash=file_hash(self._init) if self._init else "",
        )
        slot, self._loops = self._free.pop(0), self._loops + 1
        audio = self._family.render(request, lambda: None).audio
        self._slots[slot] = audio
        self._player_log.set_slot_request(slot, request)
        return LoopRef(self._loops, slot, audio.shape[1], 2, ("mix",), BEATS)

    def some_frame(self) -> int | None:
        """No frame, a frame some blocks ahead, or a frame that has already passed."""
        ahead = self._rng.choice((None, -300, 0, 100, 1500, 4000))
        return None if ahead is None else max(0, self._mixer.frame + ahead)

    def gesture(self) -> None:
        rng, deck = self._rng, self._rng.choice("ab")
        if self._hosts is not None and rng.random() < 0.2:
            self.change_plugins(self._hosts)
            return
        match rng.choice(("launch", "launch", "knob", "knob", "refine", "free", "tempo")):
            case "launch" if len(self._free) > 4:
                self._banks += 1
                refs = [self.loop(), self.loop()]
                for alpha, ref in zip((0.0, 1.0), refs, strict=True):
                    self.send(PlaceLoop(deck, self._banks, alpha, ref, None, 100))
                self.send(LaunchBank(deck, self._banks, self.some_frame(), rng.choice((0, 100, 700))))
            case "knob":
                target = parse_path(
                    rng.choice((f"deck/{deck}/alpha", f"deck/{deck}/gain", "crossfader", "master/gain"))
                )
                self.send(SetControl(target, rng.random(), self.some_frame(), rng.choice((0, 80, 900)), stamp_ns=7))
            case "refine" if self._banks and len(self._free) > 4:
                self.send(PlaceLoop(deck, self._banks, rng.choice((0.0, 0.5)), self.loop(), self.some_frame(), 300))
            case "free" if self._loops:
                number = rng.randrange(1, self._loops + 1)
                self.send(RemoveLoop(deck, max(1, self._banks), 0.5, self.some_frame()))
                self.send(FreeLoop(number))
            case "tempo" if self._leader is None:
                at = self._mixer.frame + 2000
                self.grid = self.grid.with_tempo(rng.choice((118.0, 120.0, 133.0)), at)
                self.send(SetGrid(self.grid, at))
            case _:
                pass

    def change_plugins(self, hosts: ReplayHosts) -> None:
        """Put plugins somewhere, move one of their parameters, change a send or take plugins out."""
        rng = self._rng
        place = rng.choice(("deck/a", "deck/b", "deck/a/stem/mix", "send/1", "master"))
        what = rng.choice(("attach", "move", "move", "move", "send", "detach"))
        if what == "move" and self._places:
            place = rng.choice(sorted(self._places))
            target, value = rng.choice((("on", rng.random()), ("mix", rng.random()), ("gain", 2 * rng.random())))
            self.send(SetControl(parse_path(f"{place}/fx/1/{target}"), value, self.some_frame(), 0))
        elif what == "send":
            self.send(SetControl(parse_path(f"deck/{rng.choice('ab')}/send/1"), rng.random(), self.some_frame(), 400))
        elif what == "attach" and len(self._places) < 3:
            latency = rng.choice((0, 256))
            chain = PluginChain((HostedPlugin("test:late" if latency else "test:gain", values=(("gain", 0.5),)),))
            controls = tuple(f"{place}/fx/1/{name}" for name in ("on", "mix", "gain", "fault", "delay"))
            message = AttachInsert(place, "", 1024, latency, RATE, controls, chain.as_text())
            self._places.add(place)
            self.send(hosts.attach(message, self.grid.bpm))
        elif what == "detach" and place in self._places:
            self._places.remove(place)
            self.send(DetachInsert(place))

    def play(self, seconds: float) -> NDArray[np.float32]:
        self.send(SetGrid(self.grid, 0))
        self.send(SetControl(FADE, 1.0, None, 50))
        while self._mixer.frame < seconds * RATE:
            for _ in range(self._rng.choice((0, 0, 1, 3))):
                self.gesture()
            self.follow()
            self.pull()
        self.send(StopPlayer(1000))
        self.send(StopPlayer(0))
        for _ in range(6):
            self.pull()
        self._player_log.end(self._mixer.frame)
        if self._hosts is not None:
            self._hosts.close()
        if self._journal is not None:
            self._journal.close()
        return np.concatenate(self._output)

    def follow(self) -> None:
        """Let the beat grid follow the leader."""
        at = self._mixer.horizon + 400
        if self._leader is None or self.grid.anchor_frame > self._mixer.horizon:
            return
        for action in self._follower.decide(at, self.grid, self._leader(at / RATE), 120.0):
            if isinstance(action, ChangeGrid):
                self.grid = action.grid
                self.grids += 1
                self.send(SetGrid(self.grid, self.grid.anchor_frame))

    def pull(self) -> None:
        block = np.zeros((self._rng.choice((64, 256, 333, 1024)), 2), np.float32)
        self._callback.fill(block, False)
        assert self._callback.failures == 0, self._callback.last_failure
        self._output.append(block)
        while self._callback.outbox:
            report, _ = self._callback.outbox.popleft()
            if isinstance(report, Scheduled):
                self._player_log.scheduled(report)
            elif isinstance(report, LoopFreed):
                self._free.append(report.slot)
