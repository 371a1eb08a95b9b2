"""The LV2 bundle: the Turtle files that tell hosts the plugins' ports. Source: LV2 1.18, https://lv2plug.in/ns/."""

from __future__ import annotations

from dataclasses import dataclass

from riffengine.daw.names import URI
from riffengine.processes.daw_slots import SLOTS

DECKS = "ABCD"
STEMS = 4

_PREFIXES = """\
@prefix atom: <http://lv2plug.in/ns/ext/atom#> .
@prefix doap: <http://usefulinc.com/ns/doap#> .
@prefix foaf: <http://xmlns.com/foaf/0.1/> .
@prefix lv2: <http://lv2plug.in/ns/lv2core#> .
@prefix midi: <http://lv2plug.in/ns/ext/midi#> .
@prefix pg: <http://lv2plug.in/ns/ext/port-groups#> .
@prefix pprops: <http://lv2plug.in/ns/ext/port-props#> .
@prefix rdf: <http://www.w3.org/1999/02/22-rdf-syntax-ns#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
@prefix rsz: <http://lv2plug.in/ns/ext/resize-port#> .
@prefix state: <http://lv2plug.in/ns/ext/state#> .
@prefix time: <http://lv2plug.in/ns/ext/time#> .
@prefix urid: <http://lv2plug.in/ns/ext/urid#> .
"""


_PROJECT = f"""\
<{URI}#project>
\ta doap:Project ;
\tdoap:name "Riffengine" ;
\tdoap:maintainer [ a foaf:Organization ; foaf:name "Riffengine" ] .
"""


@dataclass(frozen=True)
class BundlePlugin:
    """One of the plugins: ``inputs`` and ``outputs`` are audio channels; ``midi``: its event port takes notes too."""

    suffix: str
    name: str
    kind: str
    about: str
    inputs: int
    outputs: int
    midi: bool
    sources: tuple[str, ...]

    @property
    def uri(self) -> str:
        """What hosts know it by."""
        return URI + self.suffix


_SOURCES = (
    "Master",
    *(f"Deck {deck}" for deck in DECKS),
    *(f"Deck {deck} Stem {stem}" for deck in DECKS for stem in range(1, STEMS + 1)),
)

PLUGINS = (
    BundlePlugin(
        "", "Riffengine", "lv2:GeneratorPlugin", "Generated loops on the beat of the host", 2, 2, False, _SOURCES
    ),
    BundlePlugin(
        "#instrument",
        "Riffengine Instrument",
        "lv2:InstrumentPlugin",
        "Generated loops on the beat of the host, played by the notes of the track",
        0,
        2,
        True,
        _SOURCES,
    ),
    BundlePlugin(
        "#stems",
        "Riffengine Stems",
        "lv2:InstrumentPlugin",
        "Generated loops on the beat of the host: four stems of a deck on four outputs",
        0,
        8,
        True,
        tuple(f"Deck {deck}" for deck in DECKS),
    ),
)


def manifest(binary: str) -> str:
    """``manifest.ttl``, where the shared library is ``binary``."""
    parts = [
        "@prefix lv2: <http://lv2plug.in/ns/lv2core#> .\n@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .\n",
        *(
            f"<{p.uri}>\n\ta lv2:Plugin ;\n\tlv2:binary <{binary}> ;\n\trdfs:seeAlso <riffengine.ttl> .\n"
            for p in PLUGINS
        ),
    ]
    return "\n".join(parts)


def description() -> str:
    """``riffengine.ttl``: the plugins and their ports, in the order of ``lv2.c``."""
    return "\n".join([_PREFIXES, _PROJECT, *map(_groups, PLUGINS), *map(_plugin, PLUGINS)])


def _plugin(plugin: BundlePlugin) -> str:
    rows = [port.replace("INDEX", str(index)) for index, port in enumerate(_ports(plugin))]
    ports = " , ".join(f"[\n{row}\t]" for row in rows)
    return (
        f"<{plugin.uri}>\n"
        f"\ta lv2:Plugin , {plugin.kind} ;\n"
        f'\tdoap:name "{plugin.name}" ;\n'
        f'\trdfs:comment "{plugin.about}" ;\n'
        "\tdoap:license <https://opensource.org/licenses/MIT> ;\n"
        f"\tlv2:project <{URI}#project> ;\n"
        "\tlv2:minorVersion 2 ;\n\tlv2:microVersion 0 ;\n"
        "\tlv2:requiredFeature urid:map ;\n"
        "\tlv2:optionalFeature lv2:hardRTCapable ;\n"
        "\tlv2:extensionData state:interface ;\n"
        f"\tlv2:port {ports} .\n"
    )


def _ports(plugin: BundlePlugin) -> list[str]:
    supports = "time:Position , midi:MidiEvent" if plugin.midi else "time:Position"
    rows = [
        "\t\ta atom:AtomPort , lv2:InputPort ;\n"
        "\t\tatom:bufferType atom:Sequence ;\n"
        f"\t\tatom:supports {supports} ;\n"
        "\t\tlv2:designation lv2:control ;\n"
        "\t\trsz:minimumSize 8192 ;\n" + _name("events", "Events")
    ]
    for direction, channels in (("in", plugin.inputs), ("out", plugin.outputs)):
        for channel in range(channels):
            side = "left" if channel % 2 == 0 else "right"
            pair = f" {channel // 2 + 1}" if channels > 2 else ""
            rows.append(
                f"\t\ta lv2:AudioPort , lv2:{direction.capitalize()}putPort ;\n"
                f"\t\tpg:group <{_group(plugin, direction, channel // 2)}> ;\n"
                f"\t\tlv2:designation pg:{side} ;\n"
                + _name(f"{direction}_{channel + 1}", f"{direction.capitalize()}{pair} {side.capitalize()}")
            )
    rows += [_control(slot.symbol, slot.name, 0.0, 1.0, slot.default) for slot in SLOTS]
    rows.append(_choice("play_on", "When Stopped", ("silent", "play on")))
    rows.append(_choice("source", "Source", plugin.sources))
    rows.append(_control("start", "Start the Engine", 0, 1, 0, "\t\tlv2:portProperty lv2:toggled , lv2:integer ;\n"))
    rows.append(
        _control(
            "freewheel",
            "Free Wheeling",
            0,
            1,
            0,
            "\t\tlv2:designation lv2:freeWheeling ;\n"
            "\t\tlv2:portProperty lv2:toggled , lv2:integer , pprops:notOnGUI ;\n",
        )
    )
    status = (
        "\t\ta lv2:ControlPort , lv2:OutputPort ;\n"
        "\t\tlv2:minimum 0 ;\n\t\tlv2:maximum 2 ;\n"
        "\t\tlv2:portProperty lv2:integer , lv2:enumeration ;\n" + _points(("no engine", "silent", "music"))
    )
    rows.append(status + _name("status", "Status"))
    return rows


def _control(symbol: str, name: str, low: float, high: float, default: float, more: str = "") -> str:
    return (
        "\t\ta lv2:ControlPort , lv2:InputPort ;\n"
        f"\t\tlv2:minimum {low:g} ;\n\t\tlv2:maximum {high:g} ;\n\t\tlv2:default {default:.7g} ;\n"
        f"{more}{_name(symbol, name)}"
    )


def _choice(symbol: str, name: str, labels: tuple[str, ...]) -> str:
    more = "\t\tlv2:portProperty lv2:integer , lv2:enumeration ;\n" + _points(labels)
    return _control(symbol, name, 0, len(labels) - 1, 0, more)


def _points(labels: tuple[str, ...]) -> str:
    points = " , ".join(f'[ rdfs:label "{label}" ; rdf:value {value} ]' for value, label in enumerate(labels))
    return f"\t\tlv2:scalePoint {points} ;\n"


def _name(symbol: str, name: str) -> str:
    return f'\t\tlv2:index INDEX ;\n\t\tlv2:symbol "{symbol}" ;\n\t\tlv2:name "{name}"\n'


def _group(plugin: BundlePlugin, direction: str, pair: int) -> str:
    return f"{URI}{plugin.suffix or '#effect'}-{direction}-{pair + 1}"


def _groups(plugin: BundlePlugin) -> str:
    rows = []
    for direction, channels in (("in", plugin.inputs), ("out", plugin.outputs)):
        for pair in range(channels // 2):
            name = f"{direction}put" if channels == 2 else f"stem_{pair + 1}"
            rows.append(
                f"<{_group(plugin, direction, pair)}>\n"
                f"\ta pg:StereoGroup , pg:{direction.capitalize()}putGroup ;\n"
                f'\tlv2:name "{name.replace("_", " ").capitalize()}" ;\n\tlv2:symbol "{name}" .\n'
            )
    return "\n".join(rows)
