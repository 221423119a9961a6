"""Whether the platform's time to the first token is the one that clients see, request by request.

    python benchmarks/ttft.py [--requests 1000] [--concurrency 1]

Streams questions from the reference application (extractive model, unpaced) into a running collector and store, and
compares the client's clock with `TtftMs` of the store's table `requests`, joined by the trace id that the stream's
first event names. The client's clock starts before it connects and stops at the first event `token`; the platform's
starts with the request's span. A trace counts as complete where it has one request, one call of the model, one
retrieval and one embedding, and no span whose parent is missing.

`p50_difference_ms` and `p95_difference_ms` are client less platform at each percentile; `agrees` says whether both are
within 2 ms, and `complete_traces` is to equal `requests`. One stream at a time: with more, a connection waits for its
first turn in the event loop while another answer is worked on, which the client sees and no span can. On a machine that
does other work, every wait for a core counts on the client's side too.

The last line is one JSON object; it is kept in benchmarks/results/ttft.json.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import tempfile
import time
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import backend
import results
from streamed_answers import Streamed, ask_all, percentile

from sightline_app.quality import read_questions
from sightline_demo_corpus import questions_file
from sightline_store.client import Client
from sightline_store.settings import StoreSettings

_TOLERANCE_MS = 2.0
_MAX_SETTLE_S = 60.0
_ROWS = ("requests", "llm_calls", "retrievals", "embeddings")
"""Tables that hold one row of each complete trace."""
_TRACES = f"""
SELECT
    TraceId AS trace_id, anyIf(ttft, isNotNull(ttft)) AS ttft_ms, groupArrayIf(SpanId, source = 'spans') AS ids,
    groupArrayIf(ParentSpanId, source = 'spans') AS parents,
    {", ".join(f"countIf(source = '{table}') AS {table}" for table in _ROWS)}
FROM
(
    SELECT 'spans' AS source, TraceId, SpanId, ParentSpanId, NULL AS ttft FROM otel_traces
    UNION ALL
    SELECT 'requests', TraceId, SpanId, ParentSpanId, TtftMs FROM requests WHERE TtftDefinition = 'delivered'
    {"".join(f"UNION ALL SELECT '{table}', TraceId, SpanId, ParentSpanId, NULL FROM {table} " for table in _ROWS[1:])}
)
GROUP BY TraceId
"""


@dataclass(frozen=True)
class Stored:
    """What the store holds of one trace."""

    ttft_ms: float | None
    is_complete: bool


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=1000, help="streamed requests (default: 1000)")
    parser.add_argument("--concurrency", type=int, default=1, help="streams at the same time (default: 1)")
    args = parser.parse_args()
    questions = [known.question for known in read_questions(questions_file())]
    asked = [questions[number % len(questions)] for number in range(args.requests)]
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        settings = backend.start(stack, folder)
        backend.ingest(settings)
        settings |= {**backend.model(stack, folder, backend.UNPACED), "SIGHTLINE_APP_STATE": "process"}
        running = backend.app(stack, folder, "app", settings)
        asyncio.run(ask_all(running.url, questions[:32], args.concurrency))  # connections and caches are made once
        backend.say(f"{args.requests} requests, {args.concurrency} at a time")
        answers = asyncio.run(ask_all(running.url, asked, args.concurrency))
        with urllib.request.urlopen(f"{running.url}/stats?flush=1", timeout=60) as told:
            stats = json.load(told)
        stored = _stored(settings["SIGHTLINE_STORE_URL"], answers)
    results.keep(
        _result(answers, stored, stats["dropped"], args.concurrency),
        retrieval="weaviate" if "WEAVIATE_URL" in settings else "clickhouse",
    )


def _stored(store_url: str, answers: Sequence[Streamed]) -> dict[str, Stored]:
    """Return what the store holds of these answers, once all their traces are complete or no more come."""
    client = Client(StoreSettings(url=store_url))
    deadline = time.monotonic() + _MAX_SETTLE_S
    while True:
        rows = {row["trace_id"]: row for row in client.query_rows(_TRACES)}
        found = {each.trace_id: _read(rows[each.trace_id]) for each in answers if each.trace_id in rows}
        if sum(each.is_complete for each in found.values()) == len(answers) or time.monotonic() > deadline:
            client.close()
            return found
        time.sleep(0.5)


def _read(row: Mapping[str, Any]) -> Stored:
    ids = set(row["ids"])
    is_whole = len(ids) == len(row["ids"]) and all(parent in ids for parent in row["parents"] if parent)
    return Stored(row["ttft_ms"], is_whole and all(row[table] == 1 for table in _ROWS))


def _result(
    answers: Sequence[Streamed], stored: Mapping[str, Stored], dropped: int, concurrency: int
) -> dict[str, Any]:
    pairs = [
        (1000 * each.ttft_s, told.ttft_ms)
        for each in answers
        if (told := stored.get(each.trace_id)) is not None and told.ttft_ms is not None
    ]
    client, platform = ([pair[side] for pair in pairs] for side in (0, 1))
    differences = [ours - theirs for ours, theirs in pairs]
    at = {share: (percentile(client, share), percentile(platform, share)) for share in (0.5, 0.95)}
    return {
        "bench": "ttft",
        "requests": len(answers),
        "traces": len({each.trace_id for each in answers}),
        "complete_traces": sum(each.is_complete for each in stored.values()),
        "spans_dropped": dropped,
        "client_ttft_p50_ms": round(at[0.5][0], 2),
        "platform_ttft_p50_ms": round(at[0.5][1], 2),
        "p50_difference_ms": round(at[0.5][0] - at[0.5][1], 2),
        "client_ttft_p95_ms": round(at[0.95][0], 2),
        "platform_ttft_p95_ms": round(at[0.95][1], 2),
        "p95_difference_ms": round(at[0.95][0] - at[0.95][1], 2),
        "request_difference_p50_ms": round(percentile(differences, 0.5), 2),
        "request_difference_p99_ms": round(percentile(differences, 0.99), 2),
        "agrees": all(abs(ours - theirs) <= _TOLERANCE_MS for ours, theirs in at.values()),
        "concurrency": concurrency,
    }


if __name__ == "__main__":
    main()
