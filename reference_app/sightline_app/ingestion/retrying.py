"""How long a worker waits before it tries something again. Pure, but for chance.

Full jitter: a random part of a bound that doubles. Workers that failed together, since a server went away, do not come
back together.

Source: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
"""

from __future__ import annotations

import random

FIRST_S = 1.0
"""Bound of the first wait, in seconds."""


def delay_s(failures: int, longest_s: float) -> float:
    """Return the seconds to wait after so many failures in a row.

    Args:
        failures: from 1.
        longest_s: bound of the waits.
    """
    bound = min(FIRST_S * 2 ** min(max(failures - 1, 0), 30), longest_s)
    return random.uniform(bound / 2, bound)  # noqa: S311  no secret
