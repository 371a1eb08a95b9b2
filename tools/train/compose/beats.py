"""Drum patterns: one bar (16 steps) or two (32) for each lane, written the way drummers sketch them.

``X`` accent 1.0, ``x`` stroke 0.8, ``o`` light 0.55, ``g`` ghost 0.3, ``.`` rest.
"""

from __future__ import annotations

from dataclasses import dataclass

# Lane → (column of the score, General MIDI key).
LANES: dict[str, tuple[str, int]] = {
    "kick": ("kick", 36), "snare": ("snare", 38), "snare2": ("snare", 40), "rim": ("snare", 37), "clap": ("clap", 39),
    "hat": ("closed hat", 42), "pedal": ("closed hat", 44), "open": ("open hat", 46),
    "tom1": ("tom", 50), "tom2": ("tom", 47), "tom3": ("tom", 43), "crash": ("cymbal", 49), "ride": ("cymbal", 51),
    "bell": ("cymbal", 53), "shaker": ("percussion", 70), "tamb": ("percussion", 54), "conga": ("percussion", 63),
    "conga2": ("percussion", 64), "bongo": ("percussion", 60), "bongo2": ("percussion", 61),
    "cowbell": ("percussion", 56), "clave": ("percussion", 75), "agogo": ("percussion", 67), "agogo2": ("percussion", 68),
    "guiro": ("percussion", 73), "cabasa": ("percussion", 69), "timbale": ("percussion", 65), "timbale2": ("percussion", 66),
    "triangle": ("percussion", 81),
}  # fmt: skip

STROKE = {"X": 1.0, "x": 0.8, "o": 0.55, "g": 0.3}

# Lanes that a sparse piece drops first, and ghost strokes with them.
ORNAMENTS = ("shaker", "tamb", "conga", "conga2", "bongo", "bongo2", "cowbell", "agogo", "agogo2", "cabasa", "triangle")


@dataclass(frozen=True)
class Beat:
    """One drum pattern: ``lanes`` as in the module's notation; ``word`` is what a listener would call it, or empty."""

    lanes: dict[str, str]
    word: str = ""


def _beat(word: str = "", **lanes: str) -> Beat:
    return Beat(lanes, word)


FOUR = "X...X...X...X..."
BACK = "....X.......X..."

BEATS: dict[str, tuple[Beat, ...]] = {
    "ambient": (
        _beat(shaker="o...g...o...g...", tom3="o...............", triangle="....o..........."),
        _beat(kick="o...............o.......o.......", rim="............o..................."),
        _beat("halftime", kick="x.........o.....", rim="........o.......", hat="g.g.g.g.g.g.g.g."),
    ),
    "house": (
        _beat("four on the floor", kick=FOUR, clap=BACK, open="..x...x...x...x.", hat="x.x.x.x.x.x.x.x."),
        _beat("four on the floor", kick=FOUR, clap=BACK, open="..x...x...x...x.", shaker="xgogxgogxgogxgog"),
        _beat("four on the floor", kick=FOUR, snare=BACK, open="..x...x...x...x.", conga="...x..x....x..x.", hat="oooooooooooooooo"),
        _beat("four on the floor", kick=FOUR, clap=BACK, hat="..xo..xo..xo..xo", rim="...o......o..o.."),
    ),
    "techno": (
        _beat("four on the floor", kick=FOUR, hat="..x...x...x...x."),
        _beat("four on the floor", kick=FOUR, hat="oxoxoxoxoxoxoxox", clap="............X..."),
        _beat("four on the floor", kick=FOUR, open="..X...X...X...X.", tom3="...o..o....o..o.", ride="x.x.x.x.x.x.x.x."),
        _beat("four on the floor", kick=FOUR, hat="x.xxx.xxx.xxx.xx", rim="..x..x....x..x..", clap=BACK),
    ),
    "trance": (
        _beat("four on the floor", kick=FOUR, clap=BACK, open="..X...X...X...X.", hat="xoxoxoxoxoxoxoxo"),
        _beat("four on the floor", kick=FOUR, open="..X...X...X...X.", ride="..x...x...x...x."),
        _beat("four on the floor", kick=FOUR, snare=BACK, open="..X...X...X...X.", hat="ooxoooxoooxoooxo", crash="X..............................."),
    ),
    "drum and bass": (
        _beat("breakbeat", kick="X.........x.....", snare="....X..g.g..X...", hat="x.x.x.x.x.x.x.x."),
        _beat("breakbeat", kick="X.....x...x.....X.........x...x.", snare="....X..g.g..X..g....X..g....X.g.", hat="xoxoxoxoxoxoxoxo"),
        _beat("breakbeat", kick="X.x.......x..x..", snare="....X..g.x..X..g", ride="x.x.x.x.x.x.x.x."),
        _beat("breakbeat", kick="X.X.......XX....", snare="....X..X.X..X..X", hat="x.x.x.x.x.x.x.x.", crash="x..............................."),
    ),
    "dubstep": (
        _beat("halftime", kick="X.....x.......x.", snare="........X.......", hat="x..x..x.x..x..x."),
        _beat("halftime", kick="X..X......X.....", snare="........X.......", hat="..x...x...x...xx"),
        _beat("halftime", kick="X...............X.....x...x.....", snare="........X...............X.....g.", open="......x.......x.", hat="x.x.x.x.x.x.x.x."),
    ),
    "hip hop": (
        _beat("", kick="X......x..x.....", snare=BACK, hat="x.x.x.x.x.x.x.x."),
        _beat("", kick="X.x.......xx....X......x..x..x..", snare=BACK, hat="x.x.x.xxx.x.x.x."),
        _beat("", kick="X..x......x..x..", snare="....X..g.g..X..g", hat="x.x.x.x.x.x.xox."),
        _beat("breakbeat", kick="X.X.......XX....", snare="....X..g.g..X...", hat="x.x.x.x.x.x.x.x.", tamb=BACK),
    ),
    "trap": (
        _beat("halftime", kick="X......x..x.....", clap="........X.......", hat="x.x.x.x.x.x.xxxx"),
        _beat("halftime", kick="X..x......x...x.", snare="........X.......", hat="x.xxx.x.xxxxx.x.", open="..............x."),
        _beat("halftime", kick="X.........x..x..X...x.....x.....", clap="........X...............X.......", hat="xxx.xxx.x.x.xxxxxxx.xxx.xxxxxxxx"),
    ),
    "jazz": (
        _beat("shuffle", ride="x...x.o.x...x.o.", pedal="....x.......x...", kick="g.......g......."),
        _beat("shuffle", ride="x...x.o.x...x.o.", pedal="....x.......x...", snare="......g.......o.", kick="g...g...g...g..."),
        _beat("shuffle", ride="x...x.o.x...x.o.", pedal="....x.......x...", snare="..g.......g.....", kick="..........o....."),
        _beat("shuffle", snare="o...x.o.o...x.o.", pedal="....x.......x..."),
    ),
    "blues": (
        _beat("shuffle", kick="X.......X.......", snare=BACK, hat="x.o.x.o.x.o.x.o."),
        _beat("shuffle", kick="X.....x.X.......", snare="....X.g.....X.g.", ride="x.o.x.o.x.o.x.o."),
        _beat("shuffle", kick="X...x...X...x...", snare="g.g.X.g.g.g.X.g.", hat="x.o.x.o.x.o.x.o."),
    ),
    "funk": (
        _beat("", kick="X..x......x..x..", snare="....X..g.g..X..g", hat="xoxoxoxoxoxoxoxo"),
        _beat("", kick="X.x...x...x..x..", snare="....X..g....X..g", hat="x.x.x.x.x.x.x.xo", open="..............x."),
        _beat("breakbeat", kick="X.X.......XX....", snare="....X..g.g..X..g", hat="x.x.x.x.x.x.x.x."),
        _beat("", kick="X.....x..x....x.", snare="....X..g.g..X.g.", hat="xoxoxxxoxoxoxxxo", tamb="....x.......x...", conga="..x..x....x..xx."),
    ),
    "soul": (
        _beat("", kick="X.....x.X.......", snare=BACK, hat="x.x.x.x.x.x.x.x.", tamb=BACK),
        _beat("", kick="X.......x.x.....", snare=BACK, hat="xoxoxoxoxoxoxoxo"),
        _beat("", kick="X.x.....X.x.....", snare="....X......gX...", ride="x.x.x.x.x.x.x.x.", tamb="x.x.x.x.x.x.x.x."),
        _beat("", kick="X..o..x...x.....", rim=BACK, hat="x.o.x.o.x.o.x.o."),
    ),
    "disco": (
        _beat("four on the floor", kick=FOUR, snare=BACK, open="..x...x...x...x.", hat="x...x...x...x..."),
        _beat("four on the floor", kick=FOUR, snare=BACK, hat="xoxoxoxoxoxoxoxo", open="..............x.", tamb="..x...x...x...x."),
        _beat("four on the floor", kick=FOUR, clap=BACK, snare=BACK, open="..x...x...x...x.", conga="x..x..x.x..x..xx", cowbell="x...x...x...x..."),
    ),
    "rock": (
        _beat("", kick="X.......X.x.....", snare=BACK, hat="x.x.x.x.x.x.x.x."),
        _beat("", kick="X.....x.X.......X.....x.x.x.....", snare=BACK, hat="X.o.X.o.X.o.X.o.", crash="X..............................."),
        _beat("", kick="X.x.......x.....", snare=BACK, ride="x.x.x.x.x.x.x.x.", crash="X..............................."),
        _beat("", kick="X.......X.......", snare=BACK, open="x...x...x...x..."),
    ),
    "metal": (
        _beat("", kick="XxXxXxXxXxXxXxXx", snare=BACK, crash="o...o...o...o..."),
        _beat("", kick="X.X.X.X.X.X.X.X.", snare="..X...X...X...X.", ride="x.x.x.x.x.x.x.x."),
        _beat("", kick="X..xx.X.X..xx.XX", snare=BACK, crash="x.......o......."),
        _beat("halftime", kick="XxXx..XxXxXx..Xx", snare="........X.......", crash="X...x...X...x..."),
    ),
    "pop": (
        _beat("", kick="X.......X.......", snare=BACK, hat="x.x.x.x.x.x.x.x."),
        _beat("", kick="X..x..x...x.....", clap=BACK, hat="x.x.x.x.x.x.x.x.", shaker="oooooooooooooooo"),
        _beat("four on the floor", kick=FOUR, clap=BACK, snare=BACK, hat="..x...x...x...x."),
        _beat("", kick="X.....x.X.....x.", snare=BACK, clap=BACK, hat="xoxoxoxoxoxoxoxo", tamb="..x...x...x...x."),
    ),
    "reggae": (
        _beat("", kick="........X.......", rim="........X.......", hat="x.o.x.o.x.o.x.o."),
        _beat("", kick="........X.......", snare="........X.....g.", hat="x.x.x.x.x.x.x.xo", open="..............x."),
        _beat("four on the floor", kick=FOUR, rim="........X..o....", hat="..x...x...x...x."),
    ),
    "dub": (
        _beat("four on the floor", kick=FOUR, rim="........X.....o.", hat="..x.o.x...x.o.x."),
        _beat("", kick="........X.......", snare="........X.......", hat="x.o.x.oox.o.x.o.", tom2="..............x...............xx"),
        _beat("", kick="X.......X.......", rim="....x..o....x...", hat="..x...x...x...x.", timbale="...............................x"),
    ),
    "bossa nova": (
        _beat("", kick="x..xx..xx..xx..x", rim="x..x..x...x..x..x..x..x...x..x..", hat="xoxoxoxoxoxoxoxo"),
        _beat("", kick="x..ox..ox..ox..o", rim="x..x..x...x...x.", shaker="xoxoxoxoxoxoxoxo"),
        _beat("", kick="x..xx..xx..xx..x", rim="..x..x..x.x...x...x..x..x..x..x.", cabasa="xooxxooxxooxxoox"),
    ),
    "salsa": (
        _beat("percussion", clave="X..X..X.....X.X.....X.X...X..X..", conga="..x...xx..x...xx", conga2="......................x.........", cowbell="X.x.X.x.X.x.X.x.", kick="...x..x....x..x."),
        _beat("percussion", clave="....X.X...X..X..X..X..X.....X.X.", conga="..x...xx..x...xx", guiro="X..xX..xX..xX..x", bongo="x.o.x.o.x.o.x.o.", kick="...x..x....x..x."),
        _beat("percussion", timbale="x.o.xoo.xo.ox.o.", timbale2="..........x...............x...xx", cowbell="X.xxX.x.x.xxX.x.", conga="..x...xx..x...xx"),
    ),
    "classical": (
        _beat("", tom3="X...............X.......x.......", crash="o..............................."),
        _beat("", snare2="x..gx.x.x..gx.xx", kick="x.......x......."),
    ),
    "folk": (
        _beat("", kick="x.......x.......", tamb="....x.......x..."),
        _beat("", kick="x.......x.......", rim="....o..g....o..g", shaker="x.o.x.o.x.o.x.o."),
        _beat("", bongo="x..gx.x.x..gx.x.", tamb="....x.......x..."),
    ),
    "country": (
        _beat("", kick="X.......X.......", snare="goxogoxogoxogoxo"),
        _beat("", kick="X.......X.......", snare=BACK, hat="x.o.x.o.x.o.x.o."),
        _beat("", kick="x...x...x...x...", snare="..x...x...x...x."),
    ),
    "synthwave": (
        _beat("four on the floor", kick=FOUR, snare=BACK, hat="x.x.x.x.x.x.x.x."),
        _beat("", kick="X.......X.......", snare=BACK, hat="xoxoxoxoxoxoxoxo", clap=BACK),
        _beat("", kick="X.....x.X.......", snare=BACK, hat="x.x.x.x.x.x.x.x.", tom1="............................xx..", tom3="..............................xx"),
    ),
    "afrobeat": (
        _beat("percussion", kick="x..x..x...x..x..", snare="..g...g...x...g.", hat="x.xxx.xxx.xxx.xx", shaker="xoxoxoxoxoxoxoxo", agogo="x..x...x..x.x...", conga="..x..x..x..x..xx"),
        _beat("percussion", kick="X.....x.X.....x.", rim="...x..x....x..x.", shaker="xooxxooxxooxxoox", conga="x..x..xxx..x..xx"),
        _beat("percussion", kick="X...X...X...X...", rim="x..x..x...x.x...", shaker="oxooxxooxooxxoox", agogo="x...x.x...x.x...", agogo2="..x.....x....x.."),
    ),
}  # fmt: skip
