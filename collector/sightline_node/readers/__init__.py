"""What a reader may do: the lists, the judgement of a statement, the engine's roles, and keys."""
