"""The words of how a loop is played, found in its players and notes: trio, band, fingerpicked, skank, montuno."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from riffengine.renderer.bundled.score import Note

TRIO_LEADERS = ("piano", "acoustic guitar", "electric guitar")
ACOUSTIC_BASSES = ("upright bass", "fretless bass", "electric bass")
GUITARS = ("electric guitar", "muted guitar", "acoustic guitar")
PIANOS = ("piano", "electric piano")
SYNTHS = frozenset({
    "pad", "synth strings", "synth chords", "synth brass", "synth pluck", "saw lead", "square lead", "synth bass",
    "sub bass", "acid bass",
})  # fmt: skip
_FEWEST_PICKED = 8
_FEWEST_SKANKS = 4
_FEWEST_MONTUNO = 12


def playing_words(players: Mapping[str, str], figure: str, comp: Sequence[Note]) -> list[str]:
    """What is true of a loop whose parts are played by ``players`` (part → instrument word), in its ``comp``.

    ``figure`` is the style of the comp, "" where it is not played as written.

    ``trio``: one piano or guitar, which may accompany its own melody, with a bass and brushes. ``band``: all four parts
    by four players with an acoustic kit and no synthesiser. ``fingerpicked``: an acoustic guitar that plays its chords
    tone by tone. ``skank``: a guitar plays nothing but short chords on the offbeats, as in reggae. ``montuno``: the
    syncopated figure of a salsa piano.
    """
    words = []
    leaders = {players[part] for part in ("lead", "comp") if part in players}
    kit, bass, chords = players.get("drums"), players.get("bass"), players.get("comp")
    if kit == "brush drums" and bass in ACOUSTIC_BASSES and len(leaders) == 1 and leaders <= set(TRIO_LEADERS):
        words.append("trio")
    if len(players) == 4 and len(leaders) == 2 and kit == "acoustic drums" and not SYNTHS & set(players.values()):
        words.append("band")
    onsets: dict[int, list[Note]] = {}
    for note in comp:
        onsets.setdefault(note.start_step, []).append(note)
    single = sum(len(notes) == 1 for notes in onsets.values())
    if chords == "acoustic guitar" and len(onsets) >= _FEWEST_PICKED and single >= 0.75 * len(onsets):
        words.append("fingerpicked")
    if figure == "skank" and chords in GUITARS and len(onsets) >= _FEWEST_SKANKS:
        between = sum(step % 8 == 4 or step % 4 in (1, 2, 3) for step in onsets)
        short = sum(max(note.steps for note in notes) <= 2 for notes in onsets.values())
        if min(between, short) >= 0.9 * len(onsets):
            words.append("skank")
    if figure.startswith("montuno") and chords in PIANOS and len(onsets) >= _FEWEST_MONTUNO:
        syncopated = sum(step % 4 != 0 for step in onsets)
        if syncopated >= 0.5 * len(onsets):
            words.append("montuno")
    return words
