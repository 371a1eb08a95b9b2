"""Replay: plays the player log of a set through the real mixer and renderer, faster than real time."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from riffengine.errors import AudioFileError, JournalError, RendererError, reason
from riffengine.output.recording_file import FORMATS, LONGEST_WAV_BYTES
from riffengine.performance.journal import Recording
from riffengine.playback.mixer import MIX_AHEAD_FRAMES, Mixer
from riffengine.processes.audio import CHANNELS, Samples
from riffengine.processes.parameter_path import decks_of
from riffengine.processes.player_messages import AttachInsert, LoopRef, PlaceLoop, SetGrid
from riffengine.processes.render_request import RenderRequest
from riffengine.renderer.family import NAME_DIGITS, Family
from riffengine.renderer.file_hash import file_hash, init_hash
from riffengine.replay.player_log import read_player_log, with_steps
from riffengine.replay.plugin_hosts import ReplayHosts, plugin_failures
from riffengine.transport.beat_grid import BeatGrid

THREADS = 1
"""Threads of torch, as in the renderer process: another number may sum in another order and change the last bit."""

_BLOCK = 4096
_KEPT_LOOPS = 64  # three stereo stems of 4 s in float32 are 4.2 MB: 270 MB

LoadFamily = Callable[[str], Family]


@dataclass(frozen=True)
class ReplayReport:
    """The written file and its sources. ``same_weights``: whether the samples can be equal to those of the set.

    ``refused_messages`` counts messages that the mixer refused, as it did live. ``changed_files`` are the sound files
    used by loops whose content has changed since the set was played.
    """

    output: str
    frames: int
    sample_rate: int
    seconds: float
    messages: int
    renders: int
    damaged_lines: int
    refused_messages: int
    peak: float
    same_weights: bool
    changed_files: tuple[str, ...] = ()


class Replay:
    """Plays ``recording`` again. ``load`` returns a model family by name; ``steps`` replaces the steps of every loop.

    With ``steps=None``, the same weights and no ``changed_files``, the samples equal the set's on the same machine;
    where it was played through plugins, if these repeat themselves and gave every block in time (``plugin_failures``).
    Raises ``JournalError`` when the journal has no player log, ``AudioFileError`` when a sound file that a loop
    starts from is missing.
    """

    def __init__(
        self,
        recording: Recording,
        load: LoadFamily,
        steps: int | None = None,
        opener: str = "riffengine.plugins.registry",
    ) -> None:
        self._entries, self.frames, damaged = read_player_log(recording)
        self.damaged_lines = damaged + len(recording.damaged)
        if not self._entries:
            raise JournalError("the journal has no player messages; only sets played with --journal can be replayed")
        header = recording.header
        self.sample_rate = header.sample_rate
        self.changed_files = changed_files(entry.request for entry in self._entries if entry.request is not None)
        self.same_weights = True
        self.renders = 0
        self._digest, self._load, self._steps = header.model_digest, load, steps
        self._families: dict[str, Family] = {}
        self._requests: dict[int, RenderRequest] = {}
        self._audio: OrderedDict[RenderRequest, Samples] = OrderedDict()
        decks = decks_of(header.parameters)
        grids = [entry.message.grid for entry in self._entries if isinstance(entry.message, SetGrid)]
        grid = grids[0] if grids else BeatGrid(self.sample_rate, 120.0)
        self._mixer = Mixer(self.sample_rate, grid, self._samples, decks, CHANNELS)
        self._mixer.inserts.waits = True
        self._hosts = ReplayHosts(self.sample_rate, opener)
        self.plugin_failures = plugin_failures(recording)

    @property
    def messages(self) -> int:
        """Number of messages that the player took."""
        return len(self._entries)

    @property
    def refused_messages(self) -> int:
        """Number of messages that the mixer has refused so far."""
        return self._mixer.counters.refused_messages

    def blocks(self, block_frames: int = _BLOCK) -> Iterator[NDArray[np.float32]]:
        """The set from its first frame to its last, ``(frames, channels) float32``; loops are rendered when due."""
        try:
            yield from self._blocks(block_frames)
        finally:
            self._hosts.close()

    def _blocks(self, block_frames: int) -> Iterator[NDArray[np.float32]]:
        mixer = self._mixer
        for entry in self._entries:
            # The mixer takes each message between the same two frames as the player did, because freeing a loop also
            # removes its waiting messages.
            while mixer.frame < self.frames and (ahead := entry.horizon - max(mixer.horizon, MIX_AHEAD_FRAMES)) > 0:
                yield mixer.pull(min(block_frames, ahead, self.frames - mixer.frame))
            if isinstance(entry.message, PlaceLoop) and entry.request is not None:
                self._requests[entry.message.loop.loop] = with_steps(entry.request, self._steps)
            message = entry.message
            if isinstance(message, AttachInsert):
                message = self._hosts.attach(message, mixer.grid.bpm)
            mixer.schedule(message)
        while mixer.frame < self.frames:
            yield mixer.pull(min(block_frames, self.frames - mixer.frame))

    def _samples(self, ref: LoopRef) -> Samples:
        request = self._requests.get(ref.loop)
        if request is None:
            raise JournalError(f"the journal has no request for loop {ref.loop}; it is damaged")
        samples = self._audio.get(request)
        if samples is None:
            samples = self._audio[request] = self._family(request.model).render(request, lambda: None).audio
            self.renders += 1
            if len(self._audio) > _KEPT_LOOPS:
                self._audio.popitem(last=False)
        self._audio.move_to_end(request)
        if samples.shape[2] == 2 and ref.channels == 1:  # a set from before the bundled model was stereo
            samples = samples.mean(axis=2, keepdims=True)
        if samples.shape != (len(ref.stems), ref.frames, ref.channels):
            raise RendererError(
                f"a loop of the set had {ref.frames} frames, {len(ref.stems)} stems and {ref.channels} channels, but "
                f"its replay has {samples.shape[1]}, {len(samples)} and {samples.shape[2]}: the model is not the same"
            )
        return samples

    def _family(self, name: str) -> Family:
        if name not in self._families:
            family = self._families[name] = self._load(name)
            self.same_weights = self.same_weights and family.weights_digest[:NAME_DIGITS] == self._digest
        return self._families[name]


def changed_files(requests: Iterable[RenderRequest]) -> tuple[str, ...]:
    """The ``init`` files whose content differs from the hash in a request, in alphabetical order.

    Requests without a hash (from an old journal) are not checked. Raises ``AudioFileError`` for an unreadable file.
    """
    changed = set()
    for path, stamp in {(request.init, request.init_hash) for request in requests if request.init_hash}:
        try:
            if stamp not in (init_hash(path), file_hash(path)):  # an older journal's leaves masks out
                changed.add(path)
        except AudioFileError as error:
            raise AudioFileError(f"loops of the set start from {path}; restore that file: {error}") from error
    return tuple(sorted(changed))


def load_replay_family(name: str) -> Family:
    """The family ``name``, with torch set as in the renderer process; ``ModelError`` when there is none."""
    import torch

    from riffengine.renderer.registry import load_family

    torch.set_num_threads(THREADS)
    return load_family(name)


def replay_file(
    recording: Recording,
    output: Path,
    load: LoadFamily,
    steps: int | None = None,
    progress: Callable[[int, int], None] = lambda done, of: None,
    say: Callable[[str], None] = lambda _: None,
) -> ReplayReport:
    """Play ``recording`` into ``output``, in the formats of ``--record``: .wav float32, .flac 24 bit.

    Before rendering, ``say`` gets a line for every reason why the sound will differ.
    Raises ``AudioFileError`` when the file cannot be written, ``JournalError`` and what the renderer raises.
    """
    if output.suffix.lower() not in FORMATS:
        raise AudioFileError(f"{output.name}: the file name must end in {' or '.join(FORMATS)}")
    replay = Replay(recording, load, steps)
    for path in replay.changed_files:
        say(
            f"{path} has changed since the set was played, so its loops will sound different; "
            "restore the file and render again to hear the same set"
        )
    for failure in replay.plugin_failures:
        say(f"the replay will differ from what was heard: {failure}")
    kind, subtype = FORMATS[output.suffix.lower()]
    if kind == "WAV" and replay.frames * CHANNELS * 4 > LONGEST_WAV_BYTES:
        kind = "RF64"
    peak, done = 0.0, 0
    try:
        with soundfile.SoundFile(
            output, "w", samplerate=replay.sample_rate, channels=CHANNELS, format=kind, subtype=subtype
        ) as file:
            for block in replay.blocks():
                file.write(block)
                peak = max(peak, float(np.abs(block).max()))
                done += len(block)
                progress(done, replay.frames)
    except (soundfile.LibsndfileError, OSError) as error:
        raise AudioFileError(f"{output} cannot be written: {reason(error)}; choose another folder") from error
    report = ReplayReport(
        output=str(output),
        frames=replay.frames,
        sample_rate=replay.sample_rate,
        seconds=replay.frames / replay.sample_rate,
        messages=replay.messages,
        renders=replay.renders,
        damaged_lines=replay.damaged_lines,
        refused_messages=replay.refused_messages,
        peak=peak,
        same_weights=replay.same_weights,
        changed_files=replay.changed_files,
    )
    return replace(report, same_weights=report.same_weights and steps is None)
