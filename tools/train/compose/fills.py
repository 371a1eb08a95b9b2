"""Drum fills: what the drums play instead of the groove at the end of a form."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

# How hard each sign of a fill is struck; the crescendo comes on top.
_SIGNS = {"X": 1.0, "x": 0.85, "o": 0.6, "g": 0.35}


@dataclass(frozen=True)
class Fill:
    """A fill: rows of sixteenths by lane, all of one length, the last one before the next bar.

    ``keeps`` are lanes of the groove that go on under it. It grows from ``softest`` to full level. ``crash`` is struck
    on the first beat after it.
    """

    rows: dict[str, str]
    keeps: tuple[str, ...] = ()
    softest: float = 0.55
    crash: str = "crash"

    @property
    def steps(self) -> int:
        """Its length in sixteenths."""
        return len(next(iter(self.rows.values())))

    def strokes(self) -> Iterator[tuple[int, str, float]]:
        """Its strokes: sixteenth from its beginning, lane, level."""
        for lane, row in self.rows.items():
            for step, sign in enumerate(row):
                if sign != ".":
                    grown = self.softest + (1.0 - self.softest) * step / max(self.steps - 1, 1)
                    yield step, lane, _SIGNS[sign] * grown


ROLL = Fill({"snare": "xoxoxoxXxoxoxXXX"}, softest=0.3)
SHORT_ROLL = Fill({"snare": "xoxoxxXX"}, softest=0.35)
BUILD = Fill({"snare": "x...x...x.x.xxxx"}, keeps=("kick",), softest=0.35)
CLAPS = Fill({"clap": "x.x.xxxx"}, softest=0.5)
TOMS = Fill({"tom1": "xx......", "tom2": "..xx.x..", "tom3": "....x.XX"}, softest=0.6)
DOWN = Fill(
    {
        "snare": "xxx.............",
        "tom1": "....xxx.........",
        "tom2": "........xxx.....",
        "tom3": "............xxXX",
    },
    softest=0.65,
)
AROUND = Fill({"snare": "xx.x....", "tom1": "..x.xx..", "tom3": "......XX"}, softest=0.6)
BREAK = Fill({"snare": "x..x..xx", "kick": "..x..x..", "tom3": ".......X"}, softest=0.6)
CHOPS = Fill({"snare": "x.xx.xx.xxx.xxXX", "kick": ".x..x..x...x...."}, softest=0.45)
FLAMS = Fill({"snare": "x.o.x.oox.xoxxXX", "tom3": "......x.......X."}, softest=0.5)
BRUSHES = Fill({"snare": "o.x.ooxx", "tom3": "......xx", "kick": "x......."}, softest=0.5)
TRIPLETS = Fill({"snare": "x.x.x.x.", "tom2": "....x.x.", "tom3": "......X."}, softest=0.55)
TIMBALES = Fill({"timbale": "x.xxx.xx", "timbale2": ".x...x.X", "snare": "......xX"}, softest=0.55)
DUB = Fill({"timbale": "x..x..x.", "tom2": "..x..x..", "tom3": ".......X", "snare": "....x..x"}, softest=0.6)
TIMPANI = Fill({"tom3": "oxoxoxoxoxoxxxXX"}, softest=0.25)
TOM_ROLL = Fill({"tom3": "oxoxoxxX", "tom2": "....xxxx"}, softest=0.4)
TRAP_ROLL = Fill({"snare": "x...x.x.x.xxxxXX", "hat": "..xx............"}, softest=0.35)
DOUBLE_KICKS = Fill(
    {
        "snare": "x.x.x...x.x.xxXX",
        "tom1": ".x...xx.........",
        "tom3": ".......x.x.x....",
        "kick": "x.x.x.x.x.......",
    },
    softest=0.7,
)
CLAVE = Fill({"snare": "x..x..x.xx.xxxXX", "timbale": "..x..x.x........", "tom2": "..........x....."}, softest=0.5)
SURDO = Fill({"snare": "xoxxoxXX", "tom3": "x..x..X.", "agogo": "..x..x.."}, softest=0.5)

_MACHINE = (BUILD, ROLL, SHORT_ROLL, CLAPS)
_KIT = (TOMS, DOWN, AROUND, ROLL, SHORT_ROLL)
_SWUNG = (BRUSHES, TRIPLETS, TRIPLETS)

FILLS_OF: dict[str, tuple[Fill, ...]] = {
    "ambient": (TIMPANI, TOM_ROLL),
    "house": _MACHINE,
    "techno": (BUILD, ROLL, CLAPS, TOM_ROLL),
    "trance": (BUILD, ROLL, SHORT_ROLL),
    "drum and bass": (CHOPS, CHOPS, BREAK, SHORT_ROLL),
    "dubstep": (ROLL, BREAK, CLAPS),
    "hip hop": (BREAK, FLAMS, SHORT_ROLL),
    "trap": (TRAP_ROLL, TRAP_ROLL, ROLL),
    "jazz": _SWUNG,
    "blues": (TRIPLETS, TRIPLETS, BRUSHES),
    "funk": (FLAMS, AROUND, BREAK, TOMS),
    "soul": (AROUND, TOMS, FLAMS),
    "disco": (SHORT_ROLL, TOMS, ROLL),
    "rock": _KIT,
    "metal": (DOUBLE_KICKS, DOWN, ROLL),
    "pop": _KIT,
    "reggae": (DUB, AROUND, TIMBALES),
    "dub": (DUB, DUB, TIMBALES),
    "bossa nova": (BRUSHES, SURDO),
    "salsa": (CLAVE, CLAVE, SHORT_ROLL),
    "classical": (TIMPANI,),
    "folk": (TOM_ROLL, SHORT_ROLL),
    "country": (SHORT_ROLL, AROUND),
    "synthwave": (TOMS, DOWN, ROLL),
    "afrobeat": (SURDO, FLAMS),
}
