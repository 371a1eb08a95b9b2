"""RenderRequest: everything that determines a loop, and what comes back across the process border.

No torch here: the scheduler imports this module.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any


def is_heard(init: str, strength: float) -> bool:
    """Whether a loop has anything of ``init`` in it: strength 1 forgets a sound, but what a mask keeps stays."""
    return bool(init) and (strength < 1.0 or "mask=" in init.partition("?")[2])


@dataclass(frozen=True)
class Point:
    """One end of a morph: what is dreamt, from which noise, and how strongly."""

    prompt: str
    seed: int
    negative: str = ""
    guidance: float = 3.0
    strength: float = 1.0  # share of the denoising that is redone when there is an ``init``; 1 forgets it


@dataclass(frozen=True)
class Redream:
    """Part of a loop is dreamt again: ``stems`` on the ``beats`` whose bit is set (bit k is beat k), all else stays.

    ``take`` (from 1) names the noise: another take, another idea; the same take, the same samples.
    """

    stems: tuple[str, ...]
    beats: int
    take: int

    def covers(self, other: Redream) -> bool:
        """Whether nothing that ``other`` dreams is left after this one."""
        return set(other.stems) <= set(self.stems) and not other.beats & ~self.beats


@dataclass(frozen=True)
class RenderRequest:
    """Everything that determines a loop: equal requests give equal samples on the same machine.

    ``alpha`` 0 is ``start``, 1 is ``end``. ``steps`` counts denoising steps. ``key`` is a tonic and mode such as
    ``"A minor"``, or ``""`` for C major or A minor as it comes; ``transpose`` moves it by semitones. ``init`` names
    audio to start from, ``""`` for none, and ``init_stamp`` what that file held. ``density``, ``brightness`` and
    ``energy`` are -1..1, 0 is as the words say. ``harmony`` holds chords that share the loop equally, each as MIDI
    pitches from the bass up, as they shall sound (they are not transposed again); none lets the model choose.
    ``redreams`` are applied in their order to the loop as it is dreamt without them. The mel is dreamt at
    ``dreamt_bpm`` (0: at ``bpm``) and becomes audio at ``bpm``: another tempo of the same dream is synthesis alone.
    ``phase_from_ends``: a loop between the ends begins its phases with theirs, so that neighbours do not comb where
    they cross; both ends are rendered first. What is dreamt again finds its own, and a family may leave it aside.
    """

    start: Point
    end: Point
    alpha: float = 0.0
    steps: int = 8
    bpm: float = 120.0
    beats: int = 8
    sample_rate: int = 44100
    key: str = ""
    init: str = ""
    model: str = "bundled"
    density: float = 0.0
    brightness: float = 0.0
    energy: float = 0.0
    transpose: int = 0
    harmony: tuple[tuple[int, ...], ...] = ()
    redreams: tuple[Redream, ...] = ()
    dreamt_bpm: float = 0.0
    init_stamp: str = ""
    phase_from_ends: bool = False

    @property
    def tempo_dreamt(self) -> float:
        """The tempo at which the mel is dreamt, bpm."""
        return self.dreamt_bpm or self.bpm

    def canonical(self) -> RenderRequest:
        """The same loop written one way: an end that alpha does not reach is replaced by the one it sits on, what is
        dreamt again only to be dreamt over at once is left out, and so is a sound that strength 1 forgets."""
        reached = self._reached()
        if is_heard(reached.init, min(reached.start.strength, reached.end.strength)):
            return reached
        if not reached.init and not reached.init_stamp and reached.start.strength == reached.end.strength == 1.0:
            return reached
        # Without a sound to start from, strength means nothing.
        plain = replace(reached, init="", init_stamp="")
        start, end = (replace(point, strength=1.0) for point in (reached.start, reached.end))
        return replace(plain, start=start, end=end)._reached()

    def _reached(self) -> RenderRequest:
        dreamt_bpm = 0.0 if self.dreamt_bpm == self.bpm else self.dreamt_bpm
        redreams = _needed(self.redreams, self.beats)
        if 0.0 < self.alpha < 1.0 and self.start != self.end:
            if dreamt_bpm == self.dreamt_bpm and redreams == self.redreams:
                return self
            return replace(self, redreams=redreams, dreamt_bpm=dreamt_bpm)
        only = self.end if self.alpha >= 1.0 else self.start
        alone = replace(self, redreams=redreams, dreamt_bpm=dreamt_bpm, alpha=0.0, phase_from_ends=False)
        return alone if alone.start is only is alone.end else replace(alone, start=only, end=only)

    def digest(self) -> str:
        """Sixteen hex digits that name the canonical request."""
        text = repr(self.canonical())
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def loop_id(self) -> str:
        """Sixteen hex digits for what sounds, however finely it is rendered."""
        return replace(self, steps=0, phase_from_ends=False).digest()

    @staticmethod
    def from_facts(facts: Mapping[str, Any]) -> RenderRequest:
        """The request that ``dataclasses.asdict`` and JSON made ``facts`` of; what they do not name has its default.

        Raises ``TypeError``, ``ValueError`` or ``KeyError`` where they are no request's.
        """
        plain = dict(facts)
        start, end = Point(**plain.pop("start")), Point(**plain.pop("end"))
        harmony = tuple(tuple(int(pitch) for pitch in chord) for chord in plain.pop("harmony", ()))
        redreams = tuple(
            Redream(tuple(str(stem) for stem in again["stems"]), int(again["beats"]), int(again["take"]))
            for again in plain.pop("redreams", ())
        )
        request = RenderRequest(start, end, **plain, harmony=harmony, redreams=redreams)
        for point in (start, end):
            _check(point)
        _check(request)
        return request


def _needed(redreams: tuple[Redream, ...], beats: int) -> tuple[Redream, ...]:
    """``redreams`` within ``beats``, stems sorted, without those that touch nothing or are covered by the next one."""
    kept: list[Redream] = []
    for again in redreams:
        once = Redream(tuple(sorted(set(again.stems))), again.beats & ((1 << beats) - 1), again.take)
        if not once.stems or not once.beats:
            continue
        while kept and once.covers(kept[-1]):  # only neighbours: one between them may have listened to the first
            kept.pop()
        kept.append(once)
    return tuple(kept)


def _check(whole: Point | RenderRequest) -> None:
    """``ValueError`` where a number or a text of ``whole`` is something else."""
    kinds: dict[str, tuple[type, ...]] = {"float": (int, float), "int": (int,), "str": (str,), "bool": (bool,)}
    for fact in fields(whole):
        value, kind = getattr(whole, fact.name), kinds.get(str(fact.type))
        if kind is not None and (isinstance(value, bool) != (bool in kind) or not isinstance(value, kind)):
            raise ValueError(f"{fact.name} is {value!r}, a {fact.type} is needed")


@dataclass(frozen=True)
class RenderCost:
    """Wall seconds by part, as measured in the renderer process."""

    text: float = 0.0
    denoise: float = 0.0
    decode: float = 0.0
    phase: float = 0.0

    @property
    def total(self) -> float:
        """Seconds for the whole loop."""
        return float(sum(getattr(self, f.name) for f in fields(self)))


# --- engine → renderer ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Render:
    """Render ``request`` and write its samples into ``slot`` of the loop store."""

    job: int
    request: RenderRequest
    slot: int


@dataclass(frozen=True)
class Cancel:
    """Drop ``job`` if it has not begun; stop it between two denoising steps if it has."""

    job: int


@dataclass(frozen=True)
class Shutdown:
    """End the renderer process when the job in hand is done."""


# --- renderer → engine ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ready:
    """The model is loaded and warm. ``stems`` and ``vocabulary`` are what this family declares."""

    model: str
    stems: tuple[str, ...]
    channels: int
    vocabulary: tuple[str, ...]
    load_seconds: float
    weights_digest: str


@dataclass(frozen=True)
class Delivery:
    """A finished rendition lies in ``slot``: ``(stems, frames, channels) float32``, exactly ``beats`` beats long.

    ``loudness_lufs`` is the integrated loudness of the mix after levelling, ``peak`` its largest absolute sample.
    ``notes`` is what an instrument would play along, packed (see ``notes``); empty where the family knows no notes.
    """

    job: int
    slot: int
    request: RenderRequest
    frames: int
    channels: int
    stems: tuple[str, ...]
    loudness_lufs: float
    peak: float
    cost: RenderCost
    unknown_words: tuple[str, ...] = ()
    notes: bytes = b""
    remarks: tuple[str, ...] = ()  # for the performer


@dataclass(frozen=True)
class Cancelled:
    """``job`` was dropped on request; its slot was not (or only partly) written."""

    job: int


@dataclass(frozen=True)
class Failed:
    """``job`` could not be rendered; ``reason`` is for a person."""

    job: int
    reason: str
    hopeless: bool = False  # trying again cannot help: the file behind ``init`` is no sound


@dataclass(frozen=True)
class Alive:
    """``job`` is in hand: the processor seconds that it has taken so far, and how many steps of it are done."""

    job: int
    worked_seconds: float
    steps: int


ToRenderer = Render | Cancel | Shutdown
FromRenderer = Ready | Delivery | Cancelled | Failed | Alive
