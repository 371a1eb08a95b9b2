"""Genres: tempo, harmony, instruments and playing habits of each genre word, as one table."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Style:
    """The habits of one genre.

    ``swing8`` and ``swing16`` are where the second of two eighths (sixteenths) falls, 0.5 straight to 0.67 triplet.
    ``human_ms`` is the standard deviation of the players' timing. ``major`` and ``minor`` are progressions as in
    ``theory.harmony``; ``minor_share`` how often minor is taken. ``basslines``, ``comping`` and ``melodies`` name entries
    of the pattern tables. ``present`` is how often drums, bass, comp and lead play.
    """

    bpm: tuple[int, int]
    minor_share: float
    major: tuple[str, ...]
    minor: tuple[str, ...]
    lead: tuple[str, ...]
    comp: tuple[str, ...]
    bass: tuple[str, ...]
    kits: tuple[str, ...]
    basslines: tuple[str, ...]
    comping: tuple[str, ...]
    melodies: tuple[str, ...]
    present: tuple[float, float, float, float] = (0.93, 0.92, 0.9, 0.78)
    density: float = 0.5
    energy: float = 0.5
    swing8: float = 0.5
    swing16: float = 0.5
    human_ms: float = 3.0
    push: float = 0.0
    liked: tuple[str, ...] = ()
    disliked: tuple[str, ...] = ()


POP_MAJOR = (
    "C G Am F",
    "C Am F G",
    "F C G Am",
    "C F Am G",
    "C Em F G",
    "Am F C G",
    "C F",
    "C Dm F G",
    "F G C Am",
    "Fmaj7 G Am C",
)
POP_MINOR = (
    "Am F C G",
    "Am G F G",
    "Am C G F",
    "Am Dm F G",
    "Am Em F G",
    "Am F",
    "Am G",
    "F G Am Am",
    "Am Em Dm F",
    "Am F Dm G",
)
MODAL_MINOR = ("D|Dm7 G7", "D|Dm9", "Am7 Dm7", "Am9", "D|Dm7 Em7", "D|Dm9 Cmaj7", "E|Em7 Fmaj7")
JAZZ_MAJOR = (
    "Dm7 G7 Cmaj7 Am7",
    "Cmaj7 Am7 Dm7 G7",
    "Dm9 G13 Cmaj9",
    "Cmaj9 Fmaj9 Em7 Am7",
    "Fmaj7 Em7 Dm7 Cmaj7",
    "Em7 A7 Dm7 G7",
    "Cmaj7 Dm7",
)
JAZZ_MINOR = (
    "Bm7b5 E7 Am7",
    "Am7 Dm7 Bm7b5 E7",
    "D|Dm7",
    "Am6 Dm9 G13 Cmaj7",
    "Am9 Fmaj7 Bm7b5 E7",
    "D|Dm9 Em7",
    "Am7 Fmaj9",
)
SOUL_MAJOR = (
    "Cmaj7 Am7",
    "Cmaj9 Fmaj9",
    "Fmaj7 Em7 Dm7 Cmaj7",
    "C Am7 Dm7 G7sus4",
    "Cmaj7 Em7 Fmaj7 G7sus4",
    "F|Fmaj9 G",
)
SOUL_MINOR = (
    "Am9 Fmaj7",
    "Am7 Em7 Fmaj7 G",
    "D|Dm9 Am7",
    "Dm9 Em7 Am9",
    "Am7 Cmaj7 Dm7 Em7",
    "Am9 Dm9",
    "Fmaj7 Em7 Am9",
)
FOLK_MAJOR = ("C F C G", "C G Am F", "C G F C", "C Am F C", "G|G F C G", "C F G C", "C Dm C G")
FOLK_MINOR = ("Am G Am Em", "D|Dm C Dm Am", "Am C G Am", "Am G F Am", "Am Em", "D|Dm C")

GENRES: dict[str, Style] = {
    "ambient": Style(
        (60, 95), 0.5, ("Cmaj9 Fmaj9", "Cadd9", "F|Fmaj9", "Csus2 Fmaj7", "Cmaj7 Em7"), ("Am9 Fmaj9", "Am9", "D|Dm9 Am7", "Amadd9 Fmaj7", "Am7 Em7"),
        ("bells", "flute", "pan flute", "voice", "music box", "piano", "sitar", "kalimba", "whistle"),
        ("pad", "choir", "strings", "pad", "harp", "electric piano", "synth strings", "pad", "vibraphone"),
        ("sub bass", "fretless bass", "synth bass"), ("electronic drums", "brush drums"),
        ("drone", "whole"), ("pad", "pad", "pad", "slow arp"), ("sparse", "sparse", "long", "song"),
        (0.2, 0.55, 0.97, 0.6), density=0.2, energy=0.25, human_ms=8.0, liked=("dreamy", "spacious", "calm"),
        disliked=("aggressive", "driving", "punchy", "staccato", "pumping", "distorted")),
    "house": Style(
        (118, 128), 0.65, SOUL_MAJOR, SOUL_MINOR,
        ("electric piano", "saw lead", "synth pluck", "saxophone", "voice", "square lead", "vibraphone"),
        ("electric piano", "organ", "piano", "synth chords", "synth chords", "pad", "synth strings"),
        ("synth bass", "synth bass", "sub bass", "electric bass"), ("electronic drums", "electronic drums", "808 drums"),
        ("offbeat", "house", "house2", "octaves"), ("house stab", "house stab", "offbeat", "pad", "push stab"), ("hook", "riff", "hook"),
        density=0.55, energy=0.65, swing16=0.53, human_ms=1.5, push=0.25, liked=("warm", "pumping", "filtered")),
    "techno": Style(
        (125, 140), 0.9, ("C", "G|G F"), ("Am", "E|Em F", "D|Dm", "Am Am Am F", "E|Em", "Am Dm"),
        ("saw lead", "square lead", "synth pluck", "bells"), ("synth chords", "synth chords", "pad", "synth brass", "synth pluck"),
        ("synth bass", "acid bass", "sub bass", "acid bass"), ("electronic drums", "808 drums"),
        ("techno", "rolling", "acid", "offbeat"), ("techno stab", "techno stab", "offbeat", "arp16", "pad"), ("riff", "arp", "riff"),
        (0.97, 0.93, 0.75, 0.55), density=0.5, energy=0.8, human_ms=0.8, liked=("hypnotic", "dark", "driving")),
    "trance": Style(
        (132, 142), 0.8, POP_MAJOR[:4], ("Am F C G", "F G Am Am", "Am F G Em", "Am Em F G", "Am G F G"),
        ("saw lead", "saw lead", "synth pluck", "square lead", "voice"), ("synth chords", "pad", "synth strings", "synth pluck", "choir"),
        ("synth bass", "synth bass", "acid bass"), ("electronic drums",),
        ("offbeat", "rolling", "gallop"), ("arp16", "gate", "pad", "gate"), ("arp", "hook", "anthem"),
        density=0.75, energy=0.85, human_ms=0.8, liked=("arpeggio", "pumping", "bright", "driving")),
    "drum and bass": Style(
        (165, 178), 0.8, SOUL_MAJOR, ("Am9 Fmaj7", "Am F", "Am9", "D|Dm9 Am7", "Am7 Em7 Fmaj7 G"),
        ("saw lead", "synth pluck", "voice", "electric piano", "flute", "square lead"), ("pad", "pad", "electric piano", "synth strings", "synth chords", "strings"),
        ("sub bass", "sub bass", "synth bass", "acid bass"), ("acoustic drums", "electronic drums"),
        ("reese", "dnb", "dnb2", "whole"), ("pad", "pad", "push stab", "offbeat"), ("sparse", "hook", "riff"),
        (0.98, 0.95, 0.85, 0.6), density=0.5, energy=0.8, human_ms=1.5, liked=("driving", "dark")),
    "dubstep": Style(
        (138, 144), 0.95, ("C F",), ("Am", "Am F", "E|Em F", "Am Am F G", "D|Dm"),
        ("saw lead", "square lead", "voice", "bells", "saw lead"), ("synth chords", "pad", "synth brass", "choir", "synth strings"),
        ("acid bass", "sub bass", "synth bass", "acid bass"), ("electronic drums", "808 drums"),
        ("wobble", "wobble2", "reese"), ("pad", "half stab", "half stab"), ("sparse", "riff", "arp"),
        (0.97, 0.97, 0.8, 0.6), density=0.45, energy=0.85, human_ms=1.0, liked=("aggressive", "dark", "distorted")),
    "hip hop": Style(
        (82, 98), 0.7, SOUL_MAJOR, SOUL_MINOR + ("Am", "Am F"),
        ("flute", "trumpet", "electric piano", "vibraphone", "saxophone", "voice", "pizzicato"), ("electric piano", "piano", "strings", "electric guitar", "brass", "organ"),
        ("electric bass", "upright bass", "sub bass", "synth bass"), ("acoustic drums", "acoustic drums", "808 drums"),
        ("boom", "boom2", "whole"), ("lazy stab", "loop chops", "pad", "eighths"), ("riff", "sparse", "hook"),
        (0.97, 0.93, 0.9, 0.6), density=0.45, energy=0.5, swing16=0.6, human_ms=7.0, liked=("lo-fi", "warm", "hypnotic")),
    "trap": Style(
        (132, 156), 0.95, ("C F",), ("Am", "Am F", "E|Em F", "Am Dm", "Am F E7 E7"),
        ("bells", "flute", "synth pluck", "music box", "square lead", "piano", "glockenspiel"), ("pad", "piano", "choir", "strings", "synth brass", "music box"),
        ("sub bass", "sub bass", "synth bass"), ("808 drums",),
        ("808", "8082", "8083"), ("pad", "slow arp", "quarters", "half stab"), ("sparse", "riff", "arp", "riff"),
        (0.97, 0.96, 0.8, 0.75), density=0.5, energy=0.65, human_ms=1.0, liked=("dark", "sparse")),
    "jazz": Style(
        (100, 178), 0.45, JAZZ_MAJOR, JAZZ_MINOR,
        ("saxophone", "trumpet", "piano", "clarinet", "vibraphone", "electric guitar", "trombone", "flute"), ("piano", "piano", "electric guitar", "vibraphone", "organ"),
        ("upright bass", "upright bass", "upright bass", "fretless bass"), ("brush drums", "brush drums", "acoustic drums"),
        ("walking", "walking", "two feel"), ("charleston", "jazz comp", "jazz comp2", "freddie"), ("bebop", "bebop", "call", "long"),
        (0.88, 0.93, 0.85, 0.85), density=0.6, energy=0.45, swing8=0.64, human_ms=8.0, liked=("soft", "warm", "dry"),
        disliked=("pumping",)),
    "blues": Style(
        (70, 125), 0.35, ("G|G7 C7", "G|G7", "G|G7 C9 G7 Dm7", "G|G7 C7 G7 G7"), ("Am7 Dm7", "Am7 Dm7 Am7 Em7", "Am7", "Am7 E7 Am7 Am7"),
        ("harmonica", "electric guitar", "harmonica", "saxophone", "piano", "distorted guitar", "organ"), ("electric guitar", "piano", "organ", "acoustic guitar", "muted guitar"),
        ("electric bass", "upright bass", "electric bass"), ("acoustic drums", "acoustic drums", "brush drums"),
        ("boogie", "shuffle walk", "two feel"), ("shuffle chug", "charleston", "shuffle chug", "turn stab"), ("blues", "blues", "call"),
        density=0.5, energy=0.5, swing8=0.66, human_ms=9.0, liked=("warm", "soft", "sad"), disliked=("pumping",)),
    "funk": Style(
        (96, 116), 0.55, ("G|G9", "G|G7 F", "G|G7 C9", "G|G9 C9"), MODAL_MINOR,
        ("saxophone", "trumpet", "clavinet", "synth brass", "saw lead", "electric guitar", "organ"), ("clavinet", "muted guitar", "electric guitar", "brass", "organ", "electric piano"),
        ("slap bass", "slap bass", "electric bass", "synth bass"), ("acoustic drums",),
        ("funk", "funk2", "funk3"), ("funk scratch", "funk scratch2", "horn stab", "funk clav"), ("riff", "call", "blues"),
        density=0.7, energy=0.7, swing16=0.54, human_ms=5.0, push=0.2, liked=("syncopated", "punchy", "staccato")),
    "soul": Style(
        (68, 104), 0.4, SOUL_MAJOR, SOUL_MINOR,
        ("saxophone", "voice", "trumpet", "electric guitar", "flute", "electric piano"), ("electric piano", "organ", "strings", "brass", "piano", "electric guitar"),
        ("electric bass", "electric bass", "fretless bass"), ("acoustic drums", "acoustic drums", "brush drums"),
        ("soul", "soul2", "boom"), ("eighths", "soul comp", "pad", "arp8"), ("song", "call", "long"),
        density=0.5, energy=0.45, swing16=0.55, human_ms=7.0, liked=("warm", "soft", "legato")),
    "disco": Style(
        (112, 126), 0.6, SOUL_MAJOR + ("C F",), ("Am7 Dm7", "Am Dm G C", "Am F G Am", "Am9 Dm9", "D|Dm7 G7"),
        ("strings", "brass", "voice", "saw lead", "flute", "trumpet", "synth brass"), ("strings", "muted guitar", "electric guitar", "electric piano", "synth strings", "piano"),
        ("electric bass", "electric bass", "slap bass", "synth bass"), ("acoustic drums", "electronic drums"),
        ("octaves", "octaves", "disco"), ("funk scratch", "offbeat", "disco strings", "push stab"), ("hook", "anthem", "riff"),
        density=0.7, energy=0.7, human_ms=3.0, liked=("bright", "happy", "driving")),
    "rock": Style(
        (104, 148), 0.45, ("C5 F5 G5 F5", "C F G F", "G|G5 F5 C5 G5", "C5 A5 F5 G5", "C G Am F"), ("A5 F5 C5 G5", "A5 G5 F5 G5", "A5 C5 D5 F5", "A5 G5", "E|E5 G5 A5 G5"),
        ("distorted guitar", "distorted guitar", "electric guitar", "organ", "harmonica", "voice"), ("distorted guitar", "electric guitar", "distorted guitar", "organ", "piano"),
        ("electric bass",), ("acoustic drums",),
        ("eighths", "rock", "eighths"), ("power eighths", "power riff", "strum", "power hold"), ("blues", "anthem", "riff"),
        (0.95, 0.93, 0.95, 0.65), density=0.6, energy=0.8, human_ms=5.0, push=0.2, liked=("driving", "aggressive", "distorted")),
    "metal": Style(
        (130, 176), 0.97, ("C5 G5 A5 F5",), ("A5 F5", "E|E5 F5", "A5 A5 F5 G5", "E|E5 F5 E5 G5", "A5 E5 F5 E5", "D|D5 F5 C5 D5"),
        ("distorted guitar", "distorted guitar", "violin", "choir"), ("distorted guitar", "distorted guitar", "distorted guitar", "choir", "strings"),
        ("electric bass", "electric bass"), ("acoustic drums",),
        ("sixteenths", "gallop", "eighths"), ("gallop chug", "chug16", "power riff"), ("arp", "riff", "anthem"),
        (0.97, 0.95, 0.97, 0.5), density=0.85, energy=0.97, human_ms=3.0, liked=("aggressive", "dark", "driving"),
        disliked=("calm", "soft", "happy", "dreamy")),
    "pop": Style(
        (90, 124), 0.35, POP_MAJOR, POP_MINOR,
        ("voice", "piano", "saw lead", "synth pluck", "electric guitar", "glockenspiel", "whistle"), ("piano", "acoustic guitar", "electric piano", "synth chords", "strings", "pad", "electric guitar"),
        ("electric bass", "synth bass", "electric bass"), ("acoustic drums", "electronic drums"),
        ("eighths", "rock", "boom", "octaves"), ("eighths", "pop push", "strum", "pad", "arp8"), ("hook", "anthem", "song"),
        density=0.55, energy=0.6, human_ms=4.0, push=0.3, liked=("happy", "bright")),
    "reggae": Style(
        (70, 92), 0.4, ("C F", "C Am F G", "C G", "G|G F C G", "C F G F"), ("Am Dm", "Am G", "Am Em", "Am Dm Em Am"),
        ("organ", "trumpet", "trombone", "saxophone", "harmonica", "steel drums"), ("electric guitar", "organ", "muted guitar", "piano", "clavinet"),
        ("electric bass", "electric bass", "sub bass"), ("acoustic drums",),
        ("reggae", "reggae2", "reggae3"), ("skank", "skank", "bubble"), ("riff", "sparse", "song"),
        density=0.5, energy=0.45, swing16=0.57, human_ms=5.0, liked=("warm", "syncopated", "happy")),
    "dub": Style(
        (66, 80), 0.85, ("C F",), ("Am", "Am G", "Am Dm", "D|Dm C", "Am Em"),
        ("harmonica", "trombone", "flute", "sitar", "square lead"), ("organ", "electric guitar", "synth chords", "pad", "piano"),
        ("sub bass", "sub bass", "electric bass"), ("acoustic drums", "electronic drums"),
        ("reggae3", "dub", "dub2"), ("dub stab", "skank", "dub stab"), ("sparse", "sparse", "riff"),
        (0.95, 0.97, 0.85, 0.5), density=0.3, energy=0.45, swing16=0.55, human_ms=4.0, liked=("echo", "spacious", "dark", "hypnotic"),
        disliked=("bright",)),
    "bossa nova": Style(
        (112, 140), 0.5, JAZZ_MAJOR, JAZZ_MINOR,
        ("flute", "saxophone", "piano", "clarinet", "acoustic guitar", "voice", "whistle"), ("acoustic guitar", "acoustic guitar", "acoustic guitar", "electric piano", "piano"),
        ("upright bass", "upright bass", "fretless bass"), ("brush drums", "acoustic drums"),
        ("bossa", "bossa2"), ("bossa", "bossa2"), ("song", "long", "call"),
        density=0.5, energy=0.4, human_ms=7.0, liked=("soft", "calm", "warm"), disliked=("aggressive", "pumping")),
    "salsa": Style(
        (88, 108), 0.6, ("C F G F", "C Am Dm G", "G|G C", "C7 F G F"), ("Am Dm E7 Dm", "Am G F E7", "Am Dm", "D|Dm G"),
        ("trumpet", "trombone", "brass", "flute", "violin", "piano"), ("piano", "piano", "piano", "marimba", "vibraphone"),
        ("upright bass", "electric bass"), ("acoustic drums",),
        ("tumbao", "tumbao2"), ("montuno", "montuno2"), ("call", "riff", "anthem"),
        density=0.75, energy=0.7, human_ms=5.0, liked=("driving", "syncopated", "happy"), disliked=("pumping", "sparse")),
    "classical": Style(
        (72, 132), 0.5, ("C G C F", "C F G C", "C Am Dm G", "C G Am Em", "F C Dm G"), ("Am E7 Am Dm", "Am Dm E7 Am", "Am G F E7", "Am F C G", "Am Dm G C"),
        ("violin", "oboe", "flute", "cello", "clarinet", "harpsichord", "trumpet", "piano"), ("strings", "pizzicato", "harp", "harpsichord", "piano", "strings", "choir"),
        ("upright bass", "tuba", "upright bass"), ("acoustic drums",),
        ("two feel", "whole", "quarters"), ("alberti", "block quarters", "pad", "arp8"), ("song", "song", "arp", "long"),
        (0.1, 0.65, 0.92, 0.9), density=0.6, energy=0.45, human_ms=10.0, liked=("legato", "sad", "bright", "staccato"),
        disliked=("pumping", "filtered")),
    "folk": Style(
        (82, 124), 0.4, FOLK_MAJOR, FOLK_MINOR,
        ("violin", "flute", "whistle", "accordion", "harmonica", "acoustic guitar", "banjo", "oboe"), ("acoustic guitar", "acoustic guitar", "harp", "accordion", "banjo"),
        ("upright bass", "upright bass"), ("brush drums", "acoustic drums"),
        ("two feel", "quarters", "whole"), ("picking", "strum", "picking2", "strum2"), ("jig", "song", "song"),
        (0.4, 0.65, 0.95, 0.85), density=0.55, energy=0.45, human_ms=9.0, liked=("dry", "happy", "sad", "warm"),
        disliked=("pumping", "filtered")),
    "country": Style(
        (96, 136), 0.15, FOLK_MAJOR, FOLK_MINOR,
        ("banjo", "violin", "harmonica", "electric guitar", "acoustic guitar", "accordion"), ("acoustic guitar", "banjo", "acoustic guitar", "electric guitar", "piano"),
        ("upright bass", "electric bass", "upright bass"), ("acoustic drums", "brush drums"),
        ("two feel", "two feel", "country"), ("boom chick", "strum", "boom chick", "picking"), ("jig", "song", "banjo roll"),
        density=0.6, energy=0.6, human_ms=6.0, swing16=0.52, liked=("happy", "bright", "dry"), disliked=("pumping",)),
    "synthwave": Style(
        (80, 118), 0.75, POP_MAJOR, POP_MINOR,
        ("saw lead", "square lead", "synth brass", "saw lead", "bells", "synth pluck"), ("synth strings", "synth brass", "pad", "synth chords", "synth pluck"),
        ("synth bass", "synth bass", "acid bass"), ("electronic drums", "808 drums"),
        ("sixteenths", "octaves16", "eighths"), ("pad", "arp16", "gate", "pad"), ("anthem", "long", "arp"),
        density=0.6, energy=0.65, human_ms=1.0, liked=("arpeggio", "spacious", "dreamy", "pumping")),
    "afrobeat": Style(
        (98, 122), 0.6, ("C F", "G|G F", "C F G F", "C Am F G"), MODAL_MINOR,
        ("saxophone", "trumpet", "marimba", "kalimba", "organ", "steel drums", "electric guitar"), ("electric guitar", "muted guitar", "marimba", "kalimba", "brass", "organ"),
        ("electric bass", "electric bass", "sub bass"), ("acoustic drums",),
        ("afro", "afro2"), ("afro guitar", "afro guitar2", "horn stab"), ("riff", "call", "riff"),
        density=0.7, energy=0.65, human_ms=5.0, liked=("hypnotic", "syncopated", "happy", "driving")),
}  # fmt: skip
