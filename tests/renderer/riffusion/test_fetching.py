"""Fetching as it is typed, from a hub on this machine that speaks what the real one speaks."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from riffengine.renderer.riffusion.library import Library
from tests.renderer.riffusion.checkpoints import shelf

COMMIT = "0123456789abcdef0123456789abcdef01234567"
NEVER = "riffusion-model-v1.ckpt"  # 14 GB on the real one


class Hub(BaseHTTPRequestHandler):
    """Serves one folder as ``somebody/model``; notes what was taken."""

    def __init__(self, folder: Path, taken: list[str], *rest: object) -> None:
        self.folder, self.taken = folder, taken
        super().__init__(*rest)  # type: ignore[arg-type]

    def log_message(self, *_: object) -> None:
        """Silent."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        files = sorted(p.relative_to(self.folder).as_posix() for p in self.folder.rglob("*") if p.is_file())
        if path.startswith("/api/models/somebody/model/revision/") or path == "/api/models/somebody/model":
            self._json({"id": "somebody/model", "sha": COMMIT, "siblings": [{"rfilename": name} for name in files]})
        elif path.startswith(f"/api/models/somebody/model/tree/{COMMIT}"):
            self._json([self._entry(name) for name in files])
        elif path.startswith(f"/somebody/model/resolve/{COMMIT}/") and path.split(f"{COMMIT}/")[1] in files:
            name = path.split(f"{COMMIT}/")[1]
            if self.command == "GET":
                self.taken.append(name)
            self._send((self.folder / name).read_bytes(), self._entry(name)["oid"])
        else:
            self.send_response(404)
            self.send_header("X-Error-Code", "RepoNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()

    def _entry(self, name: str) -> dict[str, object]:
        content = (self.folder / name).read_bytes()
        oid = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
        return {"type": "file", "path": name, "size": len(content), "oid": oid}

    def _json(self, found: object) -> None:
        self._send(json.dumps(found).encode(), "x", "application/json")

    def _send(self, content: bytes, tag: object, kind: str = "application/octet-stream") -> None:
        self.send_response(200)
        for header, value in {"ETag": f'"{tag}"', "X-Repo-Commit": COMMIT, "Content-Type": kind}.items():
            self.send_header(header, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)


@pytest.fixture(params=["modern", "pickled"])
def hub(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, list[str]]]:
    """Its address, and what is taken from it."""
    folder, taken = tmp_path / "served", list[str]()
    shutil.copytree(shelf() / request.param, folder)
    (folder / NEVER).write_bytes(b"huge")
    (folder / "README.md").write_text("---\nlicense: openrail\n---\n")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Hub, folder, taken))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", taken
    server.shutdown()
    thread.join()
    server.server_close()


def typed(tmp_path: Path, endpoint: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    own = {"HF_ENDPOINT": endpoint, "HF_HOME": str(tmp_path / "hf"), "RIFFENGINE_MODELS": str(tmp_path / "models")}
    own |= {"HF_HUB_DISABLE_XET": "1", "HF_HUB_OFFLINE": "0", "NO_PROXY": "127.0.0.1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "riffengine", "models", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=280, env=os.environ | own)


def test_what_is_played_is_fetched_once_and_is_ready(hub: tuple[str, list[str]], tmp_path: Path) -> None:
    endpoint, taken = hub
    done = typed(tmp_path, endpoint, "get", "somebody/model")
    assert done.returncode == 0, done.stderr
    assert "licence openrail" in done.stdout and "--model somebody/model" in done.stdout
    assert len(taken) == len(set(taken)) and NEVER not in taken
    (found,) = Library(tmp_path / "models").holdings()
    assert (found.name, found.state) == ("somebody/model", "ready")
    before = len(taken)
    again = typed(tmp_path, endpoint, "get", "somebody/model")
    assert again.returncode == 0 and len(taken) == before
    unknown = typed(tmp_path, endpoint, "get", "somebody/else")
    assert unknown.returncode == 2 and "has no model somebody/else" in unknown.stderr
    assert "Traceback" not in unknown.stderr
