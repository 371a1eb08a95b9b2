"""Reports the state of a performance: a frozen observation, its observers, and the status line."""
