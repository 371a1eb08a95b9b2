"""A model hub on this machine with the protocol of the real one. Its connection can fail and its answers can lie."""

from __future__ import annotations

import hashlib
import json
import threading
from contextlib import suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

COMMIT = "0123456789abcdef0123456789abcdef01234567"
NEVER = "riffusion-model-v1.ckpt"  # 14 GB on the real hub


class Hub:
    """Serves ``folder`` as ``somebody/model``.

    ``sent`` counts the bytes sent of each file. The connection fails after ``cut_at`` bytes of the file ``cut_file``,
    and stays down until ``repair``. ``forged`` is a file whose content does not have its hash. To be hostile, a test
    sets ``planted`` (more files), ``listing`` (the answer about the model), wrong ``tags`` and ``sizes`` of files
    (``None``: no size), ``surplus`` bytes after a file, the header ``warning`` of every answer, or ``failure``, an
    error that answers every request.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sent: dict[str, int] = {}
        self.cut_file, self.cut_at, self.down, self.forged = "", 0, False, ""
        self.planted: dict[str, bytes] = {}
        self.listing: bytes | None = None
        self.tags: dict[str, str] = {}
        self.sizes: dict[str, int | None] = {}
        self.surplus: dict[str, int] = {}
        self.warning = ""
        self.failure: bytes | None = None
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_RequestHandler, self))
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def repair(self) -> None:
        self.cut_file, self.down = "", False

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _RequestHandler(BaseHTTPRequestHandler):
    """Handles one request."""

    def __init__(self, hub: Hub, *rest: object) -> None:
        self.hub = hub
        super().__init__(*rest)  # type: ignore[arg-type]

    def log_message(self, *_: object) -> None:
        """Print nothing."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        folder, path = self.hub.folder, unquote(self.path.partition("?")[0])
        files = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()) + list(
            self.hub.planted
        )
        prefix = f"/somebody/model/resolve/{COMMIT}/"
        if self.hub.down:
            self._answer(503, {}, b"")
        elif self.hub.failure is not None:
            self._answer(500, {"Content-Type": "application/json"}, self.hub.failure)
        elif path == "/api/models/somebody/model":
            found = {"id": "somebody/model", "sha": COMMIT, "siblings": [{"rfilename": name} for name in files]}
            listing = json.dumps(found).encode() if self.hub.listing is None else self.hub.listing
            self._answer(200, {"Content-Type": "application/json"}, listing)
        elif path.removeprefix(prefix) in files:
            self._file(path.removeprefix(prefix))
        else:
            self._answer(404, {"X-Error-Code": "RepoNotFound"}, b"")

    def _file(self, name: str) -> None:
        planted = self.hub.planted
        content = planted[name] if name in planted else (self.hub.folder / name).read_bytes()
        promised = b"something else" if name == self.hub.forged else content
        tag = hashlib.sha1(b"blob %d\0" % len(content) + promised).hexdigest()
        begin = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
        headers = {
            "ETag": f'"{self.hub.tags.get(name, tag)}"',
            "X-Repo-Commit": COMMIT,
            "Content-Type": "application/octet-stream",
        }
        if "Range" in self.headers:
            headers["Content-Range"] = f"bytes {begin}-{len(content) - 1}/{len(content)}"
        self._answer(
            206 if "Range" in self.headers else 200,
            headers,
            content[begin:] + bytes(self.hub.surplus.get(name, 0)),
            name,
        )

    def _answer(self, status: int, headers: dict[str, str], content: bytes, name: str = "") -> None:
        self.send_response(status)
        for header, value in headers.items():
            self.send_header(header, value)
        if self.hub.warning:
            self.send_header("X-HF-Warning", self.hub.warning)
        if name not in self.hub.sizes:
            self.send_header("Content-Length", str(len(content)))
        elif self.command == "HEAD" and (size := self.hub.sizes[name]) is not None:
            self.send_header("X-Linked-Size", str(size))  # as of a file kept elsewhere
        self.end_headers()
        if self.command != "GET":
            return
        if name and name == self.hub.cut_file:
            content, self.hub.down, self.close_connection = content[: self.hub.cut_at], True, True
        if name:
            self.hub.sent[name] = self.hub.sent.get(name, 0) + len(content)
        with suppress(ConnectionError):  # the client has heard enough
            self.wfile.write(content)
