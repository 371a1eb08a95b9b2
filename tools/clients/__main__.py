"""``python -m tools.clients [--check]``: write the clients, or name those that are out of date."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from tools.clients.max_patch import live_device, live_patch, max_patch
from tools.clients.pure_data import pure_data
from tools.clients.touchosc import touchosc

FOLDER = Path(__file__).resolve().parents[2] / "presets" / "clients"
COMMAND = "python -m tools.clients"

FILES: Mapping[str, Callable[[], bytes]] = {
    "riffengine.pd": lambda: pure_data().encode(),
    "riffengine.maxpat": max_patch,
    "riffengine-live.maxpat": live_patch,
    "riffengine-live.amxd": live_device,
    "riffengine.tosc": touchosc,
}


def stale() -> list[str]:
    """The files that differ from what the parameter tree gives."""
    return [
        name for name, make in FILES.items() if not (FOLDER / name).exists() or (FOLDER / name).read_bytes() != make()
    ]


def main() -> int:
    if "--check" in sys.argv:
        for name in stale():
            print(f"presets/clients/{name} is stale: run {COMMAND}")
        return int(bool(stale()))
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, make in FILES.items():
        (FOLDER / name).write_bytes(make())
    return 0


if __name__ == "__main__":
    sys.exit(main())
