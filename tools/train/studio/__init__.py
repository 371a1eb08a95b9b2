"""The studio that renders compositions in stereo: instruments, effects, mix and master, all by our own code."""
