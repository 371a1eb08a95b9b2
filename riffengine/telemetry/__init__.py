"""How a performance stands: one frozen observation, the observers that get it, the status line."""
