"""Riffengine: latent diffusion that can be played. Importing it loads neither torch nor PortAudio."""

from riffengine.errors import RiffError

__version__ = "0.1.0"
__all__ = ["RiffError", "__version__"]
