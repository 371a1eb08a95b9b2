"""lilv: a thin binding of liblilv-0, the library that reads LV2 bundles, by ctypes; no module of it is needed to build.

``World`` loads bundles and describes their plugins as frozen dataclasses. What must run in C (instances, states) is
called through ``World.library`` by ``lv2.py``. Source: lilv.h 0.24 and the LV2 specifications.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import math
from collections.abc import Iterator
from ctypes import POINTER, c_bool, c_char_p, c_double, c_float, c_uint32, c_void_p
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from riffengine.errors import PluginError

CORE = "http://lv2plug.in/ns/lv2core#"
ATOM = "http://lv2plug.in/ns/ext/atom#"
MIDI_EVENT = "http://lv2plug.in/ns/ext/midi#MidiEvent"
TIME = "http://lv2plug.in/ns/ext/time#"
_PORT_PROPERTIES = "http://lv2plug.in/ns/ext/port-props#"
_UNITS = "http://lv2plug.in/ns/extensions/units#"
_RESIZE = "http://lv2plug.in/ns/ext/resize-port#"

# Kind of port by class, the first that fits: a CV port may be a control port too.
_KINDS = (
    ("audio", CORE + "AudioPort"),
    ("cv", CORE + "CVPort"),
    ("atom", ATOM + "AtomPort"),
    ("control", CORE + "ControlPort"),
)

# The units of the LV2 specification as they are printed; its bundle is not loaded, so they are not asked for.
_UNIT_SYMBOLS = {
    "bar": "bars", "beat": "beats", "bpm": "bpm", "cent": "ct", "cm": "cm", "coef": "", "db": "dB", "degree": "deg",
    "frame": "frames", "hz": "Hz", "inch": "in", "khz": "kHz", "km": "km", "m": "m", "mhz": "MHz", "midiNote": "note",
    "min": "min", "mm": "mm", "ms": "ms", "oct": "oct", "pc": "%", "s": "s", "semitone12TET": "semitones",
}  # fmt: skip

_Function = tuple[object, tuple[object, ...]]
_P = c_void_p
_FUNCTIONS: dict[str, _Function] = {
    "lilv_world_new": (_P, ()),
    "lilv_world_free": (None, (_P,)),
    "lilv_world_load_all": (None, (_P,)),
    "lilv_world_load_bundle": (None, (_P, _P)),
    "lilv_world_get_all_plugins": (_P, (_P,)),
    "lilv_world_get": (_P, (_P, _P, _P, _P)),
    "lilv_new_uri": (_P, (_P, c_char_p)),
    "lilv_new_file_uri": (_P, (_P, c_char_p, c_char_p)),
    "lilv_node_free": (None, (_P,)),
    "lilv_node_as_string": (c_char_p, (_P,)),
    "lilv_node_as_uri": (c_char_p, (_P,)),
    "lilv_node_as_float": (c_float, (_P,)),
    "lilv_node_is_literal": (c_bool, (_P,)),
    "lilv_node_is_uri": (c_bool, (_P,)),
    "lilv_file_uri_parse": (_P, (c_char_p, _P)),
    "lilv_free": (None, (_P,)),
    "lilv_plugins_begin": (_P, (_P,)),
    "lilv_plugins_next": (_P, (_P, _P)),
    "lilv_plugins_is_end": (c_bool, (_P, _P)),
    "lilv_plugins_get": (_P, (_P, _P)),
    "lilv_plugins_get_by_uri": (_P, (_P, _P)),
    "lilv_plugin_verify": (c_bool, (_P,)),
    "lilv_plugin_get_uri": (_P, (_P,)),
    "lilv_plugin_get_bundle_uri": (_P, (_P,)),
    "lilv_plugin_get_name": (_P, (_P,)),
    "lilv_plugin_get_author_name": (_P, (_P,)),
    "lilv_plugin_get_required_features": (_P, (_P,)),
    "lilv_plugin_get_num_ports": (c_uint32, (_P,)),
    "lilv_plugin_get_port_ranges_float": (None, (_P, POINTER(c_float), POINTER(c_float), POINTER(c_float))),
    "lilv_plugin_get_port_by_index": (_P, (_P, c_uint32)),
    "lilv_plugin_has_extension_data": (c_bool, (_P, _P)),
    "lilv_plugin_has_feature": (c_bool, (_P, _P)),
    "lilv_plugin_has_latency": (c_bool, (_P,)),
    "lilv_plugin_get_latency_port_index": (c_uint32, (_P,)),
    "lilv_plugin_instantiate": (_P, (_P, c_double, _P)),
    "lilv_instance_free": (None, (_P,)),
    "lilv_port_get_symbol": (_P, (_P, _P)),
    "lilv_port_get_name": (_P, (_P, _P)),
    "lilv_port_get": (_P, (_P, _P, _P)),
    "lilv_port_is_a": (c_bool, (_P, _P, _P)),
    "lilv_port_has_property": (c_bool, (_P, _P, _P)),
    "lilv_port_supports_event": (c_bool, (_P, _P, _P)),
    "lilv_port_get_scale_points": (_P, (_P, _P)),
    "lilv_scale_points_begin": (_P, (_P,)),
    "lilv_scale_points_next": (_P, (_P, _P)),
    "lilv_scale_points_is_end": (c_bool, (_P, _P)),
    "lilv_scale_points_get": (_P, (_P, _P)),
    "lilv_scale_points_free": (None, (_P,)),
    "lilv_scale_point_get_label": (_P, (_P,)),
    "lilv_scale_point_get_value": (_P, (_P,)),
    "lilv_nodes_begin": (_P, (_P,)),
    "lilv_nodes_next": (_P, (_P, _P)),
    "lilv_nodes_is_end": (c_bool, (_P, _P)),
    "lilv_nodes_get": (_P, (_P, _P)),
    "lilv_nodes_free": (None, (_P,)),
    "lilv_state_new_from_instance": (_P, (_P, _P, _P, _P, _P, _P, _P, _P, _P, c_uint32, _P)),
    "lilv_state_new_from_world": (_P, (_P, _P, _P)),
    "lilv_state_new_from_string": (_P, (_P, _P, c_char_p)),
    "lilv_state_to_string": (_P, (_P, _P, _P, _P, c_char_p, c_char_p)),
    "lilv_state_restore": (None, (_P, _P, _P, _P, c_uint32, _P)),
    "lilv_state_get_plugin_uri": (_P, (_P,)),
    "lilv_state_free": (None, (_P,)),
}


@dataclass(frozen=True)
class Port:
    """One port of a plugin. ``kind`` is ``audio``, ``cv``, ``atom``, ``control`` or empty for what is none of them.

    ``low``, ``high`` and ``default`` are NaN where the plugin gives none. ``designation`` is a URI, or empty.
    """

    index: int
    symbol: str
    name: str
    kind: str
    input: bool
    low: float
    high: float
    default: float
    unit: str
    integer: bool
    toggled: bool
    logarithmic: bool
    of_sample_rate: bool
    optional: bool
    side_chain: bool
    labels: tuple[tuple[float, str], ...]
    designation: str
    midi: bool
    position: bool
    minimum_bytes: int


@dataclass(frozen=True)
class PluginText:
    """What a bundle's text says of one plugin; nothing of the plugin's own code has run."""

    uri: str
    bundle: str
    name: str
    maker: str
    ports: tuple[Port, ...]
    latency_port: int | None
    required_features: tuple[str, ...]
    has_state: bool
    has_worker: bool


@cache
def library() -> ctypes.CDLL:
    """The library, loaded once a process. ``PluginError`` where it is not installed."""
    name = ctypes.util.find_library("lilv-0")
    try:
        loaded = ctypes.CDLL(name or "liblilv-0.so.0")
    except OSError as problem:
        raise PluginError(
            "LV2 plugins need the library liblilv-0, which is not installed. On Debian and Ubuntu:"
            " sudo apt-get install liblilv-0-0; on macOS: brew install lilv"
        ) from problem
    for function, (result, arguments) in _FUNCTIONS.items():
        declared = getattr(loaded, function)
        declared.restype, declared.argtypes = result, arguments
    return loaded


class World:
    """The bundles that were loaded, and their plugins. One thread.

    A world of one bundle takes 0.1 s, of all 120 bundles of a large installation some seconds.
    """

    def __init__(self) -> None:
        self.library = library()
        self.handle: int = self.library.lilv_world_new()
        self._nodes: dict[str, int] = {}

    def close(self) -> None:
        """Free the world; every plugin of it must be closed before."""
        for node in self._nodes.values():
            self.library.lilv_node_free(node)
        self._nodes.clear()
        if self.handle:
            self.library.lilv_world_free(self.handle)
        self.handle = 0

    def load_all(self) -> None:
        """Load every bundle of ``LV2_PATH``, or of the usual folders."""
        self.library.lilv_world_load_all(self.handle)

    def load_bundle(self, folder: Path) -> None:
        """Load the bundle in ``folder``; a folder that is none adds no plugin."""
        node = self.library.lilv_new_file_uri(self.handle, None, f"{folder}/".encode())
        self.library.lilv_world_load_bundle(self.handle, node)
        self.library.lilv_node_free(node)

    def uris(self) -> tuple[str, ...]:
        """The URIs of all plugins that were loaded; their own files, of up to 26 MB a bundle, are not read."""
        lib, plugins = self.library, self.library.lilv_world_get_all_plugins(self.handle)
        found, place = [], lib.lilv_plugins_begin(plugins)
        while not lib.lilv_plugins_is_end(plugins, place):
            found.append(self._text(lib.lilv_plugin_get_uri(lib.lilv_plugins_get(plugins, place))))
            place = lib.lilv_plugins_next(plugins, place)
        return tuple(found)

    def plugin(self, uri: str) -> int | None:
        """The ``LilvPlugin`` of a URI, or ``None``."""
        plugins = self.library.lilv_world_get_all_plugins(self.handle)
        found: int | None = self.library.lilv_plugins_get_by_uri(plugins, self.node(uri))
        return found

    def node(self, uri: str) -> int:
        """A ``LilvNode`` of a URI; the world frees it."""
        if uri not in self._nodes:
            self._nodes[uri] = self.library.lilv_new_uri(self.handle, uri.encode())
        return self._nodes[uri]

    def describe(self, plugin: int) -> PluginText:
        """What the bundle says of a plugin."""
        lib = self.library
        count = lib.lilv_plugin_get_num_ports(plugin)
        ranges = [(c_float * count)(), (c_float * count)(), (c_float * count)()]
        lib.lilv_plugin_get_port_ranges_float(plugin, *ranges)
        low, high, default = ranges
        features = lib.lilv_plugin_get_required_features(plugin)
        required = tuple(self._text(node) for node in self._each(features))
        lib.lilv_nodes_free(features)
        latency = lib.lilv_plugin_get_latency_port_index(plugin) if lib.lilv_plugin_has_latency(plugin) else None
        return PluginText(
            uri=self._text(lib.lilv_plugin_get_uri(plugin)),
            bundle=self._path(lib.lilv_plugin_get_bundle_uri(plugin)),
            name=self._taken(lib.lilv_plugin_get_name(plugin)),
            maker=self._taken(lib.lilv_plugin_get_author_name(plugin)),
            ports=tuple(self._port(plugin, i, low[i], high[i], default[i]) for i in range(count)),
            latency_port=latency,
            required_features=required,
            has_state=self._extends(plugin, "http://lv2plug.in/ns/ext/state#interface"),
            has_worker=self._extends(plugin, "http://lv2plug.in/ns/ext/worker#interface"),
        )

    def _port(self, plugin: int, index: int, low: float, high: float, default: float) -> Port:
        lib = self.library
        port = lib.lilv_plugin_get_port_by_index(plugin, index)

        def is_a(uri: str) -> bool:
            return bool(lib.lilv_port_is_a(plugin, port, self.node(uri)))

        def has(uri: str) -> bool:
            return bool(lib.lilv_port_has_property(plugin, port, self.node(uri)))

        def supports(uri: str) -> bool:
            return bool(lib.lilv_port_supports_event(plugin, port, self.node(uri)))

        kind = next((kind for kind, uri in _KINDS if is_a(uri)), "")
        size = self._number(lib.lilv_port_get(plugin, port, self.node(_RESIZE + "minimumSize")))
        return Port(
            index=index,
            symbol=self._text(lib.lilv_port_get_symbol(plugin, port)),
            name=self._taken(lib.lilv_port_get_name(plugin, port)),
            kind=kind,
            input=is_a(CORE + "InputPort"),
            low=low,
            high=high,
            default=default,
            unit=self._unit(plugin, port) if kind == "control" else "",
            integer=has(CORE + "integer") or has(CORE + "enumeration"),
            toggled=has(CORE + "toggled"),
            logarithmic=has(_PORT_PROPERTIES + "logarithmic"),
            of_sample_rate=has(CORE + "sampleRate"),
            optional=has(CORE + "connectionOptional"),
            side_chain=has(CORE + "isSideChain"),
            labels=self._labels(plugin, port) if kind == "control" else (),
            designation=self._taken(lib.lilv_port_get(plugin, port, self.node(CORE + "designation"))),
            midi=kind == "atom" and supports(MIDI_EVENT),
            position=kind == "atom" and supports(TIME + "Position"),
            minimum_bytes=0 if math.isnan(size) else int(size),
        )

    def _unit(self, plugin: int, port: int) -> str:
        unit = self.library.lilv_port_get(plugin, port, self.node(_UNITS + "unit"))
        if not unit:
            return ""
        if self.library.lilv_node_is_uri(unit) and (uri := self._text(unit)).startswith(_UNITS):
            symbol = _UNIT_SYMBOLS.get(uri.removeprefix(_UNITS), uri.removeprefix(_UNITS))
        else:  # one of the plugin's own
            symbol = self._taken(self.library.lilv_world_get(self.handle, unit, self.node(_UNITS + "symbol"), None))
        self.library.lilv_node_free(unit)
        return symbol

    def _labels(self, plugin: int, port: int) -> tuple[tuple[float, str], ...]:
        lib, points = self.library, self.library.lilv_port_get_scale_points(plugin, port)
        if not points:
            return ()
        found, place = [], lib.lilv_scale_points_begin(points)
        while not lib.lilv_scale_points_is_end(points, place):
            point = lib.lilv_scale_points_get(points, place)
            value = lib.lilv_node_as_float(lib.lilv_scale_point_get_value(point))
            found.append((float(value), self._text(lib.lilv_scale_point_get_label(point))))
            place = lib.lilv_scale_points_next(points, place)
        lib.lilv_scale_points_free(points)
        return tuple(sorted(found))

    def _extends(self, plugin: int, uri: str) -> bool:
        return bool(self.library.lilv_plugin_has_extension_data(plugin, self.node(uri)))

    def _each(self, nodes: int) -> Iterator[int]:
        lib = self.library
        place = lib.lilv_nodes_begin(nodes)
        while not lib.lilv_nodes_is_end(nodes, place):
            yield lib.lilv_nodes_get(nodes, place)
            place = lib.lilv_nodes_next(nodes, place)

    def _text(self, node: int | None) -> str:
        raw: bytes | None = self.library.lilv_node_as_string(node) if node else None
        return raw.decode("utf-8", "replace") if raw else ""

    def _taken(self, node: int | None) -> str:
        """The text of a node that is ours to free."""
        text = self._text(node)
        if node:
            self.library.lilv_node_free(node)
        return text

    def _number(self, node: int | None) -> float:
        if not node:
            return math.nan
        value = float(self.library.lilv_node_as_float(node))
        self.library.lilv_node_free(node)
        return value

    def _path(self, node: int) -> str:
        raw = self.library.lilv_file_uri_parse(self._text(node).encode(), None)
        text = ctypes.cast(raw, c_char_p).value or b""
        self.library.lilv_free(raw)
        return text.decode("utf-8", "surrogateescape")
