"""A pool of renderers that the engine uses as one: local processes, other machines, and a cache of finished loops."""
