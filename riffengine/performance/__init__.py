"""What the performer wants: the one parameter tree, the frozen state, the walk, the journal."""
