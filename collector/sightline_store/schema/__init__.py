"""The schema: its statements, how a store comes up to date, and what in it is not as it should be."""
