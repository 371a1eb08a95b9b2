"""Following an external tempo: the leaders that there are, and the grid that follows their beat."""
