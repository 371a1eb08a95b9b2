"""The messages between the engine and the renderer process: jobs one way, loops and signs of life the other way.

No torch here: the scheduler imports this module.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from riffengine.processes.render_request import RenderRequest


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
    seconds_left: float | None = None  # until it is needed, counted from now; ``None``: by no certain time
    bank: str = ""  # renditions of one bank are made by renderers of one numeric kind
    runway_seconds: float | None = None  # until the set had nothing new to play, when this was sent; ``None``: no end


@dataclass(frozen=True)
class Cancel:
    """Drop ``job`` if it has not begun; stop it between two denoising steps if it has."""

    job: int


@dataclass(frozen=True)
class Shutdown:
    """End the renderer process when the present job is done."""


# --- renderer → engine ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ready:
    """The model is loaded and warm. ``stems`` and ``vocabulary`` are what this family declares.

    ``seats`` jobs are rendered at the same time. ``kind`` is the numeric kind: renderers of one kind and one
    ``weights_digest`` give equal samples for equal requests; "" is not known.
    """

    model: str
    stems: tuple[str, ...]
    channels: int
    vocabulary: tuple[str, ...]
    load_seconds: float
    weights_digest: str
    seats: int = 1
    kind: str = ""


@dataclass(frozen=True)
class SeatsChanged:
    """The renderer now renders ``seats`` jobs at the same time; ``reason`` is for a person, "" where it is no news.

    With 0, all renderers of a pool are away: what it is sent waits for the first that is back.
    """

    seats: int
    reason: str = ""


@dataclass(frozen=True)
class PoolReport:
    """What a pool of renderers has, and what it has done since it began; about once a second while anything changes.

    ``wasted_seconds`` of ``worked_seconds`` (of seats) made results that nobody took. ``runway_seconds`` is the least
    of its sets (``None``: none of them waits), ``wanted`` how many actors of a cluster its scaling asks for.
    """

    members: int
    seats: int
    busy: int
    waiting: int
    delivered: int
    hits: int
    hedges: int
    retries: int
    lost: int
    silences: int
    disagreements: int
    worked_seconds: float
    wasted_seconds: float
    runway_seconds: float | None = None
    wanted: int = 0


@dataclass(frozen=True)
class Delivery:
    """A finished rendition is in ``slot``: ``(stems, frames, channels) float32``, exactly ``beats`` beats long.

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
    """``job`` is being rendered: the processor seconds that it has taken so far, and how many of its steps are done.

    ``queued``: it waits for a seat of a pool, which watches over its renderers itself.
    """

    job: int
    worked_seconds: float
    steps: int
    queued: bool = False


ToRenderer = Render | Cancel | Shutdown
FromRenderer = Ready | SeatsChanged | PoolReport | Delivery | Cancelled | Failed | Alive
