"""A hub on this machine, for the tests that download."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import huggingface_hub
import pytest

from tests.renderer.riffusion.checkpoints import toy_checkpoints
from tests.renderer.riffusion.hub import NEVER, Hub


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    folder = Path(shutil.copytree(toy_checkpoints() / "modern", tmp_path / "served"))
    (folder / NEVER).write_bytes(b"huge")
    (folder / "README.md").write_text("---\nlicense: openrail\n---\n")
    hub = Hub(folder)
    settings = {"HF_ENDPOINT": hub.endpoint, "RIFFENGINE_MODELS": str(tmp_path / "models"), "NO_PROXY": "127.0.0.1"}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 4096)
    huggingface_hub.close_session()
    yield hub
    huggingface_hub.close_session()
    hub.close()
