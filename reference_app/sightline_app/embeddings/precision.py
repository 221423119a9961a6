"""How the weights of a local model are stored and multiplied."""

from __future__ import annotations

import enum


class Precision(enum.StrEnum):
    """A choice of size, speed and exactness."""

    FP32 = "fp32"
    """As the weights were trained: 90 MB."""
    FP16 = "fp16"
    """Stored in half the bytes, multiplied as FP32: this runtime has no 16-bit arithmetic on a CPU."""
    INT8 = "int8"
    """Stored and multiplied as 8-bit whole numbers, each block of 32 weights with a scale of its own: 24 MB."""
