"""The state of a CLAP or VST3 plugin as JSON: the values of its parameters, and its own state where it has one."""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Mapping

from riffengine.errors import PluginError


def pack_state(plugin_id: str, values: Mapping[str, float], own: bytes | None) -> bytes:
    """The state of a plugin for a file."""
    kept: dict[str, object] = {"plugin": plugin_id, "parameters": dict(values)}
    if own is not None:
        kept["state"] = base64.b64encode(own).decode()
    return json.dumps(kept).encode()


def unpack_state(state: bytes, plugin_id: str, name: str) -> tuple[dict[str, float], bytes | None]:
    """The values and the plugin's own state; ``PluginError`` for what is no state of this plugin."""
    try:
        kept = json.loads(state)
        values = {str(symbol): float(value) for symbol, value in kept["parameters"].items()}
        own = base64.b64decode(kept["state"], validate=True) if "state" in kept else None
        same = kept["plugin"] == plugin_id
    except (ValueError, KeyError, TypeError, AttributeError, binascii.Error, RecursionError) as error:
        raise PluginError(f"what should be the state of {name} cannot be read") from error
    if not same:
        raise PluginError(f"what should be the state of {name} is of another plugin")
    return {symbol: value for symbol, value in values.items() if math.isfinite(value)}, own
