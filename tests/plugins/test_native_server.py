"""Blocks that are answered in C are those that Python gives, to the bit, whatever comes between them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from riffengine.plugins.chain import HostedPlugin, PluginChain
from riffengine.plugins.host import PluginHost
from riffengine.plugins.host_messages import HostOptions, HostReady, PluginFault
from riffengine.plugins.hosted_chain import HostedChain
from riffengine.plugins.native_server import Ended, NativeServer, build, library_file
from riffengine.plugins.registry import open_plugin
from riffengine.processes.audio import Block
from riffengine.processes.plugin_blocks import BLOCK_FRAMES, Asked, BlockNote, PluginBlocks
from tests.needed import needs
from tests.plugins.conftest import OpenPlugin

RATE = 44100
PLATE = "lv2:urn:dragonfly:plate"  # asks for a worker
COMPRESSOR = "lv2:http://calf.sourceforge.net/plugins/Compressor"
EQUALISER = "lv2:http://gareus.org/oss/lv2/fil4#stereo"  # an event input and an event output
LIMITER = "lv2:http://gareus.org/oss/lv2/dpl#stereo"  # 56 frames late
DELAY = "lv2:http://calf.sourceforge.net/plugins/VintageDelay"  # is told the tempo
MONO = "lv2:http://gareus.org/oss/lv2/fil4#mono"  # two instances
PIANO = "lv2:http://drobilla.net/plugins/mda/EPiano"

Sent = tuple[Block, tuple[tuple[int, float], ...], tuple[BlockNote, ...]]


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the library would be built; it is not there yet."""
    needs("gcc", "cc")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert not library_file().exists()
    yield library_file()


def blocks_of_noise(blocks: int) -> list[Sent]:
    rng = np.random.default_rng(3)
    return [(0.2 * rng.standard_normal((BLOCK_FRAMES, 2)).astype(np.float32), (), ()) for _ in range(blocks)]


def through(chain: tuple[HostedPlugin, ...], sent: list[Sent]) -> tuple[np.ndarray, list[int], list[object]]:
    """What a host gives for each block, asked for eight at a time; its latencies, and what else it said."""
    blocks = PluginBlocks.create()
    host = PluginHost(HostOptions(blocks.name, RATE, PluginChain(chain), live=False))
    said: list[object] = []
    heard: list[Block] = []
    latencies: list[int] = []
    try:
        host.start()
        while not any(isinstance(message, HostReady) for message in said):
            messages, connected = host.receive()
            said += messages
            assert connected, said
            host.join(0.005)
        for begin in range(0, len(sent), 8):
            numbers = range(begin, min(begin + 8, len(sent)))
            for number in numbers:
                sound, changes, notes = sent[number]
                blocks.ask(number, sound, number * BLOCK_FRAMES * 2.3 / RATE - 3.0, 138.0, changes, notes)
            assert blocks.wait_answer(numbers[-1], 60.0)
            for number in numbers:
                answer = blocks.answer(number)
                heard.append(np.full((BLOCK_FRAMES, 2), np.nan, np.float32) if answer is None else answer[0].copy())
                latencies.append(-1 if answer is None else answer[1])
        said += host.receive()[0]
    finally:
        host.close()
        blocks.close()
    return np.concatenate(heard), latencies, said


def both(library: Path, chain: tuple[HostedPlugin, ...], sent: list[Sent]) -> tuple[np.ndarray, list[object]]:
    by_python = through(chain, sent)
    build()
    assert library.exists()
    in_c = through(chain, sent)
    np.testing.assert_array_equal(in_c[0], by_python[0])
    assert in_c[1] == by_python[1]
    return in_c[0], in_c[2]


def test_a_row_of_effects_gives_the_same_samples(library: Path, opened: OpenPlugin) -> None:
    references = (PLATE, COMPRESSOR, EQUALISER, LIMITER, MONO, DELAY)
    for reference in references:
        opened(reference)  # installed
    sent = blocks_of_noise(240)
    for number in (40, 41, 90):  # a parameter, the switch of the limiter, its mix: the sound before it is kept
        sent[number] = (sent[number][0], (((4, 0.7),), ((40, 0.0), (41, 0.3)), ((40, 1.0), (41, 1.0)))[number % 3], ())
    heard, _ = both(library, tuple(HostedPlugin(reference) for reference in references), sent)
    assert np.abs(heard).max() > 0.05


def test_a_mix_below_one_finds_the_sound_before_a_late_plugin(library: Path, opened: OpenPlugin) -> None:
    opened(LIMITER)
    sent = blocks_of_noise(60)
    sent[30] = (sent[30][0], ((1, 0.0),), ())  # the number of its mix
    heard, _ = both(library, (HostedPlugin(LIMITER),), sent)
    dry = np.concatenate([sound for sound, _, _ in sent])
    np.testing.assert_array_equal(heard[40 * BLOCK_FRAMES + 56 :], dry[40 * BLOCK_FRAMES : -56])


def test_notes_are_played_once(library: Path, opened: OpenPlugin) -> None:
    opened(PIANO)
    silence = np.zeros((BLOCK_FRAMES, 2), np.float32)
    sent: list[Sent] = [(silence, (), ()) for _ in range(120)]
    sent[20] = (silence, (), (BlockNote(7, (0x90, 60, 100)),))
    sent[60] = (silence, (), (BlockNote(100, (0x80, 60, 0)),))
    heard, _ = both(library, (HostedPlugin(PIANO),), sent)
    assert np.abs(heard[: 20 * BLOCK_FRAMES]).max() == 0.0
    assert np.abs(heard).max() > 0.01


def test_what_is_no_sound_is_cleaned_and_what_is_too_loud_is_cut(library: Path, opened: OpenPlugin) -> None:
    opened(COMPRESSOR)
    sent = blocks_of_noise(64)
    bad = sent[20][0].copy()
    bad[5] = np.nan
    sent[20] = (bad, (), ())
    for number in range(40, 44):
        sent[number] = (sent[number][0] * 1e3, (), ())
    heard, said = both(library, (HostedPlugin(COMPRESSOR, mix=0.4), HostedPlugin(COMPRESSOR)), sent)
    assert np.isfinite(heard[: 30 * BLOCK_FRAMES]).all()
    assert not any(isinstance(message, PluginFault) for message in said)


def test_every_wanted_plugin_is_run_in_c(library: Path, opened: OpenPlugin) -> None:
    for reference in (PLATE, COMPRESSOR, EQUALISER, LIMITER, MONO, DELAY, PIANO):
        opened(reference)
        chain = HostedChain(PluginChain((HostedPlugin(reference),)), RATE, open_plugin)
        try:
            blocks = PluginBlocks.create()
            sound = np.zeros((BLOCK_FRAMES, 2), np.float32)
            server = NativeServer(build(), blocks, chain.native, sound, 128, 0.001)
            chain.before_native()
            assert chain.rests
            noise = blocks_of_noise(3)
            for number, (block, _, _) in enumerate(noise):
                blocks.ask(number, block, 0.0, 120.0)
            served = server.serve(0, 32, chain.latency, chain.rest)
            assert served.number == 3, reference
            blocks.close()
        finally:
            chain.close()


@pytest.mark.parametrize("beat", [0.0, 3.999999, 4.0, 17.25, 40001.3, -0.5, -4.0, -1e-17])
def test_a_plugin_is_told_the_same_time(library: Path, witness_path: Path, beat: float) -> None:
    chain = HostedChain(PluginChain((HostedPlugin("lv2:urn:riffengine:test:witness"),)), RATE, open_plugin)
    blocks = PluginBlocks.create()
    sound = np.zeros((BLOCK_FRAMES, 2), np.float32)
    server = NativeServer(build(), blocks, chain.native, sound, 128, 0.001)
    names = ("bpm", "beat", "bar", "bar_beat", "speed", "frame")
    try:
        blocks.ask(77, sound, beat, 97.5)
        asked = blocks.take(77, sound)
        assert asked is not None
        chain.run(sound, asked)
        by_python = [dict(chain_values(chain))[name] for name in names]
        chain.run(sound, Asked(0, 9.0, 120.0, (), ()))
        chain.before_native()
        assert server.serve(77, 1, chain.latency, chain.rest).ended is Ended.DUE
        assert [dict(chain_values(chain))[name] for name in names] == by_python
    finally:
        chain.close()
        blocks.close()


def chain_values(chain: HostedChain) -> list[tuple[str, float]]:
    plugin = chain._positions[0].plugin
    return [(parameter.symbol, plugin.get(parameter.symbol)) for parameter in plugin.info.parameters]
