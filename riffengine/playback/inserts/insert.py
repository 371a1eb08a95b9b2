"""Insert: a place in the mixer where sound goes through plugins, aligned to the frame with what did not."""

from __future__ import annotations

import numpy as np

from riffengine.playback.inserts.return_path import ReturnPath
from riffengine.playback.inserts.ring import Ring
from riffengine.processes.audio import CHANNELS, Block
from riffengine.processes.plugin_blocks import BLOCK_FRAMES, MOST_CHANGES
from riffengine.transport.beat_grid import BeatGrid

PIECE_FRAMES = 1024
"""The most that is read at once."""


class Insert:
    """Sound is fed in ahead of time, in order of frames, and read later on the frames it belongs to.

    Without a host it only keeps the sound. ``dry``: whether the sound itself is heard where the plugins are not; a send
    gives back nothing then. ``width`` is 2 or more channels, of which the first two go through the plugins. Mixer's
    thread only.
    """

    def __init__(self, fed: int, read_to: int, width: int = CHANNELS, dry: bool = True) -> None:
        self.fed = fed
        self.read_to = read_to
        self.gaps = 0  # of hosts that have gone
        self.paths: list[ReturnPath] = []  # the newest last; those before it fade out
        self._dry = dry
        self._ring = Ring(width)
        self._wide = width > CHANNELS
        self._piece = np.zeros((BLOCK_FRAMES, width), dtype=np.float32)
        self._wet = np.zeros((PIECE_FRAMES, CHANNELS), dtype=np.float32)

    @property
    def path(self) -> ReturnPath | None:
        """The host that it goes to now."""
        return self.paths[-1] if self.paths and not self.paths[-1].leaving else None

    def attach(self, path: ReturnPath) -> None:
        """Go to another host, beside the present one until it is heard."""
        path.start_at(self.fed)
        self.paths.append(path)

    def detach(self) -> None:
        """Fade back to the sound without plugins."""
        for path in self.paths:
            path.leaving = True

    def feed(self, sound: Block, grid: BeatGrid) -> None:
        """Take ``(frames, width) float32``, which follows what was fed before; whole blocks go to the hosts."""
        self._ring.write(self.fed, sound)
        self.fed += len(sound)
        for path in self.paths:
            while (block := path.waits_for) is not None and (block + 1) * BLOCK_FRAMES <= self.fed:
                begin = block * BLOCK_FRAMES
                self._ring.read(begin, self._piece)
                changes = path.take_changes(begin + BLOCK_FRAMES, MOST_CHANGES)
                path.ask(self._piece[:, :CHANNELS], grid.beat_at(begin), grid.bpm, changes)

    def pass_over(self, fed: int, read_to: int) -> None:
        """Go on to these frames with nothing fed and nothing read, while there is no host."""
        self.fed, self.read_to = fed, read_to

    def collect(self, needed: int) -> None:
        """Take what the hosts have answered; ``needed`` is the frame after the last that is about to be read."""
        for path in self.paths:
            path.collect(needed)

    def read(self, out: Block) -> None:
        """Write the next ``len(out)`` frames to ``out`` ``(frames, width)``; they must have been fed."""
        frames = len(out)
        if self._dry:
            self._ring.read(self.read_to, out)
        else:
            out[:] = 0.0
        if self.paths:
            self._add_returns(out[:, :CHANNELS] if self._wide else out)
        self.read_to += frames

    def _add_returns(self, out: Block) -> None:
        done, frames = 0, len(out)
        while done < frames:
            at, run = self.read_to + done, min(frames - done, PIECE_FRAMES)
            newest = self.paths[-1]
            if len(self.paths) > 1 and newest.sounds(at):
                for path in self.paths[:-1]:
                    path.leaving = True
            for path in self.paths:
                run = path.span(at, run)
            piece, wet = out[done : done + run], self._wet[:run]
            alone = len(self.paths) == 1
            for path in self.paths:
                share = path.weigh(at, wet)
                if isinstance(share, float):
                    if share == 0.0:
                        continue
                    if alone:
                        piece[:] = wet
                        continue
                if self._dry:
                    wet -= self._dry_at(at, run, piece, alone)
                wet *= share
                piece += wet
            done += run
        gone = [path for path in self.paths if path.leaving and not path.heard]
        for path in gone:
            self.paths.remove(path)
            self.gaps += path.gaps
            path.close()

    def _dry_at(self, frame: int, frames: int, piece: Block, alone: bool) -> Block:
        """The sound without plugins: ``piece`` itself unless a path has been added to it already."""
        if alone:
            return piece
        dry = np.zeros((frames, self._ring.channels), dtype=np.float32)
        self._ring.read(frame, dry)
        return dry[:, :CHANNELS]
