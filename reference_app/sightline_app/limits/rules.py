"""The limits of a caller, and what a ledger says about them. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Final

_PREFIX = "sightline:{limits}:"  # the braces keep all keys of a script on one slot of a cluster


@dataclass(frozen=True)
class Limits:
    """Upper bounds; 0 is no limit. Days and months are those of UTC."""

    requests_per_minute: int = 0
    tokens_per_minute: int = 0
    tokens_per_day: int = 0
    tokens_per_month: int = 0
    user_tokens_per_day: int = 0
    user_tokens_per_month: int = 0

    @property
    def values(self) -> tuple[int, ...]:
        """All bounds in the order of `NAMES`."""
        return tuple(getattr(self, name) for name in NAMES)

    def replaced(self, own: Mapping[str, int]) -> Limits:
        """Return limits of which some are replaced."""
        return replace(self, **own)


NAMES: Final = tuple(field.name for field in fields(Limits))
"""Names of the limits, in the order in which scripts take them."""
RATES: Final = NAMES[:2]
BUDGETS: Final = NAMES[2:]


@dataclass(frozen=True)
class Charge:
    """One call, against whom it counts, and what it may cost."""

    id: str
    """Unique, without `|`: a second reservation or charge under it changes nothing."""
    owner: str
    """Whose rates and budgets."""
    user_owner: tuple[str, str]
    """Tenant and user whose budgets."""
    limits: Limits
    tokens: int
    """Reserved before the call, by estimate."""

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys in Redis that a script needs."""
        owner, user = _digest(self.owner), _digest(*self.user_owner)
        return (
            f"{_PREFIX}rate:{owner}",
            f"{_PREFIX}spent:{owner}",
            f"{_PREFIX}held:{owner}",
            f"{_PREFIX}spent:{user}",
            f"{_PREFIX}held:{user}",
            f"{_PREFIX}call:{self.id}",
        )


@dataclass(frozen=True)
class Standing:
    """Where one limit stands."""

    name: str
    limit: int
    left: int
    whole_after_ms: int
    """Until the rate's bucket is full, or until the budget's next period."""
    used: int


@dataclass(frozen=True)
class Decision:
    """What a ledger says about a call."""

    refused_by: str
    """Name of a limit; '' when the call is admitted."""
    wait_ms: int
    """After this time that limit would admit it."""
    never: bool
    """The call is larger than the whole limit."""
    standings: tuple[Standing, ...]
    """Of the limits that are set."""

    @classmethod
    def read(cls, answer: Sequence[int], limits: Limits) -> Decision:
        """Read what `ledger.lua` returns."""
        count = len(NAMES)
        left, whole, used = (answer[4 + part * count : 4 + (part + 1) * count] for part in range(3))
        standings = tuple(
            Standing(name, limit, left[i], whole[i], used[i])
            for i, (name, limit) in enumerate(zip(NAMES, limits.values, strict=True))
            if limit
        )
        return cls(NAMES[answer[1] - 1] if answer[1] else "", int(answer[2]), bool(answer[3]), standings)


def _digest(*owner: str) -> str:
    """Return a name for any ids, whatever their characters."""
    return hashlib.sha256(json.dumps(owner).encode()).hexdigest()[:32]
