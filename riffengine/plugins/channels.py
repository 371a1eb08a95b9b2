"""Channels: how stereo sound meets the audio channels of a plugin, whatever their number."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from riffengine.processes.audio import CHANNELS, Block

_CHANNEL = NDArray[np.float32]


class Channels:
    """The buffers of a plugin's main inputs and outputs, ``(block_frames,) float32`` each, one list for each instance.

    A plugin of one input and one output is run twice, once a channel. Otherwise one instance gets left and right in its
    first two inputs (or their mean in its only one), silence in the others, and gives its first two outputs. An only
    output is heard in both channels. A plugin without outputs, such as a meter, leaves the sound as it is.
    """

    def __init__(self, inputs: int, outputs: int, block_frames: int) -> None:
        self.instances = CHANNELS if inputs == outputs == 1 else 1
        self.inputs = _buffers(self.instances, inputs, block_frames)
        self.outputs = _buffers(self.instances, outputs, block_frames)

    def put(self, sound: Block) -> None:
        """Copy a stereo block to the inputs."""
        if self.instances > 1:
            for channel, buffers in enumerate(self.inputs):
                buffers[0][:] = sound[:, channel]
            return
        buffers = self.inputs[0]
        if len(buffers) == 1:
            np.add(sound[:, 0], sound[:, 1], out=buffers[0])
            buffers[0] *= 0.5
        elif buffers:
            buffers[0][:] = sound[:, 0]
            buffers[1][:] = sound[:, 1]

    def take(self, sound: Block) -> None:
        """Copy the outputs to a stereo block."""
        if self.instances > 1:
            for channel, buffers in enumerate(self.outputs):
                sound[:, channel] = buffers[0]
            return
        buffers = self.outputs[0]
        if buffers:
            sound[:, 0] = buffers[0]
            sound[:, 1] = buffers[min(1, len(buffers) - 1)]


def _buffers(instances: int, channels: int, frames: int) -> list[list[_CHANNEL]]:
    return [[np.zeros(frames, np.float32) for _ in range(channels)] for _ in range(instances)]
