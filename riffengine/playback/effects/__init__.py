"""Effects on a deck."""
