"""A compact sketch of a query's embedding, so that drift can be seen without storing vectors.

A vector of any length becomes 32 signed bytes. The cosine of two sketches estimates the cosine of the two vectors, so
the sketches of last week and of today show whether questions have changed, and which questions are similar; they do
not give the vector back (of 1,536 numbers, 32 sums are kept) and cost 44 characters on a span.

How it is made (method ``cs1``), in any language with SHA-256 and IEEE doubles:

1. Coordinate ``i`` of the vector has one byte: byte ``i % 32`` of ``SHA-256("sightline:<i // 32>")``. Its lowest five
   bits are the coordinate's bucket, the sixth bit its sign (1 is plus), whatever the vector's length.
2. A bucket is the sum of its coordinates with their signs. Sums are rounded once, at their end (``math.fsum``), and
   minus is one sum that is subtracted from plus: the result is the same bytes on every machine.
3. The 32 sums are divided by their Euclidean length, multiplied by 127, and rounded half to even.
4. Base64.

This is the Johnson-Lindenstrauss projection with one nonzero of +-1 in each column (Charikar, Chen, Farach-Colton:
"Finding frequent items in data streams", 2002; Weinberger et al.: "Feature hashing for large scale multitask
learning", 2009). Inner products keep their expectation, with the variance of a dense +-1/sqrt(k) projection, for
1/32 of its additions. The standard error of one estimated cosine ``c`` is about ``(1 - c**2) / sqrt(32)``: 0.18 for
unrelated texts, 0.03 at ``c`` = 0.9. Means over many queries are sharper by the square root of their number.
"""

import binascii
import functools
import math
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any, Final

from sightline import faults, semconv
from sightline.annotations import annotate
from sightline.capture.mode import Capture
from sightline.runtime import runtime

METHOD: Final = "cs1"
"""Name of the method above; a change of any of its bytes changes the name."""
SEED: Final = "sightline"
"""What the hash starts from."""
SIZE: Final = 32
"""Numbers in a sketch."""
MAX_DIMENSIONS: Final = 65_536
"""Longer vectors are not sketched: the plan for one would cost more memory than a sketch is worth."""

_SCALE: Final = 127
_Pick = Callable[[Sequence[float]], Sequence[float]]


def sketch(vector: object) -> str | None:
    """Return the sketch of a vector as 44 characters of base64.

    Args:
        vector: numbers in a list, tuple, array, NumPy array or tensor (anything with ``tolist()``), one-dimensional.

    Returns:
        None for what is no vector: nested, empty, longer than ``MAX_DIMENSIONS``, all zero, or not finite.
    """
    numbers = as_numbers(vector)
    return None if numbers is None else _encode(numbers)


def version(dimensions: int) -> str:
    """Return what two sketches must have in common to be compared: ``method:seed:k:dimensions``."""
    return f"{METHOD}:{SEED}:{SIZE}:{dimensions}"


def decode(text: str) -> list[float]:
    """Return the 32 numbers of a sketch, about of length 1.

    Raises:
        ValueError: the text is no sketch.
    """
    data = binascii.a2b_base64(text, strict_mode=True)  # binascii.Error is a ValueError
    if len(data) != SIZE:
        raise ValueError(f"a sketch has {SIZE} bytes, this one {len(data)}")
    return [(byte - 256 if byte > 127 else byte) / _SCALE for byte in data]


def cosine(first_sketch: str, second_sketch: str) -> float:
    """Return the estimated cosine of the two vectors behind two sketches of one version.

    Raises:
        ValueError: one of the texts is no sketch.
    """
    first, second = decode(first_sketch), decode(second_sketch)
    length = math.sqrt(math.fsum(x * x for x in first) * math.fsum(y * y for y in second))
    if length == 0:
        raise ValueError("a sketch is all zero")
    return max(-1.0, min(1.0, math.fsum(x * y for x, y in zip(first, second, strict=True)) / length))


def record_query_vector(vector: object) -> None:
    """Write the sketch of a query's embedding onto the innermost Sightline span. Never raises.

    Nothing is written when ``SIGHTLINE_CAPTURE`` is ``none``. The Weaviate instrumentation does this by itself where
    the vector goes through the client.

    Args:
        vector: as for ``sketch``.
    """
    attributes = query_attributes(vector)
    if attributes:
        annotate(attributes)


def query_attributes(vector: object) -> dict[str, Any]:
    """Return the attributes for a query's embedding: sketch, its version, dimensions; empty when it has none."""
    try:
        numbers = as_numbers(vector)
        if numbers is None:
            return {}
        attributes: dict[str, Any] = {semconv.GEN_AI_EMBEDDINGS_DIMENSION_COUNT: len(numbers)}
        if enabled():
            text = _encode(numbers)
            if text is not None:
                attributes[semconv.QUERY_SKETCH] = text
                attributes[semconv.QUERY_SKETCH_VERSION] = version(len(numbers))
    except Exception as fault:
        faults.report("sketch a query vector", fault)
        return {}
    return attributes


def enabled() -> bool:
    """Return whether the settings allow sketches."""
    policy = runtime.capture
    return policy.mode is not Capture.NONE and policy.query_sketch


def as_numbers(vector: object) -> Sequence[float] | None:
    """Return a one-dimensional vector as a list or tuple of Python numbers; None when it is none."""
    numbers: Any = vector
    plain_numbers: Sequence[float] | None = None
    if not isinstance(numbers, (list, tuple)):
        if isinstance(numbers, (str, bytes, bytearray, dict)) or numbers is None:
            return None
        to_list = getattr(numbers, "tolist", None) or getattr(numbers, "to_list", None)
        if to_list is not None:
            numbers = to_list()
        elif isinstance(numbers, Sequence):
            numbers = list(numbers)
        if not isinstance(numbers, list):
            return None
    if numbers and len(numbers) <= MAX_DIMENSIONS:
        if isinstance(numbers[0], (int, float)):
            plain_numbers = numbers
        elif hasattr(numbers[0], "dtype") and getattr(numbers[0], "ndim", 1) == 0:  # list() of an array
            plain_numbers = [float(number) for number in numbers]
    return plain_numbers


def _encode(numbers: Sequence[float]) -> str | None:
    total = math.fsum
    try:
        sums = [total(plus(numbers)) - total(minus(numbers)) for plus, minus in _plan(len(numbers))]
    except (OverflowError, ValueError, TypeError):  # infinities of both signs, beyond the range, not all numbers
        return None
    length = math.sqrt(total([x * x for x in sums]))
    if not 0 < length < math.inf:  # all zero, infinite, or not a number
        return None
    scale = _SCALE / length
    if scale == math.inf:
        return None
    return binascii.b2a_base64(bytes([round(x * scale) & 0xFF for x in sums]), newline=False).decode("ascii")


@functools.lru_cache(maxsize=8)
def _plan(dimensions: int) -> list[tuple[_Pick, _Pick]]:
    """Return for each bucket two functions that pick its positive and its negative coordinates from a vector."""
    import hashlib  # noqa: PLC0415  loads OpenSSL, which an application that sends no vectors need not do at start

    plus: list[list[int]] = [[] for _ in range(SIZE)]
    minus: list[list[int]] = [[] for _ in range(SIZE)]
    digest = b""
    for coordinate in range(dimensions):
        block, position = divmod(coordinate, 32)
        if position == 0:
            digest = hashlib.sha256(f"{SEED}:{block}".encode()).digest()
        byte = digest[position]
        (plus if byte & 32 else minus)[byte & 31].append(coordinate)
    return [(_pick(ones), _pick(others)) for ones, others in zip(plus, minus, strict=True)]


def _pick(positions: Sequence[int]) -> _Pick:
    if len(positions) > 1:
        return itemgetter(*positions)
    if not positions:
        return lambda numbers: ()
    (only,) = positions
    return lambda numbers: (numbers[only],)
