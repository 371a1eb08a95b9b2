"""Inserts: sound that leaves the mixer for plugins in other processes, and comes back on the frame that it left for."""
