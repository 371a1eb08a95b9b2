"""AudioSocket: what a listener by WebSocket is sent besides packets: the format and the beat grid. Pure."""

from __future__ import annotations

import json

from riffengine.transport.beat_grid import BeatGrid
from riffengine.web.packets import Encoder

TARGET_SECONDS = {"pcm": 0.060, "opus": 0.060}
"""How far behind the newest packet a page should play: on loopback gaps between packets reach 50 ms (p99).

Opus has some 5 ms of delay besides: its look-ahead, the resampler and the browser's decoder.
"""


def format_text(codec: str, encoder: Encoder, channels: int, source_rate: int) -> str:
    """The first message of an audio socket."""
    return json.dumps(
        {
            "type": "format",
            "codec": codec,
            "rate": encoder.rate,
            "channels": channels,
            "packet_frames": encoder.packet_frames,
            "target_frames": round(TARGET_SECONDS[codec] * encoder.rate),
            "ratio": encoder.rate / source_rate,
        }
    )


def grid_text(encoder: Encoder, grid: BeatGrid, loop_beats: int, reset: bool) -> str:
    """The beat grid in frames of the stream; ``reset``: what is older was played at another tempo."""
    ratio = encoder.rate / grid.sample_rate
    return json.dumps(
        {
            "type": "grid",
            "frame": grid.anchor_frame * ratio,
            "beat": grid.anchor_beat,
            "bpm": grid.bpm,
            "beat_frames": grid.frames_per_beat * ratio,
            "loop_frames": loop_beats * grid.frames_per_beat * ratio,
            "reset": reset,
        }
    )
