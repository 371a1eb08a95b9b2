"""RayNodes: a Ray cluster of several nodes on this machine, for benches; nodes come and go while sets play.

Each node is a ``ray start --block`` with a loopback address and ports of its own: to Ray it is another machine.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from tools.bench.pool_deaths import continue_process, descendants

_STORE_BYTES = 100_000_000  # the least that Ray takes is 75 MB
_END_SECONDS = 30.0


class RayNodes:
    """The nodes of one cluster; the first is the head and has the address that Ray finds. Ends with ``close``."""

    def __init__(self, folder: Path) -> None:
        self.token = folder / "ray.token"
        self.token.write_text(secrets.token_hex(32))
        self.token.chmod(0o600)
        # A socket's path has 107 bytes at most, and Ray adds 70 of its own.
        self._folder = tempfile.TemporaryDirectory(prefix="rn-", ignore_cleanup_errors=True)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{probe.getsockname()[1]}"
        self._log = (folder / "nodes.log").open("w")
        self._nodes: list[subprocess.Popen[bytes]] = []
        self._cpus: list[int] = []
        self.dead: set[int] = set()

    def add(self, cpus: int) -> int:
        """Start a node with ``cpus``; returns its number. The first one starts the cluster."""
        number = len(self._nodes)
        self._cpus.append(cpus)
        self._nodes.append(self._start(number))
        return number

    def tend(self) -> list[int]:
        """Start the nodes again that ended by themselves: on a busy machine Ray gives up after 30 s. Returns them."""
        ended = [
            number for number, node in enumerate(self._nodes) if number not in self.dead and node.poll() is not None
        ]
        for number in ended:
            self._nodes[number] = self._start(number)
        return ended

    def _start(self, number: int) -> subprocess.Popen[bytes]:
        head, port = not number, self.address.rpartition(":")[2]
        where = (
            ["--head", f"--port={port}", "--include-dashboard=false", f"--temp-dir={self._folder.name}"]
            if head
            else [f"--address={self.address}", f"--node-ip-address=127.0.0.{number + 1}"]
        )
        environment = {
            **os.environ, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(self.token),
            "RAY_USAGE_STATS_ENABLED": "0", "RAY_agent_register_timeout_ms": "120000",  # 15 s where much else runs
        }  # fmt: skip
        command = [
            *(sys.executable, "-m", "ray.scripts.scripts", "start", "--block", *where),
            *(f"--num-cpus={self._cpus[number]}", "--num-gpus=0"),
            *("--min-worker-port=0", "--max-worker-port=0", f"--object-store-memory={_STORE_BYTES}"),
            *("--disable-usage-stats",),
        ]
        return subprocess.Popen(command, env=environment, stdout=self._log, stderr=self._log, start_new_session=True)

    def kill(self, number: int) -> bool:
        """Kill the raylet of a node, as when its machine is gone; false where there is none."""
        for pid in descendants(self._nodes[number].pid):
            with contextlib.suppress(OSError):
                if Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].endswith(b"/raylet"):
                    self.dead.add(number)
                    os.kill(pid, signal.SIGKILL)
                    return True
        return False

    def actors(self) -> list[int]:
        """The processes of a pool's actors, on all nodes."""
        found = []
        for pid in (below for node in self._nodes for below in descendants(node.pid)):
            with contextlib.suppress(OSError):
                if Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"ray::ClusterActor"):
                    found.append(pid)
        return found

    def close(self) -> None:
        """End every node, the head last."""
        for node in reversed(self._nodes):
            left = descendants(node.pid)
            node.terminate()
            try:
                node.wait(_END_SECONDS)
            except subprocess.TimeoutExpired:
                node.kill()
                node.wait()
            for pid in left:
                continue_process(pid)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        self._log.close()
        self._folder.cleanup()
