"""The state that the performer asks for: the parameter tree, the frozen state, scenes, drift, undo and the journal."""
