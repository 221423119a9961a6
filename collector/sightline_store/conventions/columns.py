"""A canonical value with the attribute keys that hold it, each under a number that is never used again.

The views of the typed tables pass values on by number, and they are replaced one by one while spans come. So a number
means the same in every version of the views: a spelling keeps its number for ever, also when others are preferred to
it, and the number of a retired spelling stays reserved.
"""

from __future__ import annotations

from dataclasses import dataclass

SPELLINGS_MAX = 32
"""The most spellings of one column, retired ones included: a spelling's id is column * 32 + its number there."""

COLUMNS_MAX = 253
"""The highest number of a column: 0 is no column, and 254 and 255 stand for events (`first_token_sql.py`)."""

RETIRED: dict[int, dict[int, str]] = {31: {6: "gen_ai.cost.total_tokens"}}
"""Number of a column to the spellings that are no longer read, each under the number that stays reserved for it."""


@dataclass(frozen=True)
class Column:
    """One canonical value.

    Attributes:
        number: the column's, 1 to `COLUMNS_MAX`.
        spellings: number to attribute key, the preferred key first. A new key gets the next number that neither they
            nor the retired ones have, wherever it is put.
    """

    number: int
    spellings: dict[int, str]

    def __post_init__(self) -> None:
        """Refuse numbers that do not fit or that are used twice."""
        numbers = [*self.spellings, *RETIRED.get(self.number, ())]
        if not 1 <= self.number <= COLUMNS_MAX:
            raise ValueError(f"the column of {self.keys[0]!r} has the number {self.number}; needs 1 to {COLUMNS_MAX}")
        if len(set(numbers)) < len(numbers) or not set(numbers) <= set(range(SPELLINGS_MAX)):
            raise ValueError(
                f"the spellings of column {self.number} have the numbers {numbers}; each needs one of its own, "
                f"0 to {SPELLINGS_MAX - 1}"
            )

    @property
    def keys(self) -> tuple[str, ...]:
        """The attribute keys, the preferred one first."""
        return tuple(self.spellings.values())

    def ids(self) -> dict[str, int]:
        """Attribute key to the spelling's id, the preferred key first."""
        return {key: self.number * SPELLINGS_MAX + number for number, key in self.spellings.items()}

    def ranks(self) -> dict[int, int]:
        """Spelling's id to its place among the ids when they are sorted by preference; only where the two differ."""
        ids = list(self.ids().values())
        return {id_: place for id_, place in zip(ids, sorted(ids), strict=True) if id_ != place}
