"""What all families of checkpoints share: finding and fetching them, and reading their configurations and weights."""
