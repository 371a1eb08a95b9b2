"""The probe, an LV2 effect of the tests that writes what it hears and what the host says of that block's time."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from riffengine.daw.build import NATIVE
from riffengine.daw.ramp_engine import beats_of

URI = "urn:riffengine:probe"
_HEAD = struct.Struct("<dddqqq")

_MANIFEST = f"""\
@prefix lv2: <http://lv2plug.in/ns/lv2core#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
<{URI}> a lv2:Plugin ; lv2:binary <probe.so> ; rdfs:seeAlso <probe.ttl> .
"""
_PORTS = " , ".join(
    f'[ a lv2:AudioPort , lv2:{way}putPort ; lv2:index {index} ; lv2:symbol "p{index}" ; lv2:name "p{index}" ]'
    for index, way in ((1, "In"), (2, "In"), (3, "Out"), (4, "Out"))
)
_PLUGIN = f"""\
@prefix atom: <http://lv2plug.in/ns/ext/atom#> .
@prefix doap: <http://usefulinc.com/ns/doap#> .
@prefix lv2: <http://lv2plug.in/ns/lv2core#> .
@prefix time: <http://lv2plug.in/ns/ext/time#> .
@prefix urid: <http://lv2plug.in/ns/ext/urid#> .
<{URI}> a lv2:Plugin ; doap:name "Probe" ; doap:license <https://opensource.org/licenses/MIT> ;
	lv2:requiredFeature urid:map ;
	lv2:port [ a atom:AtomPort , lv2:InputPort ; atom:bufferType atom:Sequence ; atom:supports time:Position ;
		lv2:designation lv2:control ; lv2:index 0 ; lv2:symbol "events" ; lv2:name "Events" ] , {_PORTS} .
"""


def build_probe(folder: Path) -> Path:
    """``probe.lv2`` in ``folder``."""
    bundle = folder / "probe.lv2"
    bundle.mkdir(parents=True)
    source = Path(__file__).with_name("probe.c")
    include = f"-I{NATIVE / 'vendor'}"
    subprocess.run(
        ["cc", "-std=c11", "-O2", "-fPIC", "-shared", "-Wall", "-Wextra", "-Werror", include, str(source), "-o",
         str(bundle / "probe.so")],
        check=True,
    )  # fmt: skip
    (bundle / "manifest.ttl").write_text(_MANIFEST)
    (bundle / "probe.ttl").write_text(_PLUGIN)
    return bundle


@dataclass(frozen=True)
class Heard:
    """A part of a block: the host's time at its first frame, and the beat that each frame says (NaN: silence)."""

    beat: float
    bpm: float
    speed: float
    song: int
    beats: np.ndarray

    @property
    def silent(self) -> bool:
        return bool(np.isnan(self.beats).all())

    def off(self, rate: int) -> float:
        """How many beats the music of this part is off at most; NaN frames left out."""
        told = self.beat + np.arange(len(self.beats)) * self.bpm / 60.0 / rate
        return float(np.nanmax(np.abs(self.beats - told)))


@dataclass(frozen=True)
class Sounded:
    """A part of a block: the host's time at its first frame, and what was heard, ``(frames, 2) float32``."""

    beat: float
    bpm: float
    speed: float
    song: int
    ns: int  # of the monotonic clock
    sound: np.ndarray


def read_probe(path: Path) -> Iterator[Heard]:
    for part in read_sound(path):
        beats = beats_of(part.sound[:, 0], part.sound[:, 1])
        yield Heard(part.beat, part.bpm, part.speed, part.song, beats)


def read_sound(path: Path) -> Iterator[Sounded]:
    data = path.read_bytes()
    at = 0
    while at + _HEAD.size <= len(data):
        beat, bpm, speed, song, frames, ns = _HEAD.unpack_from(data, at)
        at += _HEAD.size
        if at + frames * 8 > len(data):
            return
        sound = np.frombuffer(data, np.float32, frames * 2, at).reshape(frames, 2)
        at += frames * 8
        yield Sounded(beat, bpm, speed, song, ns, sound)
