"""Debian's Icecast for tests: a server of its own on a free port, which may be ended and started again."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from tests.needed import lacks

PASSWORD = "a password & more"
_CONFIG = """\
<icecast>
  <limits><clients>20</clients><sources>4</sources><burst-on-connect>1</burst-on-connect></limits>
  <authentication>
    <source-password>a password &amp; more</source-password>
    <admin-user>admin</admin-user><admin-password>other</admin-password>
  </authentication>
  <hostname>localhost</hostname>
  <listen-socket><port>{port}</port><bind-address>127.0.0.1</bind-address></listen-socket>
  <paths><basedir>/usr/share/icecast2</basedir><logdir>{folder}</logdir>
    <webroot>/usr/share/icecast2/web</webroot><adminroot>/usr/share/icecast2/admin</adminroot></paths>
  <logging><accesslog>access.log</accesslog><errorlog>error.log</errorlog><loglevel>3</loglevel></logging>
  <security><chroot>0</chroot>{owner}</security>
</icecast>
"""


def need(program: str) -> str:
    """The path of ``program``; the test is skipped without it, except in CI."""
    found = shutil.which(program)
    if found is None:
        lacks(f"not installed: {program}")
    return found


class IcecastServer:
    """``start`` waits until it listens on ``port``."""

    def __init__(self) -> None:
        self._program = need("icecast2")
        self._folder = tempfile.TemporaryDirectory()  # not pytest's, which other users cannot enter
        folder = Path(self._folder.name)
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            self.port = int(one.getsockname()[1])
        owner = ""
        if os.geteuid() == 0:  # it refuses to run as root
            owner = "<changeowner><user>nobody</user><group>nogroup</group></changeowner>"
            os.chown(folder, pwd.getpwnam("nobody").pw_uid, -1)
        self._config = folder / "icecast.xml"
        self._config.write_text(_CONFIG.format(port=self.port, folder=folder, owner=owner))
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            [self._program, "-c", str(self._config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        for _ in range(1200):
            assert self._process.poll() is None, "icecast has ended"
            with socket.socket() as one:
                if one.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise AssertionError("icecast does not listen")

    def end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._process = None

    def close(self) -> None:
        self.end()
        self._folder.cleanup()
