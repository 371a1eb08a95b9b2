"""A CLAP file: the code that is loaded from it, and the plugins that it holds."""

from __future__ import annotations

import ctypes
import sys
from functools import cache
from pathlib import Path

from riffengine.errors import PluginError, printable
from riffengine.plugins import clap_abi as abi


def clap_ids(path: Path) -> tuple[tuple[str, str], ...]:
    """Identifier and name of every plugin in a CLAP file, whose code is loaded. ``PluginError`` for any other file."""
    factory = _factory(path)
    found = [_descriptor(factory, index) for index in range(factory.get_plugin_count(ctypes.addressof(factory)))]
    return tuple(
        ((each.id or b"").decode("utf-8", "replace"), (each.name or b"").decode("utf-8", "replace")) for each in found
    )


def clap_plugin(path: Path, plugin_id: str) -> tuple[abi.Factory, abi.Descriptor]:
    """The plugin of an identifier; of an empty one the first."""
    factory = _factory(path)
    for index in range(factory.get_plugin_count(ctypes.addressof(factory))):
        descriptor = _descriptor(factory, index)
        if not plugin_id or descriptor.id == plugin_id.encode():
            return factory, descriptor
    raise PluginError(
        f"{path.name} holds no plugin {printable(plugin_id)}; it has {', '.join(i for i, _ in clap_ids(path))}"
    )


def _descriptor(factory: abi.Factory, index: int) -> abi.Descriptor:
    return abi.Descriptor.from_address(factory.get_plugin_descriptor(ctypes.addressof(factory), index))


@cache
def _factory(path: Path) -> abi.Factory:
    """The factory of a file; it stays loaded, since unloading code whose threads may run is not safe."""
    binary = path / "Contents" / "MacOS" / path.stem if sys.platform == "darwin" and path.is_dir() else path
    try:
        library = ctypes.CDLL(str(binary))
        entry = abi.Entry.in_dll(library, "clap_entry")
    except (OSError, ValueError) as problem:
        raise PluginError(f"{path} is no CLAP plugin: {problem}") from problem
    if entry.version.major < 1 or not entry.init(str(path).encode()):
        raise PluginError(f"{path.name} refused to be loaded")
    factory = entry.get_factory(b"clap.plugin-factory")
    if not factory:
        raise PluginError(f"{path.name} holds no plugins")
    return abi.Factory.from_address(factory)
