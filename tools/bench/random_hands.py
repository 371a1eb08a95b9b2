"""Hands: three performers that play a served set at random, by OSC, by the page and its routes, and by MIDI.

They leave alone what silences a set on purpose (panic, mute, solo, closed filters); the names of the MIDI controls are
those of ``tools.bench.hands``.
"""

from __future__ import annotations

import asyncio
import json
import random
import socket
import subprocess
import sys
import threading
from collections import defaultdict
from pathlib import Path
from typing import Any

import aiohttp

from riffengine.bench.jack_server import JackServer
from riffengine.control.osc.wire import encode

WORDS = (
    "house", "techno", "jazz", "dub", "ambient", "piano", "acid", "warm", "dark", "driving", "soft", "strings",
    "electronic drums", "upright bass", "organ", "bells", "minimal", "funk", "spacious", "fast",
)  # fmt: skip
CHORDS = ("", "Am7 Fmaj7 C G", "C G Am F", "Dm7 G7 Cmaj7")
MIDI_NUMBERS = 7


def gesture(rng: random.Random) -> tuple[str, float | int | str]:
    """A random command that leaves the set sounding; one in fifteen is a text or a number that is refused."""
    deck, text = rng.choice("ab"), ", ".join(rng.sample(WORDS, 3))
    if rng.random() < 1 / 15:
        return rng.choice(
            (("steps", 10**9), (f"deck/{deck}/chords", "H#17"), ("transport/quantum", "never"), ("scene/recall", text))
        )
    return rng.choice(
        (
            (f"deck/{deck}/prompt", text), (f"deck/{deck}/prompt", text),
            (f"deck/{deck}/to", text),
            (f"deck/{deck}/seed", rng.randrange(2**31)), (f"deck/{deck}/alpha", rng.random()),
            (f"deck/{deck}/drift", rng.choice((0.0, 0.0, 0.25))), (f"deck/{deck}/guidance", rng.uniform(1, 6)),
            (f"deck/{deck}/negative", rng.choice(WORDS)), (f"deck/{deck}/density", rng.uniform(-0.5, 1)),
            (f"deck/{deck}/transpose", rng.randrange(-6, 7)), (f"deck/{deck}/chords", rng.choice(CHORDS)),
            (f"deck/{deck}/filter", rng.uniform(-0.4, 0.4)), (f"deck/{deck}/again", 1),
            (f"deck/{deck}/gain", rng.uniform(-12, 0)), ("crossfader", rng.uniform(0.2, 0.8)), ("next", 1), ("undo", 1),
            ("steps", rng.choice((4, 8, 8, 20, 50))), ("draft_steps", rng.choice((2, 4, 8))),
            ("transport/tempo", rng.choice((96.0, 120.0, 128.0, 140.0))),
            ("transport/quantum", rng.choice(("beat", "bar", "2bars"))), ("scene/store", f"scene {rng.randrange(20)}"),
            ("scene/recall", f"scene {rng.randrange(20)}"),
            ("record/save_last", 1) if rng.random() < 0.1 else ("redo", 1),
        )
    )  # fmt: skip


class Hands:
    """The three hands; each has a thread, and counts what it did."""

    def __init__(self, folder: Path, ports: dict[str, int], jack: JackServer | None, seed: int, rest: float) -> None:
        self.folder, self.ports, self.rest, self.seed = folder, ports, rest, seed
        self.jack = jack
        self.counts: dict[str, int] = defaultdict(int)
        self.ended = threading.Event()
        self.threads = [threading.Thread(target=hand, daemon=True) for hand in (self._osc, self._web, self._midi)]

    def start(self) -> None:
        for thread in self.threads:
            thread.start()

    def close(self) -> None:
        self.ended.set()
        for thread in self.threads:
            if thread.ident is not None:  # the set may have ended before they began
                thread.join(20)

    def _pause(self, rng: random.Random) -> bool:
        return not self.ended.wait(rng.expovariate(1 / self.rest))

    def _osc(self) -> None:
        rng = random.Random(f"{self.seed} osc")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            out.setblocking(False)
            while self._pause(rng):
                path, value = gesture(rng)
                messages = [encode(f"/riff/{path}", value)]
                if rng.random() < 0.1:  # a fader's sweep
                    messages = [encode("/riff/deck/a/alpha", step / 50) for step in range(50)]
                if rng.random() < 0.1:
                    messages.append(rng.randbytes(rng.randrange(200)))
                if rng.random() < 0.02:
                    messages.append(encode(rng.choice(("/riff/help", "/riff/notify", "/riff/*/a/gain")), 1))
                for message in messages:
                    try:
                        out.sendto(message, ("127.0.0.1", self.ports["osc"]))
                        self.counts["osc sent"] += 1
                    except OSError:
                        self.counts["osc unsent"] += 1
                self._drain(out)

    def _drain(self, out: socket.socket) -> None:
        try:
            while True:
                out.recv(65536)
                self.counts["osc answers"] += 1
        except OSError:
            return

    def _web(self) -> None:
        rng = random.Random(f"{self.seed} web")
        while not self.ended.is_set():
            try:
                asyncio.run(self._visit(rng))
            except (OSError, aiohttp.ClientError, TimeoutError):
                self.counts["web visits broken off"] += 1
                self.ended.wait(1.0)

    async def _visit(self, rng: random.Random) -> None:
        """One visitor: some gestures by WebSocket, then each of the other routes, some left in the middle."""
        url = f"http://127.0.0.1:{self.ports['web']}"
        monitor = f"http://127.0.0.1:{self.ports['http']}"
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as client:
            async with client.ws_connect(f"{url}/ws/control", max_msg_size=0) as wire:
                for number in range(rng.randrange(1, 30)):
                    if not self._pause(rng):
                        return
                    path, value = gesture(rng)
                    value = True if value == 1 and "/seed" not in path else value
                    await wire.send_json({"type": "set", "path": path, "value": value, "id": number})
                    if rng.random() < 0.1:
                        await wire.send_str(rng.randbytes(50).hex())
                    self.counts["web commands"] += 1
            for route in (f"{url}/", f"{url}/api/welcome", f"{monitor}/health", f"{monitor}/metrics", f"{url}/nothing"):
                async with client.get(route) as answer:
                    await answer.read()
                    self.counts[f"http {answer.status}"] += 1
            codec = rng.choice(("flac", "ogg", "mp3"))
            async with client.get(f"{url}/stream.{codec}") as answer:
                for _ in range(rng.randrange(1, 20)):
                    await answer.content.readany()
                self.counts[f"listened to {codec}"] += 1

    def _midi(self) -> None:
        if self.jack is None:
            return
        rng = random.Random(f"{self.seed} midi")
        program = Path(__file__).resolve().parents[2] / "tests/wire/pad_box.py"
        while not self.ended.is_set():  # a controller that is plugged in and pulled out again and again
            with subprocess.Popen(
                [sys.executable, program], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
                env=self.jack.environment,
            ) as box:  # fmt: skip
                assert box.stdin is not None

                def ask(what: dict[str, Any], to: Any = box.stdin) -> None:
                    to.write(json.dumps(what) + "\n")
                    to.flush()

                try:
                    ask({"come": "hands"})
                    for _ in range(rng.randrange(100, 600)):
                        if not self._pause(rng):
                            break
                        messages = [[0xB0, rng.randrange(MIDI_NUMBERS), rng.randrange(128)]]
                        if rng.random() < 0.2:
                            key = rng.choice((36, 37, 38, 60))
                            messages = [[0x90, key, 100], [0x80, key, 0]]
                        if rng.random() < 0.1:
                            messages.append([rng.randrange(0x80, 0xF0), rng.randrange(128), rng.randrange(128)])
                        ask({"send": messages})
                        self.counts["midi messages"] += len(messages)
                    ask({"go": 1})
                    box.stdin.close()
                    box.wait(20)
                    self.counts["midi controllers"] += 1
                except (OSError, subprocess.TimeoutExpired):
                    self.counts["midi broken off"] += 1
                    box.kill()
