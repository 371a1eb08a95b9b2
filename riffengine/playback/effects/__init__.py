"""Effects on the sound of a deck: their protocol, their registry, and the filter."""
