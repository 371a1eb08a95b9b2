"""What hosted plugins cost, and how soon they obey: ``python -m tools.bench.plugins [--block 128] [--seconds 20]``.

With ``--ten`` a set plays through ten effects in a row, on deck a, at 128 and at 512 frames.

Two decks and the master each go through reverb, compressor and equaliser (or ``--chain``) in real host processes, while
a paced output pulls blocks in real time, as in the player. Printed are, in the same run with and without the plugins:

- player: time of one pull,
- hosts: processor time of the host processes, as a share of one core,
- late: gaps in what the plugins gave back, and blocks of the output that were finished too late,
- knob to ear: from the moment a parameter is moved until the first sample that it changes is handed out, and what the
  device adds (one block),
- back after a kill: from SIGKILL of a host until its answers are heard again.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from riffengine.clock import SystemClock
from riffengine.output.paced import PacedOutput
from riffengine.playback.mixer import Mixer
from riffengine.plugins.chain import HostedPlugin, PluginChain, controls
from riffengine.plugins.host import PluginHost
from riffengine.plugins.host_messages import HostOptions, HostReady
from riffengine.processes.audio import Block
from riffengine.processes.parameter_path import parse_path
from riffengine.processes.player_messages import FADE, AttachInsert, LaunchBank, LoopRef, PlaceLoop, SetControl
from riffengine.processes.plugin_blocks import PluginBlocks
from riffengine.processes.realtime import raise_priority
from riffengine.transport.beat_grid import BeatGrid

RATE = 44100
CHAIN = (
    "lv2:urn:dragonfly:plate",
    "lv2:http://calf.sourceforge.net/plugins/Compressor",
    "lv2:http://gareus.org/oss/lv2/fil4#stereo",
)
PLACES = ("deck/a", "deck/b", "master")
CALF = "lv2:http://calf.sourceforge.net/plugins/"
TEN = (
    *(CALF + name for name in ("Filter", "Flanger", "Phaser", "MultiChorus", "VintageDelay", "Compressor")),
    "lv2:http://gareus.org/oss/lv2/fil4#stereo",
    "lv2:urn:dragonfly:plate",
    "lv2:http://gareus.org/oss/lv2/darc#stereo",
    "lv2:http://gareus.org/oss/lv2/dpl#stereo",
)


class Hosted:
    """One host process and its shared memory."""

    def __init__(self, place: str, references: Sequence[str], log: str = "") -> None:
        self.place, self.log = place, log
        self.blocks = PluginBlocks.create()
        self.chain = PluginChain(tuple(HostedPlugin(reference) for reference in references))
        self.ready = self.start(False)

    def start(self, takes_over: bool, spare: PluginHost | None = None) -> HostReady:
        options = HostOptions(self.blocks.name, RATE, self.chain, takes_over=takes_over, log=self.log)
        self.host = spare or PluginHost()
        self.host.options = options
        self.host.start()
        while True:
            said, connected = self.host.receive()
            for message in said:
                if isinstance(message, HostReady):
                    return message
            if not connected:
                raise SystemExit(f"the plugins of {self.place} could not be started: {said}")
            time.sleep(0.002)

    def attach(self, block: int) -> AttachInsert:
        names = tuple(f"{self.place}/fx/{at + 1}/{name}" for at, name in controls(self.ready.infos))
        return AttachInsert(self.place, self.blocks.name, block, self.ready.latency, RATE, names)

    def processor_seconds(self) -> float:
        fields = Path(f"/proc/{self.host.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def playing(rack: list[Block]) -> Mixer:
    """A mixer on which two decks play three stems of noise each."""
    grid = BeatGrid(RATE, 120.0)
    mixer = Mixer(RATE, grid, lambda ref: rack[ref.slot], ("a", "b"))
    mixer.schedule(SetControl(FADE, 1.0, 0, 0))
    for number, deck in enumerate("ab"):
        rng = np.random.default_rng(number)
        rack.append((0.05 * rng.standard_normal((3, grid.loop_frames(8), 2))).astype(np.float32))
        loop = LoopRef(number, number, rack[number].shape[1], 2, ("drums", "bass", "harmony"), 8)
        mixer.schedule(PlaceLoop(deck, 1, 0.0, loop, 0))
        mixer.schedule(LaunchBank(deck, 1, 0, 0))
    return mixer


def play(
    mixer: Mixer, block: int, seconds: float, each: float, act: list[SetControl]
) -> tuple[np.ndarray, int, list[float]]:
    """Pull in real time: microseconds of every pull, late blocks, and milliseconds from knob to hand-over."""
    taken: list[float] = []
    late = 0
    sent: dict[int, int] = {}
    ears: list[float] = []
    clock = SystemClock()

    def fill(out: Block, starved: bool) -> None:
        nonlocal late
        began = clock.now_ns()
        out[:] = mixer.pull(len(out))
        now = clock.now_ns()
        taken.append((now - began) / 1e3)
        late += starved
        for report in mixer.reports():
            stamp, frame = getattr(report, "stamp_ns", 0), getattr(report, "frame", 0)
            if stamp:
                ahead = (frame - mixer.frame + len(out)) / RATE
                sent[stamp] = 1
                ears.append((now - stamp) / 1e6 + 1000 * ahead)

    output = PacedOutput(fill, RATE, block, 2, clock)
    output.start()
    began = time.perf_counter()
    while time.perf_counter() - began < seconds:
        time.sleep(each)
        for message in act:
            mixer.schedule(SetControl(message.target, message.value, None, 0, clock.now_ns()))
    output.stop()
    return np.array(taken[len(taken) // 10 :]), late, ears


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--block", type=int, default=128)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--chain", nargs="*", default=list(CHAIN))
    parser.add_argument("--ten", action="store_true", help="ten effects in a row on one deck, at 128 and 512 frames")
    options = parser.parse_args()
    load, python = os.getloadavg()[0], platform.python_version()
    print(f"{platform.machine()}, {os.cpu_count()} cores, load {load:.1f}, Python {python}")
    places, chain = (PLACES[:1], TEN) if options.ten else (PLACES, tuple(options.chain))
    hosts = [Hosted(place, chain) for place in places]
    raise_priority(10)  # as the player has; before the thread of the output is made
    for block in (128, 512) if options.ten else (options.block,):
        measure(hosts, block, options.seconds)
    spare = PluginHost.spare()
    time.sleep(3.0)
    hosts[0].host.kill()
    began = time.perf_counter()
    hosts[0].start(True, spare)
    print(f"a killed host is ready again after {1000 * (time.perf_counter() - began):.0f} ms")
    for hosted in hosts:
        hosted.host.close()
        hosted.blocks.close()


def measure(hosts: Sequence[Hosted], block: int, seconds: float) -> None:
    """Play without plugins, then with those of ``hosts``, and print both."""
    print(f"{block} frames at {RATE} Hz: a block every {1e6 * block / RATE:.0f} us")
    plain, late, _ = play(playing([]), block, seconds, 0.05, [])
    print(f"player without plugins: {_shown(plain)}, {late} late")
    mixer = playing([])
    for hosted in hosts:
        message = hosted.attach(block)
        mixer.admit(message)
        mixer.schedule(message)
    before = sum(hosted.processor_seconds() for hosted in hosts)
    knob = [SetControl(parse_path("deck/a/fx/1/mix"), 0.5)]
    taken, late, ears = play(mixer, block, seconds, 0.05, knob)
    share = (sum(hosted.processor_seconds() for hosted in hosts) - before) / seconds
    latencies = ", ".join(str(hosted.ready.latency) for hosted in hosts)
    plugins = f"{len(hosts[0].chain.plugins)} plugins on {len(hosts)} places (latency {latencies})"
    print(f"player with {plugins}: {_shown(taken)}, {late} late")
    print(f"gaps: {mixer.counters.plugin_gaps}; hosts: {100 * share:.1f} % of a core")
    ears = [ms + 1000 * block / RATE for ms in ears]
    if ears:
        p50, p95 = np.percentile(ears, [50, 95])
        print(f"knob to ear, with one block for the device: p50 {p50:.1f} ms, p95 {p95:.1f} ms, of {len(ears)} moves")


def _shown(taken: np.ndarray) -> str:
    p50, p99 = np.percentile(taken, [50, 99])
    return f"median {p50:.0f} us, p99 {p99:.0f} us a block"


if __name__ == "__main__":
    main()
