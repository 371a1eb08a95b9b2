"""The parameters of a session: what a performer can control. OSC, MIDI, presets and docs follow this table.

Pure: no I/O and no clock.
"""

from __future__ import annotations

from collections.abc import Sequence

from riffengine.errors import ParameterError
from riffengine.performance import chords, takes, walk_form
from riffengine.performance.gain import LOUDEST_DB, SILENT_DB
from riffengine.performance.insert_parameters import places, plugin_row
from riffengine.performance.parameter_tree import ControlClass, Parameter, ParameterTree
from riffengine.performance.prompt_lists import MOST_BANKS, MOST_PROMPTS
from riffengine.processes.audio import SENDS
from riffengine.processes.parameter_path import NAME_PATTERN, ParameterPath, parse_path
from riffengine.processes.render_request import DEFAULT_LOOP_BEATS, RENDER_CONTROLS
from riffengine.transport.sync.source import FASTEST_HEARD_BPM, SLOWEST_HEARD_BPM

QUANTUM_CHOICES = ("off", "beat", "bar", "2bars", "4bars", "loop")
QUANTUM_FOLLOWS = "follow"  # of the quantum of one parameter: that of all
QUANTUM_OF = {
    "prompt": "prompt",
    "to": "to",
    "negative": "negative",
    "seed": "seed (and next)",
    "to_seed": "to_seed",
    "guidance": "guidance",
    "strength": "strength",
    "init": "init",
    **{control.name: control.name for control in RENDER_CONTROLS},
    "chords": "chords",
    "takes": "takes (and again, memory, tension, walk)",
    "key": "key",
    "tempo": "tempo",
}
"""The parameters that have a quantum of their own, ``transport/quantum_<name>``, and what stands in its help."""
SIDE_CHOICES = ("left", "right", "thru")  # in the order of the mixer's numbers
SYNC_CHOICES = ("internal", "midi", "link", "daw")
KEY_CHOICES = (
    "",
    *(
        f"{tonic} {mode}"
        for mode in ("major", "minor")
        for tonic in ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
    ),
)
_ENHARMONIC = {"Db": "C#", "D#": "Eb", "Gb": "F#", "G#": "Ab", "A#": "Bb", "Cb": "B", "E#": "F", "Fb": "E", "B#": "C"}
KEY_ALIASES = tuple(
    (f"{spelled}{ending}", f"{tonic} {mode}")
    for tonic in ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
    for spelled in (tonic, *(other for other, same in _ENHARMONIC.items() if same == tonic))
    for mode, endings in (("major", ("", "maj", " maj", " major")), ("minor", ("m", "min", " min", " m", " minor")))
    for ending in endings
)
"""Keys as musicians write them: Am, Bbm, A# minor, Db major, F#min, D."""
MOST_BARS = 16  # of the sound input at once
MAX_SEED = 2**31 - 1  # the largest integer that an OSC `i` carries, so every surface can send every seed


def standard_tree(
    decks: Sequence[str] = ("a",),
    stems: Sequence[str] = ("mix",),
    cue: bool = False,
    loop_beats: int = DEFAULT_LOOP_BEATS,
    sound_input: bool = False,
) -> ParameterTree:
    """The tree of a session with these decks, on a model with these stems, with or without a cue bus and an input."""
    for name in (*decks, *stems):
        if not NAME_PATTERN.fullmatch(name):
            raise ParameterError(f"{name!r} cannot name a deck or a stem; use lower-case letters, digits, - and _")
    rows = [*_session_rows(), *(_cue_rows(decks) if cue else ()), *(_input_rows(decks) if sound_input else ())]
    for number, deck in enumerate(decks):
        side = SIDE_CHOICES[min(number, 2) if len(decks) > 1 else 2]
        rows += _deck_rows(f"deck/{deck}", stems, side, loop_beats)
    rows += [plugin_row(place, 1) for place in places(decks, stems)]
    return ParameterTree(rows)


def _session_rows() -> list[Parameter]:
    now, later = ControlClass.IMMEDIATE, ControlClass.QUANTISED
    return [
        Parameter(
            "transport/tempo",
            "float",
            120.0,
            later,
            "Tempo; the pitch does not change",
            60,
            180,
            "bpm",
            multiples=(SLOWEST_HEARD_BPM, FASTEST_HEARD_BPM),
        ),
        Parameter("transport/quantum", "choice", "bar", now, "Grid on which changes land", choices=QUANTUM_CHOICES),
        *_quantum_rows(),
        *_sync_rows(),
        Parameter(
            "key",
            "choice",
            "",
            later,
            'Key of the set; "" is C major or A minor',
            choices=KEY_CHOICES,
            aliases=KEY_ALIASES,
        ),
        Parameter(
            "chords",
            "str",
            "",
            later,
            'Chords that every deck follows; with "" the model chooses',
            form=chords.CHORDS,
        ),
        Parameter("steps", "int", 8, later, "Denoising steps of a finished loop", 1, 50),
        Parameter("draft_steps", "int", 4, later, "Denoising steps of an urgent loop", 1, 16),
        Parameter(
            "master/gain", "float", 0.0, now, "Level of everything, before the limiter", SILENT_DB, LOUDEST_DB, "dB"
        ),
        Parameter(
            "crossfader", "float", 0.0, now, "0 plays the decks on the left side, 1 those on the right side", 0, 1
        ),
        *_record_rows(),
        Parameter("panic", "trigger", False, now, "Silence at once; the beat continues"),
        Parameter("next", "trigger", False, later, "Go to the next seed on every deck"),
        Parameter("learn", "str", "", now, 'Parameter that the next MIDI control to move is assigned to; "" cancels'),
        Parameter("undo", "trigger", False, later, "Undo the last change; a change that has not landed is cancelled"),
        Parameter("redo", "trigger", False, later, "Repeat the change that was undone last"),
        Parameter("scene/recall", "str", "", later, "Go to a scene, by its name or its number in the setlist"),
        Parameter("scene/store", "str", "", now, "Store the current values as a scene with this name"),
        Parameter("scene/next", "trigger", False, later, "Go to the next scene of the setlist"),
        Parameter("scene/previous", "trigger", False, later, "Go to the previous scene of the setlist"),
        Parameter(
            "scene/morph_bars", "float", 0.0, now, "Bars over which a scene is reached; 0 is at once", 0, 64, "bars"
        ),
    ]


def _quantum_rows() -> list[Parameter]:
    now, choices = ControlClass.IMMEDIATE, (QUANTUM_FOLLOWS, *QUANTUM_CHOICES)
    return [
        Parameter(
            f"transport/quantum_{name}",
            "choice",
            QUANTUM_FOLLOWS,
            now,
            f"Grid on which changes of {what} land",
            choices=choices,
        )
        for name, what in QUANTUM_OF.items()
    ]


def _sync_rows() -> list[Parameter]:
    now = ControlClass.IMMEDIATE
    return [
        Parameter("transport/sync", "choice", "internal", now, "Source of tempo and beat", choices=SYNC_CHOICES),
        Parameter("transport/tap", "trigger", False, now, "Tap the tempo; it changes from the third tap on"),
        Parameter(
            "transport/nudge",
            "float",
            0.0,
            now,
            "Shift the beat forwards; a negative value shifts it back",
            -200,
            200,
            "ms",
        ),
        Parameter("transport/ramp", "float", 0.0, now, "Time in which a new tempo is reached", 0, 256, "beats"),
        Parameter(
            "transport/offset",
            "float",
            0.0,
            now,
            "How much earlier than its source the beat is played",
            -500,
            500,
            "ms",
        ),
        Parameter("transport/clock_out", "bool", False, now, "Send MIDI clock, so that other devices can follow"),
        Parameter(
            "midi/notes_out", "bool", False, now, "Send the notes of the loops that sound, for other instruments"
        ),
    ]


def _record_rows() -> list[Parameter]:
    now = ControlClass.IMMEDIATE
    return [
        Parameter("record/start", "trigger", False, now, "Start to record the output to a new file"),
        Parameter("record/stop", "trigger", False, now, "Finish the recording"),
        Parameter(
            "record/save_last", "trigger", False, now, "Save the last minutes to a file, even if they were not recorded"
        ),
    ]


def _cue_rows(decks: Sequence[str]) -> list[Parameter]:
    now = ControlClass.IMMEDIATE
    return [
        Parameter("cue/gain", "float", 0.0, now, "Level of the headphones", SILENT_DB, LOUDEST_DB, "dB"),
        Parameter("cue/mix", "float", 0.0, now, "Headphones: 0 plays the cued decks, 1 the master", 0, 1),
        *(
            Parameter(f"deck/{d}/cue", "bool", False, now, "Play the deck in the headphones, before its fader")
            for d in decks
        ),
    ]


def _input_rows(decks: Sequence[str]) -> list[Parameter]:
    now = ControlClass.IMMEDIATE
    rows = (
        ("capture", "Start from this many of the last bars of the sound input"),
        ("follow", "Follow the sound input, this many bars at a time; 0 does not"),
    )
    taken = (
        ("audio", True, "With follow: start from the bars"),
        (
            "key",
            False,
            "With follow: take over their key, once two captures in a row have it; it is that of the whole set",
        ),
        ("chords", False, "With follow: take over their chords"),
        ("energy", False, "With follow: take over their energy"),
    )
    return [
        *(Parameter(f"deck/{d}/{name}", "int", 0, now, text, 0, MOST_BARS) for d in decks for name, text in rows),
        *(Parameter(f"deck/{d}/follow_{name}", "bool", on, now, text) for d in decks for name, on, text in taken),
    ]


def _deck_rows(at: str, stems: Sequence[str], side: str, loop_beats: int) -> list[Parameter]:
    now, morph, later = ControlClass.IMMEDIATE, ControlClass.MORPH, ControlClass.QUANTISED
    return [
        Parameter(f"{at}/prompt", "str", "ambient piano", later, "What is generated at alpha 0"),
        Parameter(f"{at}/to", "str", "", later, 'What is generated at alpha 1; "" is the same as prompt'),
        Parameter(
            f"{at}/seed", "int", 0, later, "Number of the noise that the loop at alpha 0 starts from", 0, MAX_SEED
        ),
        Parameter(
            f"{at}/to_seed", "int", 1, later, "Number of the noise that the loop at alpha 1 starts from", 0, MAX_SEED
        ),
        Parameter(
            f"{at}/alpha", "float", 0.0, morph, "Position of the morph: 0 is prompt and seed, 1 is to and to_seed", 0, 1
        ),
        *_prompt_list_rows(f"{at}/prompts"),
        Parameter(f"{at}/negative", "str", "", later, "What to avoid"),
        Parameter(f"{at}/guidance", "float", 3.0, later, "How strictly the prompt is followed", 1, 10),
        Parameter(
            f"{at}/strength",
            "float",
            1.0,
            later,
            "How much of init is generated anew; at 1 nothing of it is left",
            0,
            1,
        ),
        Parameter(f"{at}/init", "str", "", later, 'Audio file to start from, at its own pitch; "" for none'),
        Parameter(f"{at}/drift", "float", 0.0, now, "How far alpha moves by itself in each loop", 0, 1, "per loop"),
        Parameter(
            f"{at}/memory",
            "choice",
            walk_form.OFF,
            later,
            "What a drift keeps while the rest changes, loop by loop; off morphs to one new seed after another",
            choices=walk_form.MEMORY_CHOICES,
        ),
        Parameter(
            f"{at}/tension",
            "float",
            0.0,
            later,
            "How far density, brightness and energy rise before each change of a drift with memory",
            0,
            1,
        ),
        Parameter(f"{at}/walk", "int", 0, later, "Loop of a drift with memory that plays, counted from 0", 0, MAX_SEED),
        Parameter(f"{at}/gain", "float", 0.0, now, "Level of the deck", SILENT_DB, LOUDEST_DB, "dB"),
        Parameter(f"{at}/mute", "bool", False, now, "Silence the deck; it continues unheard"),
        *_effect_rows(at),
        Parameter(
            f"{at}/side", "choice", side, now, "Side of the crossfader; it does not affect thru", choices=SIDE_CHOICES
        ),
        *(
            Parameter(
                f"{at}/send/{send}",
                "float",
                float(SILENT_DB),
                now,
                f"Level at which the deck, after its fader, goes to send {send}",
                SILENT_DB,
                LOUDEST_DB,
                "dB",
            )
            for send in SENDS
        ),
        *(
            Parameter(
                f"{at}/{control.name}",
                control.kind,
                control.default,
                later,
                control.help,
                control.low,
                control.high,
                control.unit,
            )
            for control in RENDER_CONTROLS
        ),
        Parameter(
            f"{at}/chords",
            "str",
            "",
            later,
            'Chords of the deck; "" uses those of all decks, off uses none',
            form=chords.CHORDS,
        ),
        Parameter(f"{at}/again", "trigger", False, later, "Generate again everything that is not frozen"),
        Parameter(
            f"{at}/freeze/beats",
            "str",
            "",
            now,
            "Beats that again does not change",
            form=takes.beats_form(loop_beats),
        ),
        Parameter(
            f"{at}/takes",
            "str",
            "",
            later,
            'Takes that were generated again; "" is the first version',
            max_length=takes.LONGEST_TEXT,
            form=takes.takes_form(loop_beats),
        ),
        *(row for stem in stems for row in _stem_rows(f"{at}/stem/{stem}", stem)),
    ]


def _effect_rows(at: str) -> list[Parameter]:
    """The controls of a deck's effects, which the mixer gets as they are; range and default are the effect's own."""
    now = ControlClass.IMMEDIATE
    return [
        Parameter(
            f"{at}/filter", "float", 0.0, now, "Below 0 a low-pass filter, above 0 a high-pass filter, 0 is off", -1, 1
        ),
    ]


EFFECT_CONTROLS = tuple(parse_path(row.path).within_deck for row in _effect_rows("deck/a"))
"""The controls of all deck effects by the end of their path: ``deck/<d>/<control>``."""


def is_effect_control(path: ParameterPath) -> bool:
    """Whether ``path`` is a control of a deck's effect."""
    return bool(path.deck) and not path.stem and path.within_deck in EFFECT_CONTROLS


def _stem_rows(at: str, stem: str) -> list[Parameter]:
    now, later = ControlClass.IMMEDIATE, ControlClass.QUANTISED
    return [
        Parameter(f"{at}/gain", "float", 0.0, now, f"Level of the {stem}", SILENT_DB, LOUDEST_DB, "dB"),
        Parameter(f"{at}/mute", "bool", False, now, f"Silence the {stem}"),
        Parameter(f"{at}/solo", "bool", False, now, f"Play only the {stem} and other stems that are solo"),
        Parameter(f"{at}/again", "trigger", False, later, f"Generate the {stem} again"),
        Parameter(f"{at}/freeze", "bool", False, now, f"Keep the {stem} when the rest is generated again"),
    ]


def _prompt_list_rows(at: str) -> list[Parameter]:
    now, later = ControlClass.IMMEDIATE, ControlClass.QUANTISED
    return [
        Parameter(
            f"{at}/bank",
            "int",
            1,
            now,
            "Prompt list of the preset that pick, next, previous and random use",
            1,
            MOST_BANKS,
        ),
        Parameter(f"{at}/pick", "int", 1, later, "Use this prompt of the list, by its number", 1, MOST_PROMPTS),
        Parameter(f"{at}/next", "trigger", False, later, "Use the next prompt of the list"),
        Parameter(f"{at}/previous", "trigger", False, later, "Use the previous prompt of the list"),
        Parameter(f"{at}/random", "trigger", False, later, "Use any other prompt of the list, at random"),
    ]
