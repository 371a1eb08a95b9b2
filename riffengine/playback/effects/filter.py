"""DeckFilter: a filter with one knob: a low-pass to the left, a high-pass to the right, off in the middle.

A Butterworth filter of fourth order (24 dB per octave, flat where it passes, never louder than its input) as two state
variable filters in series (A. Simper, Solving the continuous SVF equations using trapezoidal integration, 2013).

Recursion sample by sample is too slow in Python and a convolution long enough for 60 Hz costs more than the mixer. So
32 frames of absolute time are one product with a fixed 36 × 36 matrix: 32 inputs and 4 states give 32 outputs and the
next 4 states. A piece that ends inside such a chunk is computed with zeros for the frames still to come: they do not
affect earlier ones, and the product has the same shape and order of additions for every size of block.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from riffengine.playback.ramp import Control, Ramp
from riffengine.processes.audio import Block

CHUNK_FRAMES = 32
"""The knob is read once in this many frames: every 0.7 ms, 1500 times a second."""

_STATES = 4
_ORDER = CHUNK_FRAMES + _STATES
_POSITIONS = 256  # of the knob on either side: 2.3 % in frequency from one to the next
_DRY = 1 / 16  # of the knob's travel, over which the filtered sound replaces the dry one
_LOWEST_HZ, _HIGHEST_HZ = 60.0, 20_000.0  # of the low-pass, at the end of the knob's travel and at its beginning
_HIGH_PASS_HZ = 20.0, 8_000.0
_QS = 0.541196100146197, 1.306562964876377  # 1 / (2 cos 22.5°), 1 / (2 cos 67.5°)

Matrix = NDArray[np.float64]
_RISE: Matrix = np.arange(1, CHUNK_FRAMES + 1) / CHUNK_FRAMES
_ALL: Matrix = np.ones(CHUNK_FRAMES)


class DeckFilter:
    """The filter of one deck, ``channels`` wide. ``knob`` is −1 … 1; at rest on 0 every sample stays as it is."""

    def __init__(self, sample_rate: int, channels: int, knob: Ramp | None = None) -> None:
        self._sample_rate, self._channels = sample_rate, channels
        self.knob = knob or Ramp(0.0)
        self.controls = {"filter": Control(self.knob, low=-1.0, high=1.0)}
        self._running = False
        self._stages = tuple(_Stage(table, channels) for table in _tables(sample_rate))
        self._next = -1  # the frame that follows what was last processed
        self._held: float | None = None  # where the knob was for a whole chunk: another chunk begins in the same way

    def twin(self) -> DeckFilter:
        """Another filter with the same knob."""
        return DeckFilter(self._sample_rate, self._channels, self.knob)

    def runs(self, frame: int) -> bool:
        """Whether the piece that begins at ``frame`` must pass through ``process``; changes between chunks only."""
        if self._running and self._next != frame:  # frames were skipped: the sound before is unknown
            self._running = False
        if frame % CHUNK_FRAMES == 0:
            if self._running and self._idle and all(stage.rests for stage in self._stages):
                self._running = False
            elif not self._running and not self._idle:
                self._running = True
                self._next = frame
                self._held = None
                for stage in self._stages:
                    stage.reset()
        return self._running

    def cut(self, frame: int) -> int | None:
        """The next frame on which ``runs`` may change, ``None`` while it cannot."""
        return (frame // CHUNK_FRAMES + 1) * CHUNK_FRAMES if self._running == self._idle else None

    @property
    def _idle(self) -> bool:
        return self.knob.end_frame is None and self.knob.target == 0.0

    def process(self, sound: Block, frame: int) -> None:
        """Filter ``(frames, channels) float32`` in place."""
        done, frames = 0, len(sound)
        while done < frames:
            offset = (frame + done) % CHUNK_FRAMES
            run = min(frames - done, CHUNK_FRAMES - offset)
            whole = False
            if offset == 0:
                self._begin(frame + done)
                whole = run == CHUNK_FRAMES and self._knob_rests
            if whole:  # all remaining chunks begin like this one
                run = (frames - done) // CHUNK_FRAMES * CHUNK_FRAMES
            piece = sound[done : done + run]
            for stage in self._stages:
                if stage.rests:
                    continue
                if whole:
                    stage.filter_chunks(piece)
                else:
                    stage.filter(piece, offset)
            done += run
        self._next = frame + frames

    def _begin(self, frame: int) -> None:
        before, after = self.knob.at(frame), self.knob.at(frame + CHUNK_FRAMES)
        if before == after == self._held and self._stages[0].steady and self._stages[1].steady:
            return
        self._held = after if before == after else None
        self._stages[0].begin(max(-before, 0.0), max(-after, 0.0))
        self._stages[1].begin(max(before, 0.0), max(after, 0.0))

    @property
    def _knob_rests(self) -> bool:
        rests = self.knob.end_frame is None and self._held == self.knob.target
        return rests and self._stages[0].steady and self._stages[1].steady


class _Stage:
    """Low-pass or high-pass: the frames of the chunk so far, the states at its start, and how wet it is."""

    def __init__(self, table: Matrix, channels: int) -> None:
        self._table = table
        self._matrix = table[0]
        self._input = np.zeros((_ORDER, channels))
        self._output = np.zeros((_ORDER, channels))
        self._wet: Matrix = np.zeros(CHUNK_FRAMES)
        self._wet_end = 0.0
        self.rests = True

    def reset(self) -> None:
        self._input[:] = 0.0
        self._wet_end = 0.0
        self.rests = True

    def begin(self, before: float, after: float) -> None:
        """Begin a chunk in which the knob goes from ``before`` to ``after`` (0 … 1, 0 is dry)."""
        wet = min(after / _DRY, 1.0)
        if wet == 0.0 and self._wet_end == 0.0:
            if not self.rests:
                self.reset()
            return
        self.rests = False
        # From where the last chunk ended, even if the knob has jumped meanwhile: no click.
        self._wet = _ALL if wet == self._wet_end == 1.0 else self._wet_end + (wet - self._wet_end) * _RISE
        self._wet_end = wet
        self._matrix = self._table[max(round(max(before, after) * _POSITIONS), 1) - 1]

    @property
    def steady(self) -> bool:
        """Whether the next chunk would begin like this one if the knob does not move."""
        return self.rests or self._wet is _ALL

    def filter_chunks(self, sound: Block) -> None:
        """Filter whole chunks in place, with the knob at rest and the sound fully wet."""
        given, states = self._input[:CHUNK_FRAMES], self._input[CHUNK_FRAMES:]
        heard, after = self._output[:CHUNK_FRAMES], self._output[CHUNK_FRAMES:]
        for start in range(0, len(sound), CHUNK_FRAMES):
            chunk = sound[start : start + CHUNK_FRAMES]
            given[:] = chunk
            np.matmul(self._matrix, self._input, out=self._output)
            chunk[:] = heard
            states[:] = after

    def filter(self, sound: Block, offset: int) -> None:
        """Filter ``sound``, which begins at ``offset`` in the chunk, in place; earlier frames are filtered already."""
        end = offset + len(sound)
        self._input[offset:end] = sound
        if offset == 0 and end < CHUNK_FRAMES:  # clear what the last chunk left for frames still to come
            self._input[end:CHUNK_FRAMES] = 0.0
        np.matmul(self._matrix, self._input, out=self._output)
        dry, wet = self._input[offset:end], self._output[offset:end]
        sound[:] = wet if self._wet is _ALL else dry + (wet - dry) * self._wet[offset:end, None]
        if end == CHUNK_FRAMES:
            self._input[CHUNK_FRAMES:] = self._output[CHUNK_FRAMES:]


@lru_cache(maxsize=4)
def _tables(sample_rate: int) -> tuple[Matrix, Matrix]:
    """Matrices ``(positions, 36, 36)`` of the low-pass and of the high-pass, for the knob at 1/256, 2/256 … 1."""
    travel = np.arange(1, _POSITIONS + 1) / _POSITIONS
    low, high = _HIGH_PASS_HZ
    return (
        _matrices(_HIGHEST_HZ * (_LOWEST_HZ / _HIGHEST_HZ) ** travel, sample_rate, high_pass=False),
        _matrices(low * (high / low) ** travel, sample_rate, high_pass=True),
    )


def _matrices(hz: Matrix, sample_rate: int, high_pass: bool) -> Matrix:
    """The matrix of every cutoff ``hz``: the responses over 32 frames to each of the states alone and to an impulse."""
    count = len(hz)
    states = np.zeros((_STATES, count, _STATES + 1))
    for state in range(_STATES):
        states[state, :, state] = 1.0
    g = np.tan(math.pi * np.minimum(hz / sample_rate, 0.45))[:, None]
    outputs, after = np.zeros((CHUNK_FRAMES, count, _STATES + 1)), np.zeros((CHUNK_FRAMES, *states.shape))
    for frame in range(CHUNK_FRAMES):
        signal = np.zeros((count, _STATES + 1))
        signal[:, _STATES] = 1.0 if frame == 0 else 0.0
        for section, q in enumerate(_QS):
            first, second = states[2 * section], states[2 * section + 1]
            a1 = 1.0 / (1.0 + g * (g + 1.0 / q))
            v3 = signal - second
            v1 = a1 * first + g * a1 * v3
            v2 = second + g * a1 * first + g * g * a1 * v3
            states[2 * section], states[2 * section + 1] = 2.0 * v1 - first, 2.0 * v2 - second
            signal = signal - v1 / q - v2 if high_pass else v2
        outputs[frame], after[frame] = signal, states
    matrices = np.zeros((count, _ORDER, _ORDER))
    for column in range(CHUNK_FRAMES):
        left = CHUNK_FRAMES - column
        matrices[:, column:CHUNK_FRAMES, column] = outputs[:left, :, _STATES].T
        matrices[:, CHUNK_FRAMES:, column] = after[left - 1, :, :, _STATES].T
    for state in range(_STATES):
        matrices[:, :CHUNK_FRAMES, CHUNK_FRAMES + state] = outputs[:, :, state].T
        matrices[:, CHUNK_FRAMES:, CHUNK_FRAMES + state] = after[-1, :, :, state].T
    return matrices
