"""How much content spans hold: a setting that every captured value asks for."""

import enum


class Capture(enum.StrEnum):
    """How much of arguments, results, prompts and documents goes onto spans."""

    NONE = "none"
    """Nothing."""
    LENGTHS = "lengths"
    """Lengths only."""
    TRUNCATED = "truncated"
    """Text, redacted, cut at ``capture_max_chars``."""
    FULL = "full"
    """Text, redacted, cut only at 256 KiB an attribute."""
