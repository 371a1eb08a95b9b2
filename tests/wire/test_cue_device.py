"""The cue bus on a device with four channels, and on one with two, where the player reports why there is none."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.wire.jack_server import JackServer

PROGRAM = """
import time
from riffengine.processes.loop_store import LoopStore
from riffengine.output.process import PlayerOptions, PlayerProcess
from riffengine.processes.player_messages import PlayerFailed, PlayerReady
from riffengine.transport.beat_grid import BeatGrid

if __name__ == "__main__":
    store = LoopStore.create(1, 96000)
    options = PlayerOptions(48000, BeatGrid(48000, 120.0), store.name, 1, 96000, 512, 2, "device", cue=True)
    player = PlayerProcess(options)
    player.start()
    reports = []
    while not any(isinstance(m, PlayerReady | PlayerFailed) for m in reports):
        reports += player.receive()[0]
        time.sleep(0.02)
    print(reports[0])
    player.stop(0)
    store.close()
"""


@pytest.mark.wire
@pytest.mark.parametrize(("outputs", "note"), [(4, "cue on channels 3 and 4"), (2, "(no cue: ")])
def test_the_player_reports_the_channels_of_the_cue_bus(outputs: int, note: str, jcap: Path, tmp_path: Path) -> None:
    server = JackServer.start(48000, 512, outputs=outputs)
    try:
        (tmp_path / "ask.py").write_text(PROGRAM)
        environment = os.environ | server.environment | {"PYTHONPATH": str(Path(__file__).parents[2])}
        result = subprocess.run(
            [sys.executable, str(tmp_path / "ask.py")], env=environment, capture_output=True, text=True, timeout=120
        )
    finally:
        server.stop()
    assert "PlayerReady" in result.stdout, result.stderr
    assert note in result.stdout
