"""RenderRequest: the one list of everything that determines a loop, and the numbers in it that a performer controls.

A new musical number is one field of ``RenderRequest`` with ``render_control`` in its metadata, at the end of the class.
The parameter tree, the quanta, scene morphs, bank keys, digests, journals and the options of ``render`` follow from it;
the family that uses it reads the field. No torch here: the scheduler imports this module.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from typing import Any, Literal

_RENDER_CONTROL = "render control"

DEFAULT_LOOP_BEATS = 8
DEFAULT_MODEL = "bundled"
LOOP_BEATS = (4, 8, 16)
"""The lengths that a loop can have."""


def is_heard(init: str, strength: float) -> bool:
    """Whether a loop has anything of ``init`` in it: strength 1 forgets a sound, but what a mask keeps stays."""
    return bool(init) and (strength < 1.0 or "mask=" in init.partition("?")[2])


def render_control(meaning: str, low: float, high: float, unit: str = "", at_zero: str = "") -> Mapping[str, Any]:
    """Metadata of a field of ``RenderRequest`` that is a parameter of every deck; see ``RenderControl``."""
    return {_RENDER_CONTROL: {"meaning": meaning, "low": low, "high": high, "unit": unit, "at_zero": at_zero}}


@dataclass(frozen=True)
class RenderControl:
    """A number of a request that a performer controls on every deck, as ``deck/<name>/<control name>``.

    ``low`` and ``high`` are inclusive and in ``unit``. ``meaning`` is a phrase in lower case, ``at_zero`` says what the
    model does at 0 where that is not plain.
    """

    name: str
    kind: Literal["float", "int"]
    default: float
    meaning: str
    low: float
    high: float
    unit: str = ""
    at_zero: str = ""

    @property
    def help(self) -> str:
        """One line for the table of parameters."""
        sentence = self.meaning[:1].upper() + self.meaning[1:]
        return f"{sentence}; 0 is {self.at_zero}" if self.at_zero else sentence


@dataclass(frozen=True)
class MorphEnd:
    """One end of a morph: what is rendered, from which noise, and how strongly."""

    prompt: str
    seed: int
    negative: str = ""
    guidance: float = 3.0
    strength: float = 1.0  # share of the denoising that is redone when there is an ``init``; 1 forgets it


@dataclass(frozen=True)
class Retake:
    """A part of a loop is rendered again: ``stems`` on the ``beats`` whose bit is set (bit k is beat k).

    All else stays. ``number`` names the noise: the same number gives the same samples, another other music; 0 is the
    noise of the loop itself. For this part alone ``prompt``, unless it is empty, takes the place of the loop's prompts,
    and ``lift`` is added to its density, brightness and energy.
    """

    stems: tuple[str, ...]
    beats: int
    number: int
    prompt: str = ""
    lift: float = 0.0

    def covers(self, other: Retake) -> bool:
        """Whether nothing that ``other`` renders is left after this one."""
        return set(other.stems) <= set(self.stems) and not other.beats & ~self.beats


@dataclass(frozen=True)
class RenderRequest:
    """Everything that determines a loop: equal requests give equal samples on the same machine.

    ``alpha`` 0 is ``start``, 1 is ``end``. ``steps`` counts denoising steps. ``key`` is a tonic and mode such as
    ``"A minor"``, or ``""`` for C major or A minor as it comes; ``transpose`` moves it by semitones. ``init`` names
    audio to start from, ``""`` for none, and ``init_hash`` what that file held. ``chords`` share the loop equally, each
    as MIDI pitches from the bass up, as they shall sound (they are not transposed again); none lets the model choose.
    ``retakes`` are applied in their order to the loop as it is rendered without them. The mel is rendered at
    ``source_bpm`` (0: at ``bpm``) and becomes audio at ``bpm``: another tempo of the same mel is synthesis alone.
    ``phase_from_ends``: a loop between the ends begins its phases with theirs, so that neighbours do not comb where
    they cross; both ends are rendered first. What is rendered again finds its own, and a family may leave it aside.

    A new field stands at the end and has a default: at its default it changes no digest.
    """

    start: MorphEnd
    end: MorphEnd
    alpha: float = 0.0
    steps: int = 8
    bpm: float = 120.0
    beats: int = DEFAULT_LOOP_BEATS
    sample_rate: int = 44100
    key: str = ""
    init: str = ""
    model: str = DEFAULT_MODEL
    density: float = field(
        default=0.0,
        metadata=render_control("density of the notes, from few to many", -1, 1, at_zero="as the prompt says"),
    )
    brightness: float = field(
        default=0.0, metadata=render_control("brightness, from dark to bright", -1, 1, at_zero="as the prompt says")
    )
    energy: float = field(
        default=0.0, metadata=render_control("energy, from calm to driving", -1, 1, at_zero="as the prompt says")
    )
    transpose: int = field(default=0, metadata=render_control("transposition on top of the key", -12, 12, "semitones"))
    chords: tuple[tuple[int, ...], ...] = ()
    retakes: tuple[Retake, ...] = ()
    source_bpm: float = 0.0
    init_hash: str = ""
    phase_from_ends: bool = False

    @property
    def source_tempo(self) -> float:
        """The tempo at which the mel is rendered, bpm."""
        return self.source_bpm or self.bpm

    def canonical(self) -> RenderRequest:
        """The same loop written one way: an end that alpha does not reach is replaced by the one it sits on, what is
        rendered again only to be replaced at once is left out, and so is a sound that strength 1 forgets."""
        reached = self._reached()
        if is_heard(reached.init, min(reached.start.strength, reached.end.strength)):
            return reached
        if not reached.init and not reached.init_hash and reached.start.strength == reached.end.strength == 1.0:
            return reached
        # Without a sound to start from, strength means nothing.
        plain = replace(reached, init="", init_hash="")
        start, end = (replace(point, strength=1.0) for point in (reached.start, reached.end))
        return replace(plain, start=start, end=end)._reached()

    def _reached(self) -> RenderRequest:
        source_bpm = 0.0 if self.source_bpm == self.bpm else self.source_bpm
        retakes = _needed(self.retakes, self.beats)
        if 0.0 < self.alpha < 1.0 and self.start != self.end:
            if source_bpm == self.source_bpm and retakes == self.retakes:
                return self
            return replace(self, retakes=retakes, source_bpm=source_bpm)
        only = self.end if self.alpha >= 1.0 else self.start
        alone = replace(self, retakes=retakes, source_bpm=source_bpm, alpha=0.0, phase_from_ends=False)
        return alone if alone.start is only is alone.end else replace(alone, start=only, end=only)

    def digest(self) -> str:
        """Sixteen hex digits that name the canonical request, the same in every version: see ``_text``."""
        return hashlib.sha256(_text(self.canonical()).encode()).hexdigest()[:16]

    def loop_id(self) -> str:
        """Sixteen hex digits for what sounds, however finely it is rendered."""
        return replace(self, steps=0, phase_from_ends=False).digest()

    def for_last_retake(self) -> RenderRequest:
        """The request with the words and the controls that its last retake is rendered with; itself without any."""
        if not self.retakes or not (self.retakes[-1].prompt or self.retakes[-1].lift):
            return self
        again = self.retakes[-1]
        start, end = (replace(point, prompt=again.prompt or point.prompt) for point in (self.start, self.end))
        lifted = {name: min(1.0, max(-1.0, getattr(self, name) + again.lift)) for name in _LIFTED}
        return replace(self, start=start, end=end, **lifted)

    def facts(self) -> dict[str, Any]:
        """The request as plain values for JSON, under the names that journals have always had."""
        facts: dict[str, Any] = _facts(self)
        return facts

    @staticmethod
    def from_facts(facts: Mapping[str, Any]) -> RenderRequest:
        """The request that ``facts()`` and JSON made ``facts`` of; what they do not name has its default.

        Raises ``TypeError``, ``ValueError`` or ``KeyError`` where they are no request's.
        """
        names = {written: name for name, written in _WRITTEN_NAMES.items()}
        plain = {names.get(str(written), str(written)): value for written, value in facts.items()}
        start, end = MorphEnd(**plain.pop("start")), MorphEnd(**plain.pop("end"))
        chords = tuple(tuple(int(pitch) for pitch in chord) for chord in plain.pop("chords", ()))
        retakes = tuple(
            Retake(
                tuple(str(stem) for stem in again["stems"]),
                int(again["beats"]),
                int(again["take"]),
                str(again.get("prompt", "")),
                float(again.get("lift", 0.0)),
            )
            for again in plain.pop("retakes", ())
        )
        request = RenderRequest(start, end, **plain, chords=chords, retakes=retakes)
        for point in (start, end):
            _check(point)
        _check(request)
        _check_ranges(request)
        return request


def _render_controls() -> Iterator[RenderControl]:
    for fact in fields(RenderRequest):
        if _RENDER_CONTROL in fact.metadata:
            default: Any = fact.default
            yield RenderControl(
                fact.name, "int" if fact.type == "int" else "float", default, **fact.metadata[_RENDER_CONTROL]
            )


RENDER_CONTROLS: tuple[RenderControl, ...] = tuple(_render_controls())
"""The numbers of a request that a performer controls, in the order of the parameter tree."""

_LIFTED = ("density", "brightness", "energy")  # by ``Retake.lift``

_WRITTEN_NAMES: Mapping[str, str] = {
    "chords": "harmony",
    "retakes": "redreams",
    "source_bpm": "dreamt_bpm",
    "init_hash": "init_stamp",
    "number": "take",
    "Retake": "Redream",
    "MorphEnd": "Point",
}
"""The names that journals, saved states and digests had first and keep, where the code's names are others."""


def _digest_plan(kind: type, always: int) -> tuple[tuple[str, str, object], ...]:
    """Of each field its name, its name in a digest with ``=``, and the value at which it is left out, if any.

    The first ``always`` fields are in every digest, as they were when digests were first kept. A later one is left out
    at its default, so that a new field leaves every older digest as it was.
    """
    return tuple(
        (f.name, f"{_WRITTEN_NAMES.get(f.name, f.name)}=", MISSING if place < always else f.default)
        for place, f in enumerate(fields(kind))
    )


_DIGEST_PLANS = {kind: _digest_plan(kind, always) for kind, always in ((MorphEnd, 5), (Retake, 3), (RenderRequest, 19))}


def _text(value: MorphEnd | Retake | RenderRequest) -> str:
    """What a digest is made of: ``repr`` as it was when digests were first kept. Never changes for the same loop."""
    named = []
    for name, written, default in _DIGEST_PLANS[type(value)]:
        part = getattr(value, name)
        if default is not MISSING and part == default:
            continue
        if isinstance(part, MorphEnd):
            text = _text(part)
        elif name == "retakes":
            text = f"({', '.join(map(_text, part))}{',' if len(part) == 1 else ''})"
        else:
            text = repr(part)
        named.append(written + text)
    kind = type(value).__name__
    return f"{_WRITTEN_NAMES.get(kind, kind)}({', '.join(named)})"


def _facts(value: Any) -> Any:
    """``value`` with requests, points and retakes as dictionaries, under their written names.

    A retake says only what is not at its default, as it did before it had words of its own.
    """
    if isinstance(value, Retake):
        said = [f for f in fields(value) if getattr(value, f.name) != f.default]
    elif isinstance(value, MorphEnd | RenderRequest):
        said = list(fields(value))
    else:
        return tuple(map(_facts, value)) if isinstance(value, tuple) else value
    return {_WRITTEN_NAMES.get(f.name, f.name): _facts(getattr(value, f.name)) for f in said}


def _needed(retakes: tuple[Retake, ...], beats: int) -> tuple[Retake, ...]:
    """``retakes`` within ``beats``, stems sorted, without those that touch nothing or are covered by the next one."""
    kept: list[Retake] = []
    for again in retakes:
        once = replace(again, stems=tuple(sorted(set(again.stems))), beats=again.beats & ((1 << beats) - 1))
        if not once.stems or not once.beats:
            continue
        while kept and once.covers(kept[-1]):  # only neighbours: one between them may have listened to the first
            kept.pop()
        kept.append(once)
    return tuple(kept)


def _check_ranges(request: RenderRequest) -> None:
    """``ValueError`` where a number of ``request`` is none that a performer could have asked for.

    A journal may come from anybody; a loop of 10^12 beats would be rendered until memory ends.
    """
    ranges: dict[str, tuple[float, float]] = {
        "beats": (1, 64), "steps": (1, 1000), "bpm": (20, 1000), "source_bpm": (0, 1000), "sample_rate": (100, 384_000),
        "alpha": (0, 1), **{control.name: (control.low, control.high) for control in RENDER_CONTROLS},
    }  # fmt: skip
    points = (request.start, request.end)
    numbers = [(name, getattr(request, name), *ends) for name, ends in ranges.items()]
    numbers += [("strength", point.strength, 0, 1) for point in points]
    numbers += [("guidance", point.guidance, -1000, 1000) for point in points]
    numbers += [("seed", point.seed, -(2**63), 2**64) for point in points]
    numbers += [("retakes.number", again.number, 0, 2**63) for again in request.retakes]
    numbers += [("retakes.beats", again.beats, 0, 2**64) for again in request.retakes]
    numbers += [("retakes.lift", again.lift, -2, 2) for again in request.retakes]
    numbers += [("chords", pitch, 0, 127) for chord in request.chords for pitch in chord]
    for name, value, low, high in numbers:
        if not low <= value <= high:  # NaN too
            raise ValueError(f"{name} is {value!r}; {low:g} to {high:g} is possible")
    if len(request.chords) > 64 or len(request.retakes) > 1000:
        raise ValueError("the request holds more chords or takes than a loop can have")


def _check(whole: MorphEnd | RenderRequest) -> None:
    """``ValueError`` where a number or a text of ``whole`` is something else."""
    kinds: dict[str, tuple[type, ...]] = {"float": (int, float), "int": (int,), "str": (str,), "bool": (bool,)}
    for fact in fields(whole):
        value, kind = getattr(whole, fact.name), kinds.get(str(fact.type))
        if kind is not None and (isinstance(value, bool) != (bool in kind) or not isinstance(value, kind)):
            raise ValueError(f"{fact.name} is {value!r}, a {fact.type} is needed")
