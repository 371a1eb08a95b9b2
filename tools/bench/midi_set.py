"""Measures MIDI latency and hot-plugging while a set plays.

Run it with ``python -m tools.bench.midi_set [--moves 1000] [--plugs 100]``.

Starts JACK's dummy driver and ``riffengine play`` on the paced output. Moves: the time from a control change that this
process sends until the engine reports the applied change over OSC; it includes JACK's cycle and the way back. Plugs: a
controller is unplugged and plugged in again; each time every binding must work and its LEDs must show the state.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import queue
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from riffengine.bench.jack_server import JackServer
from riffengine.control.osc.wire import decode, encode

PERIOD_FRAMES = 64  # 1.3 ms: MIDI over JACK waits for the next cycle
PATIENCE_SECONDS = 180.0
KNOBS = {1: "master/gain", 2: "crossfader", 3: "deck/a/alpha", 4: "deck/a/filter"}
PRESET = """
tempo: 120
prompts: [techno, jazz]
deck: {a: {prompt: "techno, driving", to: "ambient, pad", seed: 3, to_seed: 4}}
output: {to: paced, fade_in: 0.02, fade_out: 0.1}
midi:
  learned: LEARNED
  map:
    - {cc: 1, set: master/gain}
    - {cc: 2, set: crossfader}
    - {cc: 3, set: deck/a/alpha}
    - {cc: 4, set: deck/a/filter, takeover: none}
    - {pitchbend: true, set: deck/a/density}
    - {note: 36, set: deck/a/mute, mode: toggle, light: plain}
    - {program: 0, set: deck/a/prompts/pick, values: [1, 2]}
"""


class MidiSet:
    """A playing set, and an OSC subscriber to it."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self.process, self._log = process, log
        self.wire = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.wire.connect(("127.0.0.1", port))

    def send(self, address: str, *values: float | int | str) -> None:
        self.wire.send(encode(address, *values))

    def wait_for(self, address: str, found: Callable[[tuple[Any, ...]], bool] = lambda _: True) -> tuple[Any, ...]:
        """The next message to ``address`` that ``found`` accepts; ``TimeoutError`` after three minutes."""
        deadline = time.perf_counter() + PATIENCE_SECONDS
        while (left := deadline - time.perf_counter()) > 0:
            self.wire.settimeout(left)
            for message in decode(self.wire.recv(65536)):
                if message.address == address and found(tuple(message.arguments)):
                    return tuple(message.arguments)
        raise TimeoutError(f"never received {address}; output of the engine: {self.output()[-800:]}")

    def value(self, path: str) -> Any:
        self.send(f"/riff/{path}")
        return self.wait_for(f"/riff/{path}")[0]

    def wait_until(self, path: str, value: object) -> None:
        """Wait until the parameter is ``value``, to three digits."""

        def near(now: Any) -> bool:
            return abs(now - value) < 1e-3 if isinstance(value, float) else bool(now == value)

        deadline = time.perf_counter() + PATIENCE_SECONDS
        while not near(now := self.value(path)):
            if time.perf_counter() > deadline:
                raise TimeoutError(f"{path} is {now}, not {value}; the engine output: {self.output()[-800:]}")
            time.sleep(0.005)

    def status(self) -> dict[str, Any]:
        self.send("/riff/status")
        words = self.wait_for("/riff/status.reply")
        return dict(zip(words[::2], words[1::2], strict=True))

    def output(self) -> str:
        return self._log.read_text()

    def wait_for_output(self, text: str, times: int = 1) -> None:
        deadline = time.perf_counter() + PATIENCE_SECONDS
        while self.output().count(text) < times:
            if time.perf_counter() > deadline or self.process.poll() is not None:
                raise TimeoutError(f"it never output {text!r} {times} times; it output: {self.output()[-800:]}")
            time.sleep(0.01)


@contextmanager
def playing_midi_set(folder: Path, learned: bool = False, arguments: tuple[str, ...] = ()) -> Iterator[MidiSet]:
    """A set that plays the preset above on the JACK server of the environment; ends it afterwards."""
    preset, log = folder / "set.yaml", folder / "engine.log"
    preset.write_text(PRESET.replace("LEARNED", "true" if learned else "false"))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    command = [sys.executable, "-m", "riffengine", "play", str(preset), "--osc-port", str(port), *arguments]
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
        found = MidiSet(process, port, log)
        try:
            found.wait_for_output("MIDI in (JACK)")
            yield found
        finally:
            found.wire.close()
            process.send_signal(signal.SIGINT)
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


class FakeController:
    """A MIDI controller in this process."""

    def __init__(self, name: str = "pad controller") -> None:
        import rtmidi

        self.shown: queue.SimpleQueue[tuple[int, ...]] = queue.SimpleQueue()
        self._leds = rtmidi.MidiIn(rtmidi.API_UNIX_JACK, name=name)
        self._leds.set_callback(lambda event, _: self.shown.put(tuple(event[0])))
        self._leds.open_virtual_port("in")
        self._keys = rtmidi.MidiOut(rtmidi.API_UNIX_JACK, name=name)
        self._keys.open_virtual_port("out")
        self._open = [self._leds, self._keys]

    def send(self, *message: int) -> None:
        self._keys.send_message(message)

    def wait_until(self, *wanted: int) -> None:
        while self.shown.get(timeout=PATIENCE_SECONDS) != wanted:
            pass

    def pull(self) -> None:
        """Unplug it; a second call does nothing, because rtmidi crashes when a port is deleted twice."""
        while self._open:
            port = self._open.pop()
            port.close_port()
            port.delete()


def moves(found: MidiSet, count: int, seed: int = 0) -> dict[str, Any]:
    """Milliseconds from a control change until it was applied, one at a time."""
    controller = FakeController()
    found.wait_for_output("connected: pad controller")
    controller.wait_until(0x90, 36, 0)
    rng, last, latencies_ms = random.Random(seed), dict.fromkeys(KNOBS, -1), []
    found.send("/riff/notify", 1)
    found.wait_for(f"/riff/{KNOBS[4]}")
    for knob in KNOBS:
        controller.send(0xB0, knob, 1)
        found.wait_for(f"/riff/{KNOBS[knob]}")
    for _ in range(count):
        knob = rng.choice(list(KNOBS))
        last[knob] = rng.choice([v for v in range(2, 126) if v != last[knob]])
        sent = time.perf_counter()
        controller.send(0xB0, knob, last[knob])
        found.wait_for(f"/riff/{KNOBS[knob]}")
        latencies_ms.append((time.perf_counter() - sent) * 1000)
        time.sleep(rng.uniform(0.002, 0.03))
    found.send("/riff/notify", 0)
    controller.pull()
    found.wait_for_output("gone: pad controller")
    latencies_ms.sort()
    return {
        "moves": count,
        "p50_ms": round(latencies_ms[count // 2], 3),
        "p99_ms": round(latencies_ms[min(count - 1, count * 99 // 100)], 3),
        "max_ms": round(latencies_ms[-1], 3),
    }


def plugs(found: MidiSet, count: int) -> dict[str, Any]:
    """Unplug and plug in a controller ``count`` times. Raises when a control does not work."""
    came, went = (found.output().count(f"{what}: pad controller") for what in ("connected", "gone"))
    early: dict[str, int] = {}
    for turn in range(count):
        controller = FakeController()
        found.wait_for_output("connected: pad controller", came + turn + 1)
        muted = bool(found.value("deck/a/mute"))
        controller.wait_until(0x90, 36, 127 * muted)
        value = turn % 120 + 2
        for knob in KNOBS:
            controller.send(0xB0, knob, value)
        controller.send(0xE0, value, value)
        controller.send(0x90, 36, 100)
        controller.send(0x80, 36, 0)
        controller.send(0xC0, turn % 2)
        controller.wait_until(0x90, 36, 127 * (not muted))
        found.wait_until("deck/a/prompt", ("techno", "jazz")[turn % 2])
        found.wait_until("crossfader", value / 127)
        found.wait_until("deck/a/alpha", value / 127)
        found.wait_until("deck/a/filter", 2 * value / 127 - 1)
        found.wait_until("master/gain", -60 + 66 * value / 127)
        found.wait_until("deck/a/density", 2 * (value << 7 | value) / 16383 - 1)
        found.wait_until("deck/a/mute", int(not muted))
        controller.pull()
        found.wait_for_output("gone: pad controller", went + turn + 1)
        if turn == min(9, count - 1):
            early = _size(found)
    return {"plugs": count, "early": early, "late": _size(found)}


def _size(found: MidiSet) -> dict[str, int]:
    """Memory, files and threads of the engine process."""
    root = Path("/proc") / str(found.process.pid)
    pages = int((root / "statm").read_text().split()[1])
    return {
        "rss_kib": pages * os.sysconf("SC_PAGE_SIZE") // 1024,
        "files": len(list((root / "fd").iterdir())),
        "threads": len(list((root / "task").iterdir())),
    }


def measure(move_count: int, plug_count: int, plays: bool = True) -> dict[str, Any]:
    """Measure both in one set, once ``plays`` has seen that the music plays."""
    server = JackServer.start(48000, PERIOD_FRAMES)
    for name in ("JACK_DEFAULT_SERVER", "JACK_NO_START_SERVER"):
        os.environ[name] = server.environment[name]
    try:
        with tempfile.TemporaryDirectory() as folder, playing_midi_set(Path(folder)) as found:
            deadline = time.perf_counter() + PATIENCE_SECONDS
            while plays and not found.status()["jobs_heard"] and time.perf_counter() < deadline:
                time.sleep(0.2)
            before = found.status()
            result = {"moves": moves(found, move_count), "plugs": plugs(found, plug_count)}
            after = found.status()
            result["set"] = {key: after[key] - before[key] for key in ("underruns", "famines", "jobs_heard")}
    finally:
        server.stop()
    result["machine"] = {
        "cores": os.cpu_count(),
        "load": [round(x, 2) for x in os.getloadavg()],
        "python": platform.python_version(),
        "jack_period_ms": round(PERIOD_FRAMES / 48, 2),
    }
    return result


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--moves", type=int, default=1000)
    parser.add_argument("--plugs", type=int, default=100)
    arguments = parser.parse_args()
    print(json.dumps(measure(arguments.moves, arguments.plugs), indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
