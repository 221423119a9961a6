"""How long to wait before the next attempt. Pure."""

from __future__ import annotations

import random

_FIRST_S = 0.2
_LONGEST_S = 15.0


def delay_s(attempt: int, chance: random.Random) -> float:
    """Seconds before the attempt after `attempt`: doubles from 0.2 to 15, half of it random."""
    whole = min(_LONGEST_S, _FIRST_S * 2.0 ** min(attempt - 1, 16))
    return whole * (0.5 + chance.random() / 2)
