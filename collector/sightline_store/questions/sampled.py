"""What judges are given: answered requests and their content; and which scores of a run have arrived."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from sightline_store.contents import traces as traces_content
from sightline_store.questions.asking import Asks, Row, ask

SampleBy = Literal["stratified", "random", "low-score", "drifted"]


def requests(
    client: Asks,
    *,
    since_s: int = 86_400,
    limit: int = 50,
    only_unscored: bool = True,
    strategy: SampleBy = "stratified",
    seed: int = 0,
    trace_ids: Sequence[str] = (),
) -> list[Row]:
    """Answered requests for a judge, without their content; see the SQL for how they are chosen.

    Args:
        client: the store.
        since_s: how far to look back, in seconds.
        limit: the most to return.
        only_unscored: leave out what has a score already.
        strategy: ``stratified`` by tenant, ``random``, ``low-score`` for those that were judged worst, or ``drifted``
            for those of `trace_ids`.
        seed: another one draws other requests.
        trace_ids: of ``drifted``.

    Returns:
        trace_id, span_id, started_ms, tenant, conversation, ttft_ms, duration_ms, and how many there were to draw from:
        drawn_from in all, drawn_from_tenant of the same tenant.
    """
    params = {"since_s": since_s, "limit": limit, "only_unscored": int(only_unscored), "strategy": strategy}
    return ask(client, "sample_requests", {**params, "seed": seed, "topic_trace_ids": list(trace_ids)})


def contents(client: Asks, chosen: Sequence[Row]) -> list[Row]:
    """Rows of `requests` with question, answer, contexts, model and note; those without content are left out.

    `sampling_weight` is how many traces the row stands for by a collector's sampling, 0 where none says so;
    `trace_state` is the W3C one. Cost and tokens are not among them: see `request_lists.trace_totals`.
    """
    if not chosen:
        return []
    by_trace = {row["trace_id"]: row for row in chosen}
    params = {
        "trace_ids": list(by_trace),
        "span_ids": [row["span_id"] for row in by_trace.values()],
        "started_ms": [row["started_ms"] for row in by_trace.values()],
    }
    found = []
    for row in ask(client, "samples", params):
        request = by_trace[row["trace_id"]]
        content = traces_content.sample({**row, "timestamp": request["started_ms"], "tenant": request["tenant"]})
        weights = {name: row[name] for name in ("sampling_weight", "trace_state")}
        found.append({**request, **content, **weights})
    return found


def run_scores(client: Asks, run_id: str, *, since_s: int = 30 * 86_400) -> set[tuple[str, str]]:
    """(trace id, metric) of the scores of an evaluation run that have arrived."""
    rows = ask(client, "run_scores", {"run_id": run_id, "since_s": since_s})
    return {(row["trace_id"], row["name"]) for row in rows}
