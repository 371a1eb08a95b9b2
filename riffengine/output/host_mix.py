"""HostMix: the mixer as a DAW's host plays it: instances of the plugin, placed by the host's beat, in several sources.

The player's control thread attaches and detaches instances. The output's thread (``DawFeeder``) places the music, pulls
it through the output's ``fill`` and reads the sources. Between the two only whole objects are exchanged.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from riffengine.output.recorder import Recorder
from riffengine.playback.mixer import Mixer
from riffengine.playback.taps import Track
from riffengine.processes.audio import Block, Fill
from riffengine.processes.daw_ring import DawRing
from riffengine.processes.player_messages import AttachInstance, HostTimeline
from riffengine.transport.beat_grid import BeatGrid

MASTER = "master"


@dataclass
class Instance:
    """One instance of the plugin: its ring, and the sources that it wants, two channels each.

    The ring's next frame lies ``taken`` frames, at the ring's rate, after ``offset`` frames after ``from_frame``.
    """

    ring: DawRing
    sources: tuple[str, ...]
    from_frame: int = 0
    offset: float = 0.0
    taken: int = 0


class HostMix:
    """What an output that follows a host needs of the player, besides ``fill``.

    ``recorder`` is given what the leading host has heard. ``timeline`` is the last that is known of the host, for the
    engine; ``None`` while no host is followed.
    """

    def __init__(self, mixer: Mixer, recorder: Recorder | None) -> None:
        self.instances: tuple[Instance, ...] = ()
        self.follows = True
        self.timeline: HostTimeline | None = None
        self.engine_bpm = mixer.grid.bpm
        self.proceed_to = 0  # a frame; of interest while a host renders offline
        self.waits_at: int | None = None  # the frame at which it waits for the engine to decide
        self.recorder = recorder
        self.failure = ""  # what went wrong last in the output's thread; the sound went on
        self._mixer = mixer
        self._master = Track(mixer.channels)
        self._retired: deque[Instance] = deque()
        self._acts: list[Callable[[], None]] = []
        self._frame_then: int | None = None  # the mixer's frame when that is done
        self._tapped: tuple[Instance, ...] = ()

    # --- the control thread -----------------------------------------------------------------------------------------

    def attach(self, message: AttachInstance) -> None:
        """Feed another instance; ``DawError`` when its ring is gone."""
        self.detach(message.ring)
        self.instances = (*self.instances, Instance(DawRing.attach(message.ring), message.sources))

    def detach(self, ring: str) -> None:
        """Feed an instance no more."""
        gone = [instance for instance in self.instances if instance.ring.name == ring]
        self.instances = tuple(instance for instance in self.instances if instance.ring.name != ring)
        self._retired.extend(gone)

    def close(self) -> None:
        """Let go of every ring; the output must have ended."""
        for instance in self.instances:
            self.detach(instance.ring.name)
        self.close_retired()

    # --- the output's thread ----------------------------------------------------------------------------------------

    @property
    def sample_rate(self) -> int:
        """Of the mixer."""
        return self._mixer.sample_rate

    @property
    def channels(self) -> int:
        """Of the master, and of every source."""
        return self._mixer.channels

    @property
    def frame(self) -> int:
        """The next frame that is pulled."""
        return self._mixer.frame if self._frame_then is None else self._frame_then

    @property
    def horizon(self) -> int:
        """The first frame on which anything can still change."""
        return self._mixer.horizon

    @property
    def grid(self) -> BeatGrid:
        """The grid that the mixer reads on."""
        return self._mixer.grid

    @property
    def changes(self) -> int:
        """Grows with everything that changes the sound."""
        return self._mixer.changes

    @property
    def moving(self) -> bool:
        """Whether a control or a crossfade is on its way."""
        return self._mixer.moving

    @property
    def effects_run(self) -> bool:
        """Whether a deck effect runs, which would miss the sound before a place that the music is taken to."""
        return self._mixer.effects_run

    def place(self, grid: BeatGrid) -> None:
        """With the next ``fill`` the music goes on at the anchor of ``grid``; see ``Mixer.place``."""
        self._acts.append(lambda: self._mixer.place(grid))
        self._frame_then = grid.anchor_frame

    def pass_to(self, frame: int) -> None:
        """With the next ``fill`` the sound goes on at ``frame``; see ``Mixer.pass_to``."""
        self._acts.append(lambda: self._mixer.pass_to(frame))
        self._frame_then = frame

    def bend(self, grid: BeatGrid) -> None:
        """With the next ``fill`` the music goes on as fast as ``grid``; see ``Mixer.bend``."""
        self._acts.append(lambda: self._mixer.bend(grid))

    def release(self) -> None:
        """With the next ``fill`` the engine's grid rules again."""
        self._acts.append(self._mixer.release_grid)

    def act(self) -> None:
        """What was asked for above; the output's ``fill`` calls it before it pulls."""
        acts, self._acts, self._frame_then = self._acts, [], None
        for act in acts:
            act()
        if self._tapped is not self.instances:
            self._tapped = self.instances
            sources = {source for instance in self._tapped for source in instance.sources}
            parts = [source.split("/") for source in sources if source != MASTER]
            self._mixer.taps.want(
                [deck for _, deck, *stem in parts if not stem],
                [(deck, stem[1]) for _, deck, *stem in parts if stem],
            )

    def pull(self, fill: Fill, out: Block, starved: bool) -> None:
        """Pull the next block into ``out``, and keep it with the sources."""
        frames = len(out)
        fill(out, starved)
        self._master.put(self._mixer.frame - frames, out[:, : self._mixer.channels])

    def read(self, sources: tuple[str, ...], frame: int, position: float, step: float, frames: int) -> Block:
        """``(frames, channels of all sources)`` from ``frame + position`` on, ``step`` frames apart."""
        columns = []
        for source in sources:
            track = self._track(source)
            if track is None:
                columns.append(np.zeros((frames, self._mixer.channels), dtype=np.float32))
            elif step == 1.0 and position == int(position):
                columns.append(track.read(frame + int(position), frames))
            else:
                columns.append(track.read_at(frame + position, step, frames))
        return columns[0] if len(columns) == 1 else np.concatenate(columns, axis=1)

    def master(self, frame: int, frames: int) -> Block:
        """A copy of these frames of the master."""
        return self._master.read(frame, frames)

    def heard(self, sound: Block) -> None:
        """The host has heard this of the master: record it."""
        if self.recorder is not None:
            self.recorder.put(sound)

    def close_retired(self) -> None:
        """Let go of the rings of instances that were detached: none of them is read or written any more.

        Call it before ``instances`` is read: an instance is taken from there before it comes here.
        """
        while self._retired:
            self._retired.popleft().ring.close()

    def _track(self, source: str) -> Track | None:
        if source == MASTER:
            return self._master
        _, deck, *stem = source.split("/")
        return self._mixer.taps.stem(deck, stem[1]) if stem else self._mixer.taps.deck(deck)
