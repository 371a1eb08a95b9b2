"""The bundle witness.lv2, compiled for the tests: one plugin shows what its host told it, the others misbehave."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

SOURCE = Path(__file__).parent / "witness.lv2" / "witness.c"
KINDS = ("witness", "crash", "nan", "refuse")

_CONTROLS = ("ask", "bpm", "beat", "bar", "bar_beat", "speed", "frame", "note_frame", "block", "answer", "kept")
_PREFIXES = """\
@prefix lv2: <http://lv2plug.in/ns/lv2core#> .
@prefix atom: <http://lv2plug.in/ns/ext/atom#> .
@prefix doap: <http://usefulinc.com/ns/doap#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
@prefix rsz: <http://lv2plug.in/ns/ext/resize-port#> .
"""


def build(folder: Path, kinds: tuple[str, ...] = KINDS) -> Path:
    """Compile the bundle into ``folder/witness.lv2``; ``OSError`` or ``CalledProcessError`` without gcc and lv2-dev."""
    bundle = folder / "witness.lv2"
    bundle.mkdir(parents=True)
    compiler = shutil.which("cc") or "cc"
    subprocess.run(
        [compiler, "-O1", "-shared", "-fPIC", "-o", str(bundle / "witness.so"), str(SOURCE), "-lm"],
        check=True,
        capture_output=True,
    )
    uris = [f"<urn:riffengine:test:{kind}>" for kind in kinds]
    entries = [f"{uri} a lv2:Plugin ; lv2:binary <witness.so> ; rdfs:seeAlso <plugin.ttl> ." for uri in uris]
    (bundle / "manifest.ttl").write_text(_PREFIXES + "\n".join(entries))
    (bundle / "plugin.ttl").write_text(_PREFIXES + "\n".join(map(_plugin, uris, kinds)))
    return bundle


def _plugin(uri: str, kind: str) -> str:
    ports = [
        f'[ a lv2:{way}Port, lv2:AudioPort ; lv2:index {index} ; lv2:symbol "{symbol}" ; lv2:name "{symbol}" ]'
        for index, (symbol, way) in enumerate(
            [("in_l", "Input"), ("in_r", "Input"), ("out_l", "Output"), ("out_r", "Output")]
        )
    ]
    ports.append(
        '[ a lv2:InputPort, atom:AtomPort ; lv2:index 4 ; lv2:symbol "events" ; lv2:name "events" ;'
        " atom:bufferType atom:Sequence ; rsz:minimumSize 100000 ; atom:supports"
        " <http://lv2plug.in/ns/ext/midi#MidiEvent>, <http://lv2plug.in/ns/ext/time#Position> ]"
    )
    for index, symbol in enumerate(_CONTROLS):
        way = "Input" if index == 0 else "Output"
        ports.append(
            f"[ a lv2:{way}Port, lv2:ControlPort ; lv2:index {index + 5} ;"
            f' lv2:symbol "{symbol}" ; lv2:name "{symbol}" ; lv2:default 0 ; lv2:minimum 0 ; lv2:maximum 1000 ]'
        )
    return (
        f'{uri} a lv2:Plugin ; doap:name "Riffengine test {kind}" ;'
        " lv2:requiredFeature <http://lv2plug.in/ns/ext/urid#map> ;"
        " lv2:extensionData <http://lv2plug.in/ns/ext/worker#interface>, <http://lv2plug.in/ns/ext/state#interface> ;\n"
        f"lv2:port {', '.join(ports)} ."
    )
