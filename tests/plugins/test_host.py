"""The host process: blocks in, blocks out, in order; parameters, mix, state; and its end by a plugin's fault."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from riffengine.plugins.chain import MOST_STATE_BYTES, HostedPlugin, PluginChain
from riffengine.plugins.host import PluginHost
from riffengine.plugins.host_messages import (
    FromHost,
    HostFailed,
    HostOptions,
    HostReady,
    LatencyChanged,
    PluginFault,
    StateTaken,
    TakeState,
)
from riffengine.processes.plugin_blocks import BLOCK_FRAMES, PluginBlocks

RATE = 44100
Start = Callable[..., "Session"]


class Session:
    """A host and its shared memory."""

    def __init__(self, *plugins: HostedPlugin, takes_over: bool = False, blocks: PluginBlocks | None = None) -> None:
        self.blocks = blocks or PluginBlocks.create()
        chain = PluginChain(plugins)
        options = HostOptions(
            self.blocks.name, RATE, chain, takes_over=takes_over, live=False, opener="tests.plugins.python_plugins"
        )
        self.host = PluginHost(options)
        self.host.start()
        self.said: list[FromHost] = []

    def receive(self, kind: type[FromHost]) -> FromHost:
        """The next message of ``kind``; the test's own time limit ends a wait for one that does not come."""
        while True:
            for message in self.said:
                if isinstance(message, kind):
                    self.said.remove(message)
                    return message
            said, connected = self.host.receive()
            self.said += said
            if not said:
                assert connected, f"the host has ended without {kind.__name__}"
                self.host.join(0.005)

    def through(self, block: int, sound: np.ndarray, *changes: tuple[int, float]) -> np.ndarray:
        """What the host makes of a block."""
        self.blocks.ask(block, sound, 0.0, 120.0, changes)
        assert self.blocks.wait_answer(block, 20.0)
        answer = self.blocks.answer(block)
        assert answer is not None
        return answer[0].copy()

    def close(self) -> None:
        self.host.close()
        self.blocks.close()


@pytest.fixture
def start() -> Iterator[Start]:
    sessions: list[Session] = []

    def begin(*plugins: HostedPlugin, **how: object) -> Session:
        sessions.append(Session(*plugins, **how))  # type: ignore[arg-type]  # passed on as they are
        return sessions[-1]

    yield begin
    for session in sessions:
        session.close()


def noise(seed: int) -> np.ndarray:
    return 0.1 * np.random.default_rng(seed).standard_normal((BLOCK_FRAMES, 2)).astype(np.float32)


def test_blocks_go_through_the_plugins_in_a_row(start: Start) -> None:
    session = start(
        HostedPlugin("test:gain", values=(("gain", 0.5),)), HostedPlugin("test:late", values=(("gain", 0.25),))
    )
    ready = session.receive(HostReady)
    assert isinstance(ready, HostReady)
    assert [info.name for info in ready.infos] == ["gain", "late"]
    assert ready.latency == 256
    sounds = [noise(n) for n in range(6)]
    heard = [session.through(1000 + n, sound) for n, sound in enumerate(sounds)]
    assert np.allclose(np.concatenate(heard[2:]), np.concatenate(sounds[:4]) / 8)
    assert session.blocks.answer(1005)[1] == 256  # type: ignore[index]  # it has just been answered


def test_parameters_glide_and_a_bypass_keeps_the_latency(start: Start) -> None:
    session = start(HostedPlugin("test:late"))
    session.receive(HostReady)
    ones = np.ones((BLOCK_FRAMES, 2), dtype=np.float32)
    on, mix, gain = 0, 1, 2
    session.through(0, ones, (gain, 4.0))
    heard = [session.through(n, ones) for n in range(1, 8)]
    assert [round(float(h[0, 0]), 3) for h in heard] == [0.0, 2.0, 3.0, 4.0, 4.0, 4.0, 4.0]
    halfway = session.through(8, ones, (mix, 0.5))
    assert float(halfway[54, 0]) == pytest.approx(1.0 + 3.0 * (1.0 - 55 / (0.005 * RATE)), rel=1e-5)
    assert float(session.through(9, ones)[-1, 0]) == 2.5
    session.through(10, ones, (on, 0.0))
    assert float(session.through(11, ones)[-1, 0]) == 1.0
    marked = ones.copy()
    marked[7] = 3.0
    session.through(12, marked)
    session.through(13, ones)
    assert list(np.flatnonzero(session.through(14, ones)[:, 0] == 3.0)) == [7]


def test_blocks_are_answered_while_an_engine_that_stands_still_takes_nothing_of_a_large_state(start: Start) -> None:
    session = start(
        HostedPlugin("test:large", values=(("gain", 0.5),)), HostedPlugin("test:large", values=(("gain", 2.0),))
    )
    session.receive(HostReady)
    session.host.send(TakeState())
    for number in range(40):  # it looks at its pipe every eighth block
        session.through(number, noise(number))
    taken = session.receive(StateTaken)
    assert isinstance(taken, StateTaken)
    assert ([len(state) for state in taken.states], taken.too_large) == ([MOST_STATE_BYTES, 0], (1,))


def test_state_comes_back_and_what_is_no_state_is_said(start: Start) -> None:
    session = start(HostedPlugin("test:gain", values=(("gain", 0.5),)), HostedPlugin("test:gain"))
    session.receive(HostReady)
    session.host.send(TakeState())
    taken = session.receive(StateTaken)
    assert isinstance(taken, StateTaken)
    assert taken.states == (b"0.5", b"1.0")
    again = start(
        HostedPlugin("test:gain", state=taken.states[0]),
        HostedPlugin("test:gain", values=(("nothing", 1.0),), state=b"nonsense"),
    )
    ready = again.receive(HostReady)
    assert isinstance(ready, HostReady)
    assert len(ready.notes) == 2
    assert np.allclose(again.through(0, noise(1)), noise(1) / 2)


def test_a_latency_that_changes_is_reported(start: Start) -> None:
    session = start(HostedPlugin("test:gain"))
    session.receive(HostReady)
    session.through(0, noise(0), (4, 64.0))
    assert session.receive(LatencyChanged) == LatencyChanged(64)


@pytest.mark.parametrize(("fault", "kind"), [(3, "not finite"), (4, "runaway")])
def test_what_is_no_sound_is_not_answered(start: Start, fault: int, kind: str) -> None:
    session = start(HostedPlugin("test:gain"))
    session.receive(HostReady)
    session.through(0, noise(0))
    for block in range(1, 60):
        session.blocks.ask(block, noise(block), 0.0, 120.0, [(3, fault)] if block == 1 else [])
    assert session.receive(PluginFault) == PluginFault(0, kind)
    assert all(session.blocks.answer(block) is None for block in range(2, 60))


def test_a_crash_ends_the_process_and_the_next_host_goes_on_with_the_newest_block(start: Start) -> None:
    session = start(HostedPlugin("test:gain"))
    session.receive(HostReady)
    session.through(70, noise(0))
    for block in range(71, 90):
        session.blocks.ask(block, noise(block), 0.0, 120.0, [(3, 1)] if block == 71 else [])
    assert session.host.join(20.0)
    assert session.blocks.answered_to == 71
    session.host.close()
    following = start(HostedPlugin("test:gain"), takes_over=True, blocks=session.blocks)
    following.receive(HostReady)
    assert np.allclose(following.through(90, noise(90)), noise(90))
    assert session.blocks.answer(75) is None


def test_a_plugin_that_cannot_be_opened_is_named(start: Start) -> None:
    session = start(HostedPlugin("test:gain"), HostedPlugin("test:missing"))
    failed = session.receive(HostFailed)
    assert failed == HostFailed(1, "there is no test:missing")


def test_the_host_ends_with_the_engine(start: Start) -> None:
    session = start(HostedPlugin("test:gain"))
    session.receive(HostReady)
    session.through(0, noise(0))
    process = session.host._process
    session.host._pipe.close()  # type: ignore[union-attr]  # what happens when the engine is killed
    assert process is not None
    process.join(20.0)
    assert process.exitcode == 0


def test_a_chain_is_the_same_after_it_was_written() -> None:
    chain = PluginChain((HostedPlugin("test:gain", False, 0.5, (("gain", 0.25),), b"\0\1"), HostedPlugin("test:late")))
    assert PluginChain.from_text(chain.as_text()) == chain
