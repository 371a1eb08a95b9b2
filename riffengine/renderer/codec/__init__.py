"""The codec converts loops to mel images and back.

It is circular in time, deterministic, and works at any tempo.
"""

from riffengine.renderer.codec.codec import Codec
from riffengine.renderer.codec.params import CodecParams

__all__ = ["Codec", "CodecParams"]
