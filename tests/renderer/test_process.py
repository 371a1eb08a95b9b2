"""The real renderer process: jobs, cancels, failures, and its death."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest

from riffengine.processes.loop_store import LoopStore
from riffengine.processes.render_messages import Alive, Cancel, Cancelled, Delivery, Failed, FromRenderer, Ready, Render
from riffengine.processes.render_request import MorphEnd, RenderRequest
from riffengine.renderer.process import RendererOptions, RendererProcess

SLOTS, FLOATS = 3, 8 * 44100 * 2
PATIENCE_SECONDS = 120.0


@pytest.fixture
def store() -> Iterator[LoopStore]:
    store = LoopStore.create(SLOTS, FLOATS)
    yield store
    store.close()


@pytest.fixture
def renderer(store: LoopStore) -> Iterator[RendererProcess]:
    renderer = RendererProcess(RendererOptions(store.name, SLOTS, FLOATS))
    renderer.start()
    yield renderer
    renderer.stop()


class Messages:
    """Returns the renderer's messages one at a time; fails after two minutes without one."""

    def __init__(self, renderer: RendererProcess) -> None:
        self.renderer = renderer
        self.waiting: list[FromRenderer] = []

    def next(self) -> FromRenderer:
        while not self.waiting:
            assert select.select([self.renderer.fileno()], [], [], PATIENCE_SECONDS)[0], "the renderer sent nothing"
            received, connected = self.renderer.receive()
            assert received or connected, "the renderer is gone"
            self.waiting += [message for message in received if not isinstance(message, Alive)]
        return self.waiting.pop(0)


def first_message(renderer: RendererProcess) -> FromRenderer:
    return Messages(renderer).next()


def request(seed: int, steps: int = 1, key: str = "") -> RenderRequest:
    point = MorphEnd("techno", seed)
    return RenderRequest(point, point, steps=steps, bpm=180.0, key=key)


def test_it_renders_cancels_fails_and_continues(renderer: RendererProcess, store: LoopStore) -> None:
    messages = Messages(renderer)
    ready = messages.next()
    assert isinstance(ready, Ready)
    assert "techno" in ready.vocabulary
    renderer.send(Render(1, request(1, steps=50), slot=0))
    renderer.send(Render(2, request(2), slot=1))
    renderer.send(Cancel(2))  # has not started
    renderer.send(Cancel(1))  # is the current job
    renderer.send(Render(3, request(3, key="no key"), slot=1))
    renderer.send(Render(4, request(4), slot=2))
    answers = [messages.next()]
    while not isinstance(answers[-1], Delivery):
        answers.append(messages.next())
    assert {message.job for message in answers if isinstance(message, Cancelled)} == {1, 2}
    failed = [message for message in answers if isinstance(message, Failed)]
    assert [message.job for message in failed] == [3]
    assert "is not a key" in failed[0].reason
    delivery = answers[-1]
    assert isinstance(delivery, Delivery)
    assert (delivery.job, delivery.slot, delivery.frames) == (4, 2, 117600)
    loop = store.view(2, len(delivery.stems), delivery.frames, delivery.channels)
    assert delivery.stems == ("drums", "bass", "harmony")
    assert float(np.abs(loop.sum(axis=0)).max()) == pytest.approx(delivery.peak, rel=1e-5)
    assert not store.view(0, 1, 100, 1).any()  # the cancelled job wrote nothing


def test_a_killed_renderer_is_noticed_and_can_be_restarted(renderer: RendererProcess) -> None:
    assert isinstance(first_message(renderer), Ready)
    assert renderer.pid is not None
    os.kill(renderer.pid, signal.SIGKILL)
    select.select([renderer.fileno()], [], [], PATIENCE_SECONDS)
    assert renderer.receive() == ([], False)
    renderer.stop()
    renderer.start()
    assert isinstance(first_message(renderer), Ready)


def test_a_model_that_cannot_load_says_why(store: LoopStore) -> None:
    renderer = RendererProcess(RendererOptions(store.name, SLOTS, FLOATS, model="nowhere.safetensors"))
    renderer.start()
    message = first_message(renderer)
    renderer.stop()
    assert isinstance(message, Failed)
    assert "nowhere.safetensors" in message.reason


_LOADS_FOR_EVER = """
import time
from multiprocessing import get_context
from riffengine.processes.loop_store import LoopStore
from riffengine.renderer import process
process._load = lambda options: time.sleep(600)
store = LoopStore.create(4, 1000)
ours, theirs = get_context("spawn").Pipe()
ours.close()
try:
    process.renderer_main(process.RendererOptions(store.name, store.slots, 1000), theirs)
finally:
    store.close()
"""


def test_an_orphan_ends_while_it_loads_its_model() -> None:
    """The engine was killed: the renderer does not load for a minute first, with the shared memory held."""
    done = subprocess.run([sys.executable, "-c", _LOADS_FOR_EVER], timeout=120, capture_output=True)
    assert done.returncode == 0, done.stderr
