"""Messages from the engine to the player and back. Frozen, picklable, no behaviour.

``at_frame`` is the output frame on which a message acts; ``None`` means the start of the next block. A message that
arrives after its frame acts at the start of the next block, and the answer holds the frame on which it did.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from riffengine.processes.parameter_path import ParameterPath
from riffengine.transport.beat_grid import BeatGrid


@dataclass(frozen=True)
class LoopRef:
    """Where a finished loop is stored: ``slot`` of the loop store holds ``(stems, frames, channels) float32``."""

    loop: int  # unique for the session, never reused (a slot is)
    slot: int
    frames: int
    channels: int
    stems: tuple[str, ...]
    beats: int


# --- engine → player --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PlaceLoop:
    """Put ``loop`` at ``alpha`` in ``bank`` of ``deck``; it replaces one already at that alpha.

    If the bank is being played, the change is crossfaded in phase over ``fade_frames``.
    """

    deck: str
    bank: int
    alpha: float
    loop: LoopRef
    at_frame: int | None = None
    fade_frames: int = 2048


@dataclass(frozen=True)
class RemoveLoop:
    """Remove the loop at ``alpha`` from ``bank``, crossfaded if it sounds. The last loop of a playing bank stays."""

    deck: str
    bank: int
    alpha: float
    at_frame: int | None = None
    fade_frames: int = 2048


@dataclass(frozen=True)
class LaunchBank:
    """Play ``bank`` on ``deck`` from ``at_frame`` on: equal-power crossfade in phase, then the old bank is dropped.

    ``serial`` numbers the newest change that the bank holds; the player does not use it.
    """

    deck: str
    bank: int
    at_frame: int | None = None
    fade_frames: int = 2048
    serial: int = 0


@dataclass(frozen=True)
class FreeLoop:
    """Forget ``loop`` once it no longer sounds, and answer ``LoopFreed``."""

    loop: int


FADE = ParameterPath("fade")
"""The control that opens and closes the whole output: the only one that is no parameter."""


@dataclass(frozen=True)
class SetControl:
    """Move a mixer control to ``value`` along a straight ramp of ``ramp_frames``.

    Targets: ``master/gain`` ``deck/<d>/gain`` ``deck/<d>/stem/<s>/gain`` (linear gain, not dB), ``deck/<d>/mute``
    (0, 1), ``deck/<d>/alpha`` (0..1), ``deck/<d>/side`` (0 left, 1 right, 2 through), ``crossfader`` (0 left … 1 right,
    equal power), ``FADE`` (0..1, fade-in/out); where there is a cue bus ``deck/<d>/cue`` (0, 1), ``cue/gain``
    (linear), ``cue/mix`` (0 cued decks … 1 master, equal power); ``deck/<d>/send/<n>`` (linear gain);
    ``deck/<d>/<control>`` for every control of a deck effect, in the effect's own range; and the ``controls`` of every
    ``AttachInsert``.
    """

    target: ParameterPath
    value: float
    at_frame: int | None = None
    ramp_frames: int = 441
    stamp_ns: int = 0  # when the gesture was received; echoed in ``Audible`` when not 0


@dataclass(frozen=True)
class SetGrid:
    """Change to ``grid`` at ``at_frame``."""

    grid: BeatGrid
    at_frame: int


@dataclass(frozen=True)
class AttachInsert:
    """Send the sound of ``place`` through the host at the other end of ``segment``, crossfaded in when it answers.

    ``place`` is ``deck/<d>``, ``deck/<d>/stem/<s>``, ``send/<n>`` or ``master``. The output pulls ``pull_frames`` at
    once, always where that is a multiple of a plugin block, else at most; sound is sent so much and the plugins'
    latency ahead. ``most_latency`` is the most that is made up for. ``controls`` are the paths of the plugins'
    parameters, in the order of their numbers. ``chain`` describes the plugins for a replay, "" without a journal.
    """

    place: str
    segment: str
    pull_frames: int
    latency_frames: int
    most_latency: int
    controls: tuple[str, ...] = ()
    chain: str = ""


@dataclass(frozen=True)
class DetachInsert:
    """Let the sound of ``place`` pass by its plugins, after a crossfade."""

    place: str


@dataclass(frozen=True)
class SetInsertLatency:
    """The plugins of ``place`` now delay the sound by ``latency_frames``; it is sent to them so much earlier."""

    place: str
    latency_frames: int


@dataclass(frozen=True)
class PlayNotes:
    """Give the plugins of ``place`` MIDI messages at ``at_frame``; ``data`` has three bytes for each of them."""

    place: str
    data: tuple[int, ...]
    at_frame: int | None = None


@dataclass(frozen=True)
class CancelNotes:
    """Forget the notes for ``place`` from ``at_frame`` on."""

    place: str
    at_frame: int | None = None


@dataclass(frozen=True)
class StopPlayer:
    """Fade to silence over ``fade_frames``, then end the player."""

    fade_frames: int = 22050


@dataclass(frozen=True)
class StartRecording:
    """Record to ``path`` from the next block on, in parts of ``part_seconds`` (0: one file)."""

    path: str
    part_seconds: float = 0.0


@dataclass(frozen=True)
class StopRecording:
    """End the recording and finish its file."""


@dataclass(frozen=True)
class SaveLast:
    """Write the newest ``seconds`` of what was played to ``path``; a recording that runs continues."""

    path: str
    seconds: float


@dataclass(frozen=True)
class AttachInstance:
    """Feed an instance of the plugin in a DAW: its ``ring`` by name, and what each pair of its channels is to play.

    ``sources``: ``master``, ``deck/<deck>`` or ``deck/<deck>/stem/<stem>``.
    """

    ring: str
    sources: tuple[str, ...]


@dataclass(frozen=True)
class DetachInstance:
    """The instance with this ring has gone."""

    ring: str


@dataclass(frozen=True)
class FollowHost:
    """Whether tempo and place of the DAW rule the beat; ``bpm`` is the engine's tempo, for hosts that tell none."""

    follow: bool
    bpm: float


@dataclass(frozen=True)
class Proceed:
    """All that is to happen before ``frame`` was sent: a host that renders offline may have the sound up to there."""

    frame: int


# --- player → engine --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PlayerReady:
    """The output runs. ``latency_seconds`` is what it adds after the block is handed over.

    ``input_latency_seconds`` is how long ago a block of input began to come in when it is handed over; ``None`` where
    there is no input.
    """

    output: str
    sample_rate: int
    block_frames: int
    latency_seconds: float
    input_latency_seconds: float | None = None


@dataclass(frozen=True)
class OutputChanged:
    """Another output plays now, since one was lost or is back; ``output`` is as in ``PlayerReady``."""

    output: str


@dataclass(frozen=True)
class Status:
    """A regular report: at ``host_ns`` of the monotonic clock the next frame to be pulled was ``frame``."""

    frame: int
    host_ns: int
    underruns: int
    late_messages: int
    peak: float
    load: float  # share of the block period that the last blocks took to compute
    plugin_gaps: int = 0  # times that plugins answered too late and the dry sound was played


@dataclass(frozen=True)
class BankLanded:
    """``bank`` began to sound on ``deck`` at ``frame``; it was asked for ``asked_frame``."""

    deck: str
    bank: int
    frame: int
    asked_frame: int | None


@dataclass(frozen=True)
class LoopFreed:
    """``loop`` is not read any more: its slot may be written again."""

    loop: int
    slot: int


@dataclass(frozen=True)
class Audible:
    """The gesture stamped ``stamp_ns`` reached the block that begins at ``frame``, handed over at ``host_ns``."""

    target: ParameterPath
    stamp_ns: int
    frame: int
    host_ns: int


@dataclass(frozen=True)
class Scheduled:
    """The ``number``-th message since the start (from 1) takes effect on ``frame``; sent when a player log is kept.

    ``horizon`` was the first frame not yet mixed when the message was taken: an exact replay takes it there.
    """

    number: int
    frame: int
    horizon: int


@dataclass(frozen=True)
class PlayerFailed:
    """The output has failed and the player ends; ``reason`` is for a person."""

    reason: str


@dataclass(frozen=True)
class PlayerNotice:
    """Something failed that does not stop the sound, for example a full disk; ``reason`` is for a person."""

    reason: str


@dataclass(frozen=True)
class Recorded:
    """News of a file. ``frame`` is the output frame of its first sample; of ``ended``, the one after the last.

    ``began``: a recording, in ``path``. ``part``: it continues in ``path``. ``ended``: it is finished; ``problem`` says
    why the disk ended it, or is "". ``saved``: the last ``frames`` are in ``path``, or ``problem`` says why not.
    ``refused``: nothing was to be saved, or not now; ``problem`` says why. Nothing has failed.
    """

    what: Literal["began", "part", "ended", "saved", "refused"]
    path: str
    frame: int
    frames: int = 0
    problem: str = ""


@dataclass(frozen=True)
class HostTimeline:
    """Where the DAW is that is followed: ``grid`` rules from its anchor frame on.

    Beats and tempo of ``grid`` are the host's, doubled or halved into our range. ``jumps`` counts the places at which
    the beat did not go on. ``rolling`` is false while the host stands, on the anchor beat. ``known``: the host has a
    tempo of its own; one that has none takes ours. ``host_bpm`` is the host's own figure. ``offline``: it renders as
    fast as it can, and is answered with ``Proceed``.
    """

    grid: BeatGrid
    jumps: int
    rolling: bool
    known: bool
    host_bpm: float
    offline: bool = False


@dataclass(frozen=True)
class HostGone:
    """No DAW is followed any more."""


ToRecorder = StartRecording | StopRecording | SaveLast
ToInsert = AttachInsert | DetachInsert | SetInsertLatency
ToInstrument = PlayNotes | CancelNotes
ToHost = AttachInstance | DetachInstance | FollowHost | Proceed
ToPlayer = (
    PlaceLoop
    | RemoveLoop
    | LaunchBank
    | FreeLoop
    | SetControl
    | SetGrid
    | StopPlayer
    | ToInsert
    | ToInstrument
    | ToRecorder
    | ToHost
)
FromPlayer = (
    PlayerReady
    | OutputChanged
    | Status
    | BankLanded
    | LoopFreed
    | Audible
    | Scheduled
    | Recorded
    | HostTimeline
    | HostGone
    | PlayerFailed
    | PlayerNotice
)
