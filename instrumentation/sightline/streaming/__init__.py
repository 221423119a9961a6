"""Streams of a model: first content, stalls, chunks and usage, and one ended span however a stream ends."""
