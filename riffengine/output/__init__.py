"""Output: pulls blocks from the mixer for a sound device or a clock, and records them; the player process."""
