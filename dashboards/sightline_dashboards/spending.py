"""The cost of a window: calls of models and of embedding models together, as far as their prices are known. Pure.

Cards, charts and tables of the Overview and Cost pages are made of the same rows in here, so that they add up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sightline_store.questions.asking import Row
from sightline_store.questions.queries import Overview

EMBEDDINGS = "embeddings"
"""Name of the series and the row of all embedding models."""

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Spending:
    """Calls of a window and their cost in USD. None is unknown; a cost is that of the calls whose price is known."""

    requests: int
    model_calls: int
    unpriced_model_calls: int
    model_usd: float | None
    embedding_calls: int
    unpriced_embedding_calls: int
    embedding_usd: float | None

    @property
    def calls(self) -> int:
        """Calls of models and of embedding models."""
        return self.model_calls + self.embedding_calls

    @property
    def unpriced_calls(self) -> int:
        """Calls whose cost is unknown."""
        return self.unpriced_model_calls + self.unpriced_embedding_calls

    @property
    def unpriced_share(self) -> float | None:
        """Share of the calls whose cost is unknown."""
        return self.unpriced_calls / self.calls if self.calls else None

    @property
    def usd(self) -> float | None:
        """Known cost; None where no cost is known."""
        return known_sum([self.model_usd, self.embedding_usd])

    @property
    def usd_per_1k(self) -> float | None:
        """Known cost of a thousand requests."""
        return None if self.usd is None or not self.requests else self.usd / self.requests * 1000


def spending(window: Overview, embedded: Rows) -> Spending:
    """Return the spending of a window, from its overview and its rows of `queries.embedding_spend`."""
    return Spending(
        requests=window.requests,
        model_calls=window.llm_calls,
        unpriced_model_calls=window.unpriced_calls,
        model_usd=window.cost_usd,
        embedding_calls=sum(row["calls"] for row in embedded),
        unpriced_embedding_calls=sum(row["unpriced_calls"] for row in embedded),
        embedding_usd=known_sum([row["cost_usd"] for row in embedded]),
    )


BASIS_COLUMNS = ("reported_calls", "local_calls", "differing_calls", "differing_reported_usd", "differing_computed_usd")
"""What the rows of `spend_by` and `embedding_spend` say of where their costs come from."""


def known_sum(values: Sequence[float | None]) -> float | None:
    """Sum of the values that are known; None where none is, which is not 0."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def over_time(models: Rows, embedded: Rows) -> list[Row]:
    """Cost by model and bucket, with all embedding models as one series: rows of bucket, model_name and cost_usd."""
    of_models: list[Row] = [{name: row[name] for name in ("bucket", "model_name", "cost_usd")} for row in models]
    buckets = sorted({row["bucket"] for row in embedded})
    return of_models + [
        {
            "bucket": bucket,
            "model_name": EMBEDDINGS,
            "cost_usd": known_sum([row["cost_usd"] for row in embedded if row["bucket"] == bucket]),
        }
        for bucket in buckets
    ]


def by_name(embedded: Rows) -> list[Row]:
    """Put the buckets of each embedding model together, the most expensive first."""
    grouped: dict[str, list[Mapping[str, Any]]] = {}
    for row in embedded:
        grouped.setdefault(row["name"], []).append(row)
    summed: list[Row] = [
        {
            "name": name,
            "calls": sum(row["calls"] for row in rows),
            "unpriced_calls": sum(row["unpriced_calls"] for row in rows),
            "input_tokens": known_sum([row["input_tokens"] for row in rows]),
            "cost_usd": known_sum([row["cost_usd"] for row in rows]),
            "price_key": rows[0]["price_key"],
            "unknown_because": next((row["unknown_because"] for row in rows if row["unpriced_calls"]), ""),
            **{name: sum(row.get(name) or 0 for row in rows) for name in BASIS_COLUMNS},
        }
        for name, rows in grouped.items()
    ]
    return sorted(summed, key=lambda row: (-(row["cost_usd"] or 0.0), -row["calls"], row["name"]))


def embeddings_row(embedded: Rows) -> list[Row]:
    """Put all embedding models into one row of a table of models; no row where none was called."""
    if not embedded:
        return []
    return [
        {
            "name": EMBEDDINGS,
            "calls": sum(row["calls"] for row in embedded),
            "unpriced_calls": sum(row["unpriced_calls"] for row in embedded),
            "input_tokens": known_sum([row["input_tokens"] for row in embedded]),
            "output_tokens": 0,
            "cost_usd": known_sum([row["cost_usd"] for row in embedded]),
        }
    ]
