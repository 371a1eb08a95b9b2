"""A hub on this machine that speaks what the real one speaks, and whose line may be cut."""

from __future__ import annotations

import hashlib
import json
import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub:
    """Serves ``folder`` as ``somebody/model``.

    ``sent`` counts the bytes of each file that went over the line. The line is cut once ``cut_at`` bytes of the file
    ``cut_file`` are through, and stays cut until ``mend``. ``forged`` is the file whose content is not as promised.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sent: dict[str, int] = {}
        self.cut_file, self.cut_at, self.down, self.forged = "", 0, False, ""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Counter, self))
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def mend(self) -> None:
        self.cut_file, self.down = "", False

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Counter(BaseHTTPRequestHandler):
    """One request."""

    def __init__(self, hub: Hub, *rest: object) -> None:
        self.hub = hub
        super().__init__(*rest)  # type: ignore[arg-type]

    def log_message(self, *_: object) -> None:
        """Silent."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        folder, path = self.hub.folder, self.path.partition("?")[0]
        files = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
        prefix = f"/somebody/model/resolve/{COMMIT}/"
        if self.hub.down:
            self._answer(503, {}, b"")
        elif path == "/api/models/somebody/model":
            found = {"id": "somebody/model", "sha": COMMIT, "siblings": [{"rfilename": name} for name in files]}
            self._answer(200, {"Content-Type": "application/json"}, json.dumps(found).encode())
        elif path.removeprefix(prefix) in files:
            self._file(path.removeprefix(prefix))
        else:
            self._answer(404, {"X-Error-Code": "RepoNotFound"}, b"")

    def _file(self, name: str) -> None:
        content = (self.hub.folder / name).read_bytes()
        promised = b"something else" if name == self.hub.forged else content
        tag = hashlib.sha1(b"blob %d\0" % len(content) + promised).hexdigest()
        begin = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
        headers = {"ETag": f'"{tag}"', "X-Repo-Commit": COMMIT, "Content-Type": "application/octet-stream"}
        if "Range" in self.headers:
            headers["Content-Range"] = f"bytes {begin}-{len(content) - 1}/{len(content)}"
        self._answer(206 if "Range" in self.headers else 200, headers, content[begin:], name)

    def _answer(self, status: int, headers: dict[str, str], content: bytes, name: str = "") -> None:
        self.send_response(status)
        for header, value in headers.items():
            self.send_header(header, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "GET":
            return
        if name and name == self.hub.cut_file:
            content, self.hub.down, self.close_connection = content[: self.hub.cut_at], True, True
        if name:
            self.hub.sent[name] = self.hub.sent.get(name, 0) + len(content)
        self.wfile.write(content)
