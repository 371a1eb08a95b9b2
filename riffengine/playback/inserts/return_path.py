"""ReturnPath: what one host process gives back for an insert, and how much of it is heard at each frame.

An answer that does not come in time leaves a gap. The sound before the gap is then played backwards from its last
frame on while it fades out within 5 ms, so that neither a step nor silence is heard; after the gap it fades in again.
"""

from __future__ import annotations

from bisect import insort
from collections import deque
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

from riffengine.playback.inserts.ring import Ring
from riffengine.processes.audio import CHANNELS, Block
from riffengine.processes.player_messages import AttachInsert
from riffengine.processes.plugin_blocks import BLOCK_FRAMES, MOST_NOTES, SLOTS, BlockNote, PluginBlocks

FADE_SECONDS = 0.005

RUNAWAY = 64.0
"""+36 dBFS: what is louder than this is a plugin out of control, not music."""

SEND_PULL_FRAMES = 1024
"""Sends are led as if the output pulled so much at once, or more (23 ms at 44.1 kHz)."""

_WAIT_SECONDS = 10.0  # for one answer, where it is waited for
_STALE_BLOCKS = SLOTS - 16


class ReturnPath:
    """The answers of one host. ``waiting``: for rendering that is not live, where every answer is waited for.

    Counters: ``gaps`` in what is heard of it, ``refused`` blocks that were not finite or too loud. Mixer's thread only.
    """

    def __init__(self, message: AttachInsert, sample_rate: int, waiting: bool = False) -> None:
        self.message = message
        self.blocks = PluginBlocks.attach(message.segment)
        self.latency_frames = message.latency_frames
        self.leaving = False
        self.gaps = 0
        self.refused = 0
        self._fade_frames = round(FADE_SECONDS * sample_rate)
        self._rising = np.linspace(0.0, 1.0, self._fade_frames + 1).astype(np.float32)[:, None]
        self._waiting = waiting
        self._ring = Ring(CHANNELS)
        self._runs: deque[list[int]] = deque()  # frames of answered sound: [first, end], in order, with gaps between
        self._asked: int | None = None  # the next block to ask for
        self._most_latency = 0  # that an answer had so far
        self._next = 0  # the next block to be answered
        self._origin = 0  # plugins begin with silence: what they say of frames before this is not our sound
        self._held_until = 0
        self._share = 0  # how far it has faded in, 0 … fade_frames
        self._mirror: int | None = None  # the frame from which the sound before is played backwards
        self._notes: list[tuple[int, tuple[int, int, int]]] = []  # frame, three bytes, in order
        self._changes: list[tuple[int, int, float]] = []  # frame, number of the parameter, value

    def lead(self, end: int) -> int:
        """How many frames before it is heard the sound must be sent, where the pulls read up to ``end``.

        What is read with the next pull must have been sent with the present one, and in whole blocks: where every pull
        is a multiple of a block, ``end`` is the same in each block, and the least lead is known.
        """
        pull = self.message.pull_frames
        if self.message.place.startswith("send/"):
            # The sound on a send bus has the level that faders have so much later. The same for every device.
            pull = max(pull, SEND_PULL_FRAMES) // BLOCK_FRAMES * BLOCK_FRAMES + 1
        least = pull + min(self.latency_frames, self.message.most_latency)
        return least + (BLOCK_FRAMES if pull % BLOCK_FRAMES else -(end + least) % BLOCK_FRAMES)

    @property
    def heard(self) -> bool:
        """Whether any of it is heard."""
        return self._share > 0

    @property
    def waits_for(self) -> int | None:
        """The next block that it asks for, ``None`` before the first."""
        return self._asked

    def start_at(self, frame: int) -> None:
        """Begin with the first whole block from ``frame`` on."""
        self._asked = self._next = -(-frame // BLOCK_FRAMES)
        self._most_latency = self.latency_frames
        self._origin = self._asked * BLOCK_FRAMES

    def change(self, number: int, value: float, frame: int) -> None:
        """Have parameter ``number`` go to ``value`` with the block that holds ``frame``."""
        self._changes.append((frame, number, value))

    def take_changes(self, end: int, most: int) -> list[tuple[int, float]]:
        """The changes due before ``end``, at most ``most``; those left over stay due."""
        if not self._changes:
            return []
        due = [entry for entry in self._changes if entry[0] < end][:most]
        for entry in due:
            self._changes.remove(entry)
        return [(number, value) for _, number, value in due]

    def play(self, frame: int, data: tuple[int, int, int]) -> None:
        """Give the plugins a MIDI message at ``frame``."""
        insort(self._notes, (frame, data), key=itemgetter(0))

    def cancel_notes(self, frame: int) -> None:
        """Forget the MIDI messages from ``frame`` on."""
        self._notes = [entry for entry in self._notes if entry[0] < frame]

    def _take_notes(self, begin: int) -> list[BlockNote]:
        if not self._notes or self._notes[0][0] >= begin + BLOCK_FRAMES:
            return []
        due = [entry for entry in self._notes if entry[0] < begin + BLOCK_FRAMES][:MOST_NOTES]
        del self._notes[: len(due)]
        return [BlockNote(max(0, frame - begin), data) for frame, data in due]

    def ask(self, sound: Block, beat: float, bpm: float, changes: list[tuple[int, float]]) -> None:
        """Ask for the next block."""
        assert self._asked is not None
        notes = self._take_notes(self._asked * BLOCK_FRAMES)
        self.blocks.ask(self._asked, sound, beat, bpm, changes, notes)
        self._asked += 1

    def collect(self, needed: int) -> None:
        """Take the answers that are there; where answers are waited for, all up to frame ``needed``."""
        if self._asked is None:
            return
        while self._next < self._asked:
            if self._waiting and self._next * BLOCK_FRAMES - self._most_latency < needed:
                self.blocks.wait_answer(self._next, _WAIT_SECONDS)
            answered_to = self.blocks.answered_to  # read before the answer, which may come in between
            answer = self.blocks.answer(self._next)
            if answer is not None:
                self._keep(self._next, *answer)
            elif answered_to <= self._next and self._asked - self._next <= _STALE_BLOCKS:
                return  # it may still come
            else:  # another host has taken over after it, or the same one after a while
                self._origin = (self._next + 1) * BLOCK_FRAMES
            self._next += 1

    def _keep(self, block: int, sound: Block, latency: int) -> None:
        peak = max(float(sound.max()), -float(sound.min()))
        if not peak <= RUNAWAY:  # NaN too
            self.refused += 1
            return
        latency = min(max(latency, 0), self.message.most_latency)
        self._most_latency = max(self._most_latency, latency)
        first = block * BLOCK_FRAMES - latency
        end, runs = first + BLOCK_FRAMES, self._runs
        if runs and first < runs[-1][1]:  # the latency has grown: leave out what would come twice
            first = runs[-1][1] + self._fade_frames
        first = max(first, self._origin)
        if first >= end:
            return
        sound = sound[first - end :]
        if runs and runs[-1][1] == first:
            runs[-1][1] = end
        else:
            runs.append([first, end])
        self._ring.write(first, sound)

    # --- what is heard ----------------------------------------------------------------------------------------------

    def answered(self, frame: int) -> bool:
        """Whether there is an answer for ``frame``; those for frames before it are forgotten."""
        runs = self._runs
        while runs and runs[0][1] <= frame:
            runs.popleft()
        return bool(runs) and runs[0][0] <= frame

    def sounds(self, frame: int) -> bool:
        """Whether it is heard at ``frame``, or fades in."""
        return self.answered(frame) and not self.leaving and frame >= self._held_until

    def hold_until(self, frame: int) -> None:
        """Do not fade in before ``frame``: until then the sound is not sent early enough."""
        self._held_until = max(self._held_until, frame)

    def span(self, frame: int, frames: int) -> int:
        """How many of ``frames`` from ``frame`` on ``weigh`` can do at once, at least 1."""
        answered, share = self.answered(frame), self._share
        if self._mirror is None and share > 0 and not answered:
            self._mirror = frame
            self.gaps += not self.leaving
        if self._mirror is not None:
            return min(frames, share)
        if answered:
            frames = min(frames, self._runs[0][1] - frame)
        if share > 0 and self.leaving:
            return min(frames, share)
        begins = max(self._runs[0][0] if self._runs else frame, self._held_until)
        if self.leaving or not self._runs or frame < begins:  # dry
            return frames if self.leaving or frame >= begins else min(frames, begins - frame)
        return frames if share == self._fade_frames else min(frames, self._fade_frames - share)

    def weigh(self, frame: int, out: Block) -> NDArray[np.float32] | float:
        """Write its sound to ``out``, and return its share of what is heard, ``(frames, 1)`` or 0 or 1.

        ``span`` has been asked for ``frame`` first, and ``out`` is no longer than that.
        """
        frames, share = len(out), self._share
        if self._mirror is not None:
            back = 2 * self._mirror - frame  # one after the last frame of the backwards piece
            self._ring.read(back - frames, out)
            out[:] = out[::-1].copy()
            return self._fall(frames)
        if share == 0 and (self.leaving or frame < self._held_until or not self.answered(frame)):
            return 0.0
        self._ring.read(frame, out)
        if self.leaving:
            return self._fall(frames)
        if share == self._fade_frames:
            return 1.0
        self._share = share + frames
        return self._rising[share : self._share]

    def _fall(self, frames: int) -> NDArray[np.float32]:
        share = self._share
        self._share = share - frames
        if self._share == 0:
            self._mirror = None
        return self._rising[self._share + 1 : share + 1][::-1]

    def close(self) -> None:
        """Let go of the memory."""
        self.blocks.close()
