"""How large a pool may be, and what it keeps where nothing is said. Imports nothing, as presets need it."""

MOST_RENDERERS = 64
"""Renderer processes of one machine."""
MOST_CLIENTS = 32
"""Sets that use the pool of one machine."""
MOST_ACTORS = 1000
"""Of a Ray cluster for one pool."""
MEMORY_MB = 128.0
"""Of finished loops that a pool keeps in memory: about 60 of three mono stems at 120 bpm."""
DISK_MB = 2000.0
"""Of files in a disk cache."""
