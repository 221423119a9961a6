"""Stored traces as samples: the answers that real users got, with the passages retrieved for them.

The store's query lets tenants take turns and gives traces without a score first; this module checks the rows. A
trace whose question, answer or passages were not captured cannot be judged: it is left out and counted.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from sightline_evals.dataset import Sample
from sightline_store.client import Client
from sightline_store.questions import queries


@dataclass(frozen=True, slots=True)
class StoredSamples:
    """Samples of the store.

    Attributes:
        samples: at most the wanted number, tenants mixed.
        incomplete: traces that were captured without a question, an answer or a passage.
    """

    samples: list[Sample]
    incomplete: int

    @property
    def by_tenant(self) -> dict[str, int]:
        """Samples of each tenant, most first."""
        return dict(Counter(sample.tenant or "(none)" for sample in self.samples).most_common())


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
    samples: list[Sample] = []
    for row in rows:
        contexts = tuple(str(context) for context in row["contexts"] if str(context).strip())
        question, answer = str(row["question"]).strip(), str(row["answer"]).strip()
        if question and answer and contexts:
            samples.append(
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
    return StoredSamples(samples, incomplete=len(rows) - len(samples))
