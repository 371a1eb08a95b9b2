"""Knob-to-ear: the time from the arrival of each gesture to the block in which it is heard, by control class.

Pure except for ``LatencyCsv``; belongs to the engine process. Stamps are nanoseconds of one monotonic clock.
"""

from __future__ import annotations

import contextlib
import csv
import io
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from riffengine.errors import JournalError
from riffengine.files.line_file import LineFile
from riffengine.performance.command import Value
from riffengine.performance.parameter_tree import ControlClass, ParameterTree

_END_SECONDS = 1.0  # for the disk to take what waits at the end
_FINEST_MS = 0.1
_BINS_PER_OCTAVE = 16  # neighbouring bins are 4.4 % apart, which is finer than repeated measurements agree
_BINS = 22 * _BINS_PER_OCTAVE  # up to 0.1 ms · 2^22 = 7 minutes
HEARD_CLASSES = (ControlClass.IMMEDIATE, ControlClass.MORPH, ControlClass.QUANTISED)


@dataclass(frozen=True)
class GestureLatency:
    """One gesture on ``path`` and the milliseconds from its stamp until it was heard."""

    path: str
    control: ControlClass
    stamp_ns: int
    ms: float


class LatencyHistogram:
    """Counts latencies in logarithmic bins, with constant memory however long the set; the maximum is exact."""

    def __init__(self) -> None:
        self._counts = [0] * _BINS
        self.count = 0
        self.sum_ms = 0.0
        self.max_ms = 0.0

    def add(self, ms: float) -> None:
        """Count one latency in milliseconds; less than 0.1 ms counts as 0.1 ms."""
        place = 0 if ms <= _FINEST_MS else math.ceil(_BINS_PER_OCTAVE * math.log2(ms / _FINEST_MS))
        self._counts[min(place, _BINS - 1)] += 1
        self.count += 1
        self.sum_ms += ms
        self.max_ms = max(self.max_ms, ms)

    def quantile_ms(self, share: float) -> float:
        """A latency that at least ``share`` of all do not exceed, at most 4.4 % too large; 0 if there are none."""
        wanted = math.ceil(share * self.count)
        seen = 0
        for place, count in enumerate(self._counts):
            seen += count
            if count and seen >= wanted:
                return min(_FINEST_MS * math.exp2(place / _BINS_PER_OCTAVE), self.max_ms)
        return 0.0

    def octaves(self) -> tuple[tuple[float, int], ...]:
        """(upper bound in ms, how many do not exceed it), octave by octave from 0.1 ms up to the largest."""
        found: list[tuple[float, int]] = []
        seen = self._counts[0]
        for octave in range(_BINS // _BINS_PER_OCTAVE):
            found.append((_FINEST_MS * math.exp2(octave), seen))
            if seen == self.count:
                break
            seen += sum(self._counts[octave * _BINS_PER_OCTAVE + 1 : (octave + 1) * _BINS_PER_OCTAVE + 1])
        return tuple(found)


class GestureLatencies:
    """Follows every stamped gesture to the frame on which it is heard.

    The player reports immediate and morph gestures by their stamp (``audible``). A quantised gesture is heard when a
    bank lands that was launched for it or for a newer change of its deck: ``asked``, ``launched``, ``landed``. A newer
    gesture on the same path replaces one that is not heard yet.
    """

    def __init__(self, tree: ParameterTree) -> None:
        self._tree = tree
        self._unheard: dict[str, tuple[int, dict[str, int]]] = {}  # path: stamp, serial by deck
        self._launched: dict[tuple[str, int], int] = {}  # deck and bank: serial
        self.histograms = {control: LatencyHistogram() for control in HEARD_CLASSES}

    def audible(self, name: str, stamp_ns: int, heard_ns: int) -> GestureLatency:
        """The player has output the gesture ``stamp_ns`` on control ``name``; ``fade`` (panic) counts as immediate."""
        control = self._tree[name].control if name in self._tree else ControlClass.IMMEDIATE
        return self._count(name, control, stamp_ns, heard_ns)

    def asked(self, path: str, stamp_ns: int, serials: Mapping[str, int]) -> None:
        """A quantised gesture changed decks: ``serials`` has the number of the newest change of each."""
        if stamp_ns and serials:
            self._unheard[path] = stamp_ns, dict(serials)

    def launched(self, deck: str, bank: int, serial: int) -> None:
        """``bank`` was sent to the player; it has all changes of ``deck`` up to ``serial``."""
        self._launched[deck, bank] = serial

    def landed(self, deck: str, bank: int, heard_ns: int) -> list[GestureLatency]:
        """``bank`` is heard; returns the gestures that are heard with it."""
        serial = self._launched.pop((deck, bank), None)
        if serial is None:
            return []
        # Older banks of this deck that never started (a newer one replaced them) will not land any more.
        self._launched = {(d, b): s for (d, b), s in self._launched.items() if d != deck or b > bank}
        heard = [path for path, (_, serials) in self._unheard.items() if serials.get(deck, serial + 1) <= serial]
        return [self._count(path, ControlClass.QUANTISED, self._unheard.pop(path)[0], heard_ns) for path in heard]

    def dropped(self, deck: str) -> None:
        """The pending changes of ``deck`` will not land: they were undone, or the render was given up."""
        for path, (_, serials) in list(self._unheard.items()):
            serials.pop(deck, None)
            if not serials:
                del self._unheard[path]

    def facts(self) -> dict[str, Value]:
        """``ear_<class>_count``, ``…_p50_ms``, ``…_p95_ms`` and ``…_max_ms`` of every class, for a status report."""
        found: dict[str, Value] = {}
        for control, histogram in self.histograms.items():
            found[f"ear_{control}_count"] = histogram.count
            found[f"ear_{control}_p50_ms"] = round(histogram.quantile_ms(0.5), 3)
            found[f"ear_{control}_p95_ms"] = round(histogram.quantile_ms(0.95), 3)
            found[f"ear_{control}_max_ms"] = round(histogram.max_ms, 3)
        return found

    def shown(self) -> str:
        """The 95th percentiles for a status line, ``8/12/430 ms``: immediate, morph, quantised; – for none."""
        values = (h.quantile_ms(0.95) if h.count else None for h in self.histograms.values())
        return "/".join("–" if value is None else f"{value:.0f}" for value in values) + " ms"

    def _count(self, path: str, control: ControlClass, stamp_ns: int, heard_ns: int) -> GestureLatency:
        heard = GestureLatency(path, control, stamp_ns, max(0, heard_ns - stamp_ns) / 1e6)
        self.histograms[control].add(heard.ms)
        return heard


class LatencyCsv:
    """Writes a line ``class,path,stamp_ns,ms`` for every gesture and flushes it, because a set may end by power loss.

    A thread writes, so that no disk holds up the engine; only ``close`` waits. ``JournalError`` when the file cannot be
    created; lines that could not be written are counted in ``lost``.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._file = path.open("w", encoding="utf-8", newline="")
        except OSError as error:
            raise JournalError(f"cannot write {path}: {error.strerror}; choose a folder that exists") from error
        self._lines = LineFile(self._file)
        self._write("class", "path", "stamp_ns", "ms")

    @property
    def lost(self) -> int:
        """Lines that could not be written."""
        return self._lines.lost

    def write(self, heard: GestureLatency) -> None:
        """Append one line."""
        self._write(heard.control, heard.path, heard.stamp_ns, f"{heard.ms:.3f}")

    def close(self) -> None:
        """Have what waits written, for a second at most, and close the file."""
        if self._lines.end(_END_SECONDS):
            with contextlib.suppress(OSError):  # every line was flushed, or is counted
                self._file.close()

    def _write(self, *cells: object) -> None:
        line = io.StringIO()
        csv.writer(line, lineterminator="").writerow(cells)
        self._lines.write(line.getvalue())
