"""The codec: converts loops to mel images and back. Circular, deterministic, at any tempo."""

from riffengine.renderer.codec.codec import Codec
from riffengine.renderer.codec.params import CodecParams

__all__ = ["Codec", "CodecParams"]
