"""HeardSound: what the leading host has really heard, for the recorder.

An output that follows a host mixes more than is heard: what was written for a place that the host has left, and what is
written again while it stands. What is recorded is what the host has read, in the order in which it did, with its own
fades; while it stands nothing is recorded.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from riffengine.output.host_mix import HostMix
from riffengine.processes.audio import Block
from riffengine.processes.daw_ring import DawRing, Progress

FADE_FRAMES = 64
"""The plugin's own fade where it goes from one run to another, comes back after a gap, or stops (``reader.h``)."""

_SPANS_KEPT = 512


@dataclass(frozen=True)
class Written:
    """Frames ``first`` to ``first + frames`` of a ring hold, in ``run``, the mixer's frames from ``position`` on."""

    first: int
    frames: int
    position: float
    run: int


class HeardSound:
    """Follows the reading of one ring. The output's thread only; ``mix`` passes the sound to the recorder."""

    def __init__(self, mix: HostMix) -> None:
        self._mix = mix
        self._step = 1.0
        self._spans: deque[Written] = deque(maxlen=_SPANS_KEPT)
        self._last: Progress | None = None
        self._rolled = False  # at that look
        self._fade_in = False
        self._tail: Block | None = None  # of a host that asks for nothing any more: it may have died, or go on

    def leads(self, ring: DawRing | None) -> None:
        """Another ring leads from now on."""
        if self._tail is not None:
            self._put(self._tail)
            self._tail = None
        self._spans.clear()
        self._last, self._rolled = None, False
        if ring is not None:
            self._step = self._mix.sample_rate / ring.rate

    def wrote(self, span: Written) -> None:
        """A block was written to the leader's ring."""
        self._spans.append(span)

    def rolls(self, ring: DawRing) -> None:
        """The host rolls: record what it has read since the last look."""
        before, now, rolled = self._last, ring.progress(), self._rolled
        self._last, self._rolled, self._tail = now, True, None
        if before is None:
            self._fade_in = True
        elif rolled:
            self._passed(before, now, now.frames - before.frames)
        else:  # it started in one of the blocks since then: as much was read as the place has moved
            moved = now.read - before.read + now.silent - before.silent
            self._passed(before, now, min(max(moved, 0), now.frames - before.frames))

    def stands(self, ring: DawRing, frames: int | None) -> None:
        """The host stands since ``frames``: the plugin lets the sound end softly, and goes on there when it starts.

        ``None``: it has not said so, and asks for nothing any more. If it goes on, nothing was between.
        """
        before, now, rolled = self._last, ring.progress(), self._rolled
        self._last, self._rolled = now, rolled and frames is None
        if before is None or not rolled:
            return
        end = now.frames if frames is None else min(frames, now.frames)
        self._passed(before, now, end - before.frames)
        if self._tail is None or now != before:
            self._tail = self._sound(now.read, FADE_FRAMES)
            self._tail *= (np.arange(len(self._tail))[::-1] / max(1, len(self._tail))).astype(np.float32)[:, None]
        if frames is not None:
            self._put(self._tail)
            self._fade_in, self._tail = False, None

    def _passed(self, before: Progress, now: Progress, passed: int) -> None:
        """Record ``passed`` frames between two looks: old music, silence where there was none, new music."""
        if passed <= 0:
            return
        silent = min(now.silent - before.silent, passed)
        if not silent and now.read == before.read + passed:
            self._put(self._sound(before.read, passed))
            return
        found = self._span(now.read - 1)
        new = 0
        if found is not None and silent < passed and not self._same_run(found, before.read - 1):
            new = min(passed - silent, now.read - self._run_first(found))
        old = passed - silent - new
        self._put(self._sound(before.read, old))
        if silent:
            self._put(np.zeros((round(silent * self._step), self._mix.channels), np.float32))
            self._fade_in = True
        if new:
            sound = self._sound(now.read - new, new)
            if not silent:
                _crossfade(self._rest(before.read, old), sound)
            self._put(sound)

    def _put(self, sound: Block) -> None:
        if len(sound) == 0:
            return
        if self._fade_in and sound.any():
            fade = min(FADE_FRAMES, len(sound))
            sound[:fade] *= (np.arange(1, fade + 1) / (fade + 1)).astype(np.float32)[:, None]
            self._fade_in = False
        self._mix.heard(sound)

    def _sound(self, first: int, frames: int) -> Block:
        """``frames`` of the ring from index ``first`` on, as the mixer has them; what was never written is silent."""
        pieces = []
        while frames > 0:
            span = self._span(first)
            if span is None:
                pieces.append(np.zeros((round(frames * self._step), self._mix.channels), np.float32))
                break
            run = min(frames, span.first + span.frames - first)
            begin = round(span.position + (first - span.first) * self._step)
            end = round(span.position + (first - span.first + run) * self._step)
            pieces.append(self._mix.master(begin, end - begin))
            first, frames = first + run, frames - run
        return np.concatenate(pieces) if pieces else np.zeros((0, self._mix.channels), np.float32)

    def _rest(self, read: int, old: int) -> Block:
        """What the old run had left after ``old`` frames from ``read`` on, as far as the plugin fades it out."""
        index = read + old
        span = self._span(index)
        if span is None or not self._same_run(span, read if old else read - 1):
            return np.zeros((0, self._mix.channels), np.float32)
        return self._sound(index, min(FADE_FRAMES, span.first + span.frames - index))

    def _span(self, index: int) -> Written | None:
        return next((s for s in reversed(self._spans) if s.first <= index < s.first + s.frames), None)

    def _same_run(self, span: Written, index: int) -> bool:
        other = self._span(index)
        return other is not None and other.run == span.run

    def _run_first(self, span: Written) -> int:
        return min(s.first for s in self._spans if s.run == span.run)


def _crossfade(old: Block, new: Block) -> None:
    """Go from ``old`` to ``new``, in place, as the plugin does."""
    fade = min(len(old), len(new))
    share = (np.arange(1, fade + 1) / (fade + 1)).astype(np.float32)[:, None]
    new[:fade] = share * new[:fade] + (1.0 - share) * old[:fade]
