"""Statements on their way through the engine: connections, threads, sessions, pipes, and what runs now."""
