"""Instruments: for each instrument word, which General MIDI programs play it and how they like to be played."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Instrument:
    """How one instrument word sounds.

    ``programs`` are General MIDI program numbers, first the usual one. ``lead``, ``comp``, ``bass`` are the MIDI pitch
    around which it plays each part, 0 where it does not play it. ``decays`` marks plucked and struck sounds, whose long
    notes die away.
    """

    programs: tuple[int, ...]
    lead: int = 0
    comp: int = 0
    bass: int = 0
    decays: bool = False


INSTRUMENTS: dict[str, Instrument] = {
    "piano": Instrument((0, 1), lead=72, comp=60, decays=True),
    "electric piano": Instrument((4, 5), lead=72, comp=60, decays=True),
    "organ": Instrument((16, 17, 18), lead=72, comp=62),
    "accordion": Instrument((21, 23), lead=73, comp=62),
    "harmonica": Instrument((22,), lead=74),
    "melodica": Instrument((22, 21), lead=72),
    "harpsichord": Instrument((6,), lead=72, comp=62, decays=True),
    "clavinet": Instrument((7,), lead=65, comp=58, decays=True),
    "music box": Instrument((10, 8), lead=82, comp=76, decays=True),
    "bells": Instrument((14, 98), lead=74, comp=67, decays=True),
    "glockenspiel": Instrument((9,), lead=84, decays=True),
    "vibraphone": Instrument((11,), lead=74, comp=65, decays=True),
    "marimba": Instrument((12, 13), lead=72, comp=62, decays=True),
    "steel drums": Instrument((114,), lead=72, decays=True),
    "kalimba": Instrument((108,), lead=74, comp=67, decays=True),
    "acoustic guitar": Instrument((24, 25), lead=67, comp=57, decays=True),
    "electric guitar": Instrument((27, 26), lead=68, comp=58, decays=True),
    "muted guitar": Instrument((28,), comp=57, decays=True),
    "distorted guitar": Instrument((30, 29), lead=69, comp=50),
    "banjo": Instrument((105,), lead=70, comp=62, decays=True),
    "sitar": Instrument((104,), lead=65, decays=True),
    "harp": Instrument((46,), lead=72, comp=64, decays=True),
    "violin": Instrument((40, 110), lead=76),
    "cello": Instrument((42,), lead=57),
    "strings": Instrument((48, 49), lead=74, comp=62),
    "pizzicato": Instrument((45,), lead=69, comp=62, decays=True),
    "choir": Instrument((52,), lead=69, comp=62),
    "voice": Instrument((53, 85), lead=70),
    "trumpet": Instrument((56, 59), lead=71),
    "trombone": Instrument((57, 60), lead=60),
    "saxophone": Instrument((65, 66, 64), lead=67),
    "clarinet": Instrument((71,), lead=70),
    "oboe": Instrument((68, 69), lead=74),
    "flute": Instrument((73, 74), lead=79),
    "pan flute": Instrument((75, 77), lead=76),
    "whistle": Instrument((78, 79), lead=81),
    "brass": Instrument((61,), lead=67, comp=62),
    "synth brass": Instrument((62, 63), lead=69, comp=60),
    "saw lead": Instrument((81, 86), lead=72),
    "square lead": Instrument((80,), lead=72),
    "synth pluck": Instrument((90, 99), lead=74, comp=67, decays=True),
    "pad": Instrument((89, 94, 95, 91), comp=62),
    "synth strings": Instrument((50, 51), comp=64),
    "synth chords": Instrument((81, 90, 62), comp=62),
    "synth bass": Instrument((38, 39), bass=40),
    "sub bass": Instrument((39, 89), bass=35),
    "acid bass": Instrument((87, 81), bass=43),
    "electric bass": Instrument((33, 34), bass=38),
    "upright bass": Instrument((32,), bass=40),
    "slap bass": Instrument((36, 37), bass=39),
    "fretless bass": Instrument((35,), bass=40),
    "tuba": Instrument((58,), bass=39),
}

# Kits: (bank 128) programs.
KITS: dict[str, tuple[int, ...]] = {
    "acoustic drums": (0, 8, 16),
    "electronic drums": (24,),
    "808 drums": (25,),
    "brush drums": (40, 32),
}

# Who sounds dark or bright by nature: moods lean on these when they choose among a genre's instruments.
DARK_BY_NATURE = frozenset(
    {"cello", "pad", "choir", "trombone", "distorted guitar", "clarinet", "synth strings", "organ", "synth brass"}
)
BRIGHT_BY_NATURE = frozenset(
    {"glockenspiel", "music box", "bells", "saw lead", "synth pluck", "trumpet", "whistle", "flute", "harpsichord"}
)


def words_for(part: str) -> tuple[str, ...]:
    """The instrument words that can play ``lead``, ``comp`` or ``bass``, in a fixed order."""
    return tuple(word for word, instrument in INSTRUMENTS.items() if getattr(instrument, part))
