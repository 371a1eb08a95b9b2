"""What is checked before actors of a Ray cluster are used: that Ray is there, and a token. Imports no Ray."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

from riffengine.errors import ControlError
from riffengine.pool.options import RayOptions

LOCAL = "local"
"""The address of a cluster that is started for one pool, on this machine."""

AUTO = "auto"
"""The address of the cluster that this machine has joined, or that ``RAY_ADDRESS`` names."""

_NO_RAY = "actors need the package ray; install it with pip install 'riffengine[cluster]'"


def check_ray(options: RayOptions) -> None:
    """``ControlError`` where Ray is not installed, or the cluster's token is not known. Imports nothing."""
    if importlib.util.find_spec("ray") is None:
        raise ControlError(_NO_RAY)
    known = options.token or os.environ.get("RAY_AUTH_TOKEN") or os.environ.get("RAY_AUTH_TOKEN_PATH")
    if options.address != LOCAL and not known and not (Path.home() / ".ray" / "auth_token").exists():
        raise ControlError(
            f"the cluster at {options.address} needs a token, since whoever reaches it runs code on it; name its file "
            "with token: in the section pool.ray"
        )
