"""What a reader may do: the lists of allowed names, the check of a statement, the engine's roles, and keys."""
