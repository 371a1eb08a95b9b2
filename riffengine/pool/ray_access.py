"""Where a Ray cluster is, and whether it may be shown our token: asked before anything of ours is sent to it.

Ray sends its token with every call, in the clear, to whoever answers at the cluster's address. So an address that only
another user of this machine has written is not taken, nobody is waited for where nobody listens, and a process without
the token asks first whether one is demanded. Imports no Ray; blocks, so it runs in a thread of its own.
"""

from __future__ import annotations

import os
import re
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from riffengine.errors import ControlError, printable, reason
from riffengine.files.regular import open_regular
from riffengine.pool.ray_options import AUTO

_ADDRESS = re.compile(r"\[?([A-Za-z0-9.:_-]+?)\]?:([0-9]{1,5})")
_MOST_ADDRESS_BYTES = 300
_REACH_SECONDS = 4.0
_PROBE_SECONDS = 30.0
_TOKEN_VARIABLES = ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")
_WRITE_ADDRESS = "write HOST:PORT in place of auto in the section pool.ray"


def cluster_address(address: str, environment: Mapping[str, str]) -> str:
    """``address`` as ``HOST:PORT``; for ``auto`` what ``RAY_ADDRESS`` says, or the last ``ray start`` on this machine.

    ``ControlError`` where none is known, or another user than ourselves or root has written it down.
    """
    named = environment.get("RAY_ADDRESS", "")
    if address != AUTO:
        return address
    if named and named != AUTO:
        if _ADDRESS.fullmatch(named) is None:
            raise ControlError(
                f"RAY_ADDRESS is {printable(named, 80)!r}; HOST:PORT of a cluster is allowed. Set it so, or "
                f"{_WRITE_ADDRESS}"
            )
        return named
    return _last_started(_ray_folder(environment) / "ray_current_cluster")


def _ray_folder(environment: Mapping[str, str]) -> Path:
    """Where Ray keeps what it knows of this machine."""
    folder = environment.get("RAY_TMPDIR")
    if folder is None and sys.platform.startswith("linux"):
        folder = environment.get("TMPDIR", "/tmp")
    elif folder is None:
        folder = "/tmp" if sys.platform == "darwin" else tempfile.gettempdir()
    return Path(folder) / "ray"


def _last_started(path: Path) -> str:
    try:
        with open_regular(path, _MOST_ADDRESS_BYTES) as file:
            found = os.fstat(file.fileno())
            text = file.read(_MOST_ADDRESS_BYTES).decode(errors="replace").strip()
    except FileNotFoundError:
        raise ControlError(
            "finds no Ray cluster that this machine has joined; join one with ray start --address=HOST:6379, or "
            f"{_WRITE_ADDRESS}"
        ) from None
    except OSError as error:
        raise ControlError(f"the address in {path} cannot be read: {reason(error)}; {_WRITE_ADDRESS}") from None
    if os.name == "posix" and (found.st_uid not in (0, os.getuid()) or found.st_mode & stat.S_IWOTH):
        raise ControlError(
            f"{path}, which says where the cluster is, can be written by others, who would get the token; "
            f"{_WRITE_ADDRESS}"
        )
    if _ADDRESS.fullmatch(text) is None:
        raise ControlError(f"{path} holds {printable(text, 80)!r}, which is no address; {_WRITE_ADDRESS}")
    return text


def require_listener(address: str) -> None:
    """``ControlError`` where nobody takes a connection at ``address`` within four seconds; nothing is sent."""
    found = _ADDRESS.fullmatch(address)
    host, port = (found[1], int(found[2])) if found is not None else ("", 0)
    if not 0 < port < 1 << 16:
        raise ControlError(f"{printable(address, 80)!r} is no address of a cluster; HOST:PORT is allowed")
    try:
        socket.create_connection((host, port), timeout=_REACH_SECONDS).close()
    except OSError as error:
        raise ControlError(
            f"nobody answers at {address} ({reason(error)}); start the cluster there with ray start --head, or correct "
            "the address in the section pool.ray"
        ) from None


def require_token(address: str) -> None:
    """``ControlError`` unless the cluster at ``address`` refuses who shows no token.

    Asked by a process of its own that does not have it, since Ray reads its mode once.
    """
    without = {name: value for name, value in os.environ.items() if name not in _TOKEN_VARIABLES}
    status = _asked(address, {**without, "RAY_AUTH_MODE": "disabled"})
    if status == _ANSWERS:
        raise ControlError(
            f"the cluster at {address} asks for no token, so whoever reaches it runs code on it; start it with "
            "RAY_AUTH_MODE=token and RAY_AUTH_TOKEN_PATH=FILE, on every machine"
        )
    if status != _REFUSES:
        raise ControlError(
            f"what listens at {address} does not answer as a Ray cluster does; write the address that ray start has "
            "printed there, and use one version of Ray on all machines"
        )


def require_welcome(address: str) -> None:
    """``ControlError`` where the cluster at ``address``, which asks for a token, refuses ours.

    Ray itself would try for 25 s to join, and not say why it cannot.
    """
    if _asked(address, {**os.environ, "RAY_AUTH_MODE": "token"}) == _REFUSES:
        raise ControlError(
            f"the cluster at {address} refuses our token; name a copy of its token file with token: in the section "
            "pool.ray"
        )


def _asked(address: str, environment: Mapping[str, str]) -> int | None:
    """How a process that asks the cluster has ended; ``None``: it has had no answer. What Ray prints is dropped."""
    try:
        return subprocess.run(
            [sys.executable, "-c", _PROBE, address],
            env=environment,
            capture_output=True,
            timeout=_PROBE_SECONDS,
            check=False,
        ).returncode
    except subprocess.TimeoutExpired:
        return None


_REFUSES, _ANSWERS = 17, 18
_PROBE = f"""
import sys
from ray._raylet import GcsClient
from ray.exceptions import AuthenticationError
try:
    GcsClient(address=sys.argv[1]).internal_kv_get(b"riffengine", None, timeout=10)
except AuthenticationError:
    sys.exit({_REFUSES})
sys.exit({_ANSWERS})
"""
