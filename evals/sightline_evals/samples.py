"""Stored traces as samples: the answers that real users got, with what was retrieved for them.

The store's query lets tenants take turns and gives traces without a score first; this module checks what came back. A
trace whose question, answer or passages were not captured cannot be judged: it is left out and counted.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from sightline_evals.dataset import Sample
from sightline_evals.errors import UsageError
from sightline_store.client import Client
from sightline_store.questions import queries

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


@dataclass(frozen=True, slots=True)
class StoredSamples:
    """What the store had to judge.

    Attributes:
        samples: at most the wanted number, tenants mixed.
        incomplete: traces that came without a question, an answer or a passage.
    """

    samples: list[Sample]
    incomplete: int

    @property
    def by_tenant(self) -> dict[str, int]:
        """Samples of each tenant, most first."""
        return dict(Counter(sample.tenant or "(none)" for sample in self.samples).most_common())


def duration_s(text: str) -> int:
    """Seconds in `90s`, `30m`, `1h`, `7d` or `2w`.

    Raises:
        UsageError: it is something else, or zero.
    """
    found = re.fullmatch(r"\s*(\d{1,9})\s*([smhdw])\s*", text)
    if found is None or int(found[1]) == 0:
        raise UsageError(f"{text!r} is no duration; needs a whole number and a unit, such as 90s, 30m, 1h, 7d or 2w")
    return int(found[1]) * _UNITS_S[found[2]]


def stored_samples(client: Client, *, since_s: int, limit: int, rescore: bool = False) -> StoredSamples:
    """Take samples from the traces of the last `since_s` seconds.

    Args:
        client: the ClickHouse that holds the traces.
        since_s: how far to look back, in seconds.
        limit: most samples to take.
        rescore: take traces that have a score too, after those that have none.

    Raises:
        sightline_store.errors.StoreUnavailable: no store answers; trying again can help.
    """
    rows = queries.samples(client, since_s=since_s, limit=limit, only_unscored=not rescore)
    found: list[Sample] = []
    for row in rows:
        contexts = tuple(str(context) for context in row["contexts"] if str(context).strip())
        question, answer = str(row["question"]).strip(), str(row["answer"]).strip()
        if question and answer and contexts:
            found.append(
                Sample(
                    id=str(row["trace_id"]),
                    question=question,
                    answer=answer,
                    contexts=contexts,
                    trace_id=str(row["trace_id"]),
                    span_id=str(row["span_id"]),
                    tenant=str(row["tenant"]),
                    model=str(row["model"]),
                    note=str(row["note"]),
                )
            )
    return StoredSamples(found, incomplete=len(rows) - len(found))
