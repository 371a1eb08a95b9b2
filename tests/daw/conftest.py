"""The plugins, built once for all tests of this folder."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from riffengine.daw.build import build_clap, build_lv2
from riffengine.daw.ramp_engine import RampEngine
from tests.needed import needs


@pytest.fixture(scope="session")
def compiler() -> str:
    """The C compiler."""
    needs("gcc", "cc")
    return "cc"


@pytest.fixture(scope="session")
def clap_library(compiler: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_clap(tmp_path_factory.mktemp("clap"), compiler)


@pytest.fixture(scope="session")
def lv2_bundle(compiler: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_lv2(tmp_path_factory.mktemp("lv2"), compiler)


@pytest.fixture
def background() -> Iterator[Callable[[RampEngine], None]]:
    """Lets an engine serve and fill in a thread of its own until the test ends."""
    ending = threading.Event()
    threads = []

    def start(engine: RampEngine) -> None:
        def run() -> None:
            while not ending.is_set():
                engine.serve(0.001)
                engine.fill()

        threads.append(threading.Thread(target=run))
        threads[-1].start()

    yield start
    ending.set()
    for thread in threads:
        thread.join()
