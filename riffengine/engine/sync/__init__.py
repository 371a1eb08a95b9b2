"""Following an external tempo: the leaders there are, and the grid kept on their beat."""
