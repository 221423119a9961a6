"""Made-up traffic for questions and pages: rows of the official tables, from which the views fill the rest.

Deterministic for a seed. Every request is a trace of up to eight spans: request, guard, cache, embed, search, rerank,
prompt, model. Some fail, some are blocked, some texts are hostile, and of one process two spans are missing.
`python tests/support/queries_traffic.py URL N` puts N requests of the last three hours into the ClickHouse at URL.
"""

import argparse
import json
import random
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from traffic_texts import PASSAGES, QUESTIONS

TENANTS = ("acme", "globex", "initech", "umbrella")
MODELS = (
    ("local", "extractive-v1", "openai/gpt-4o-mini", "extractive, no LLM"),
    ("openai", "gpt-4o-mini", "", ""),
    ("acme-labs", "mystery-7b", "", ""),
)
PRICE = {
    "PriceKey": "openai/gpt-4o-mini",
    "ValidFrom": "2024-07-18 00:00:00",
    "InputUsdPerMtok": 0.15,
    "CacheReadUsdPerMtok": 0.075,
    "CacheWriteUsdPerMtok": None,
    "OutputUsdPerMtok": 0.6,
    "Source": "test",
}


@dataclass
class Process:
    """One traced process: numbers its spans from 1."""

    service: str
    instance: str
    sequence: int = 0

    def resource(self) -> dict[str, str]:
        """Return its resource attributes."""
        return {"service.name": self.service, "service.instance.id": self.instance, "service.version": "0.1.0"}


@dataclass
class Traffic:
    """What a generated stretch of traffic holds; `spans` and `scores` are rows for otel_traces and otel_logs."""

    spans: list[dict[str, Any]] = field(default_factory=list)
    scores: list[dict[str, Any]] = field(default_factory=list)


def _text_time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


class Generator:
    """Makes traces; the same seed makes the same ones."""

    def __init__(self, seed: int = 7) -> None:
        self._random = random.Random(seed)
        self._processes = [Process("rag-api", f"rag-api-{n}") for n in range(2)]
        self._sessions = [f"session-{n:04d}" for n in range(400)]
        self._used: dict[str, int] = {}

    def _hex(self, length: int) -> str:
        return f"{self._random.getrandbits(length * 4):0{length}x}"

    def _budgets(self, tenant: str) -> dict[str, Any]:
        """Charge a request to the budgets of its tenant."""
        self._used[tenant] = self._used.get(tenant, 0) + 700
        return {
            "sightline.budget.name": ["tokens_per_day", "tokens_per_month"],
            "sightline.budget.owner": [f"tenant {tenant}"] * 2,
            "sightline.budget.limit": [100_000, 5_000_000],
            "sightline.budget.used": [self._used[tenant]] * 2,
        }

    def request(self, start: datetime, *, slow: float = 1.0) -> Traffic:
        """Make one request that begins at `start`; `slow` multiplies its search time."""
        rng, out = self._random, Traffic()
        trace_id, process = self._hex(32), rng.choice(self._processes)
        tenant = rng.choices(TENANTS, (5, 3, 2, 1))[0]
        session = rng.choice(self._sessions)
        who = {"tenant.id": tenant, "user.id": f"user-{int(session[-4:]) % 60:02d}", "session.id": session}
        provider, model, priced_as, note = rng.choices(MODELS, (14, 5, 1))[0]
        question, answer = rng.choices(QUESTIONS, (6, 5, 4, 4, 3, 3, 1))[0]
        fate = rng.choices(("fine", "model_error", "search_error", "blocked"), (976, 10, 6, 8))[0]
        root_id = self._hex(16)

        def jitter(ms: float, spread: float = 0.35) -> float:
            return ms * rng.lognormvariate(0, spread)

        def add(
            name: str,
            offset_ms: float,
            duration_ms: float,
            attributes: dict[str, Any],
            *,
            parent: str = root_id,
            span: str = "",
            kind: str = "Internal",
            error: str = "",
        ) -> str:
            process.sequence += 1
            span_id = span or self._hex(16)
            attributes = {**who, **attributes, "sightline.span.sequence": process.sequence}
            if error:
                attributes["error.type"] = error
            began = start + timedelta(milliseconds=offset_ms)
            if process.instance.endswith("1") and process.sequence in (40, 41):
                return span_id  # never arrived
            reason = f"{error}: no answer within 10 s" if error else ""
            event = [{"exception.type": error, "exception.message": reason}] if error else []
            ended = _text_time(began + timedelta(milliseconds=duration_ms))
            texts = {k: v if isinstance(v, str) else json.dumps(v) for k, v in attributes.items()}
            out.spans.append(
                {
                    "Timestamp": _text_time(began),
                    "TraceId": trace_id,
                    "SpanId": span_id,
                    "ParentSpanId": parent if span_id != root_id else "",
                    "SpanName": name,
                    "SpanKind": kind,
                    "ServiceName": process.service,
                    "ResourceAttributes": process.resource(),
                    "ScopeName": "sightline",
                    "ScopeVersion": "0.1.0",
                    "SpanAttributes": texts,
                    "Duration": int(duration_ms * 1e6),
                    "StatusCode": "Error" if error else "Unset",
                    "StatusMessage": reason,
                    "Events.Timestamp": [ended for _ in event],
                    "Events.Name": ["exception" for _ in event],
                    "Events.Attributes": event,
                }
            )
            return span_id

        at = jitter(1.5)
        took = jitter(4)
        add(
            "guard_input",
            at,
            took,
            {
                "sightline.stage": "guard",
                "sightline.guardrail.name": "prompt_injection",
                "sightline.guardrail.flagged": fate == "blocked",
                **({"sightline.guardrail.reason": "asks to ignore instructions"} if fate == "blocked" else {}),
                **self._budgets(tenant),
            },
        )
        at += took
        ttft_ms: float | None = at + 1
        total_ms, error, status = at + 2, "", 200
        if fate != "blocked":
            took = jitter(1.2)
            add("semantic_cache", at, took, {"sightline.stage": "cache"})
            at += took
            search_id, took_embed, took_search = self._hex(16), jitter(9), jitter(38) * slow
            add(
                "embeddings lexical-svd",
                at,
                took_embed,
                {
                    "sightline.stage": "embed",
                    "gen_ai.operation.name": "embeddings",
                    "gen_ai.request.model": "lexical-svd",
                    "gen_ai.embeddings.dimension.count": 256,
                    "sightline.embedding.name": "lexical",
                    "sightline.embedding.version": "v3",
                },
            )
            at += took_embed
            found = rng.sample(PASSAGES, 5)
            if rng.random() < 0.02:
                found = []
            top = min(0.99, max(0.05, rng.gauss(0.72, 0.12)))
            documents = [
                {"id": f"doc-{name}", "title": name, "score": round(top * 0.9**i, 4), "content": text}
                for i, (name, text) in enumerate(found)
            ]
            search_error = "WeaviateQueryError" if fate == "search_error" else ""
            add(
                "retrieval Documents",
                at,
                took_search,
                {
                    "sightline.stage": "search",
                    "gen_ai.operation.name": "retrieval",
                    "gen_ai.data_source.id": "Documents",
                    "gen_ai.request.top_k": 5,
                    "gen_ai.retrieval.query.text": question,
                    "db.system.name": "weaviate",
                    "db.collection.name": "Documents",
                    "db.operation.name": "hybrid",
                    "db.namespace": tenant,
                    "sightline.retrieval.alpha": 0.5,
                    "sightline.index.version": "2026-11-20",
                    "sightline.embedding.name": "lexical",
                    "sightline.embedding.version": "v3",
                    **(
                        {}
                        if search_error
                        else {"db.response.returned_rows": len(documents), "gen_ai.retrieval.documents": documents}
                    ),
                },
                span=search_id,
                kind="Client",
                error=search_error,
            )
            at += took_search
            total_ms, error = at + 2, search_error
            ttft_ms = None if search_error else ttft_ms
        if fate in ("fine", "model_error"):
            took = jitter(14)
            add(
                "rerank",
                at,
                took,
                {"sightline.stage": "rerank", "gen_ai.request.top_k": 3, "sightline.rerank.documents": documents[:3]},
            )
            at += took
            took = jitter(0.8)
            add("build_prompt", at, took, {"sightline.stage": "prompt"})
            at += took + 0.4
            first = jitter(180 if model == "extractive-v1" else 420, 0.4)
            tokens_in, tokens_out = int(jitter(900)), int(jitter(90, 0.5)) + 4
            streaming = tokens_out / 80 * 1e3
            model_error = "APITimeoutError" if fate == "model_error" else ""
            messages = [
                {
                    "role": "system",
                    "parts": [{"type": "text", "content": "Answer from the passages only and cite them."}],
                },
                {"role": "user", "parts": [{"type": "text", "content": question}]},
            ]
            reply = [{"role": "assistant", "parts": [{"type": "text", "content": answer}], "finish_reason": "stop"}]
            add(
                f"chat {model}",
                at,
                first + streaming,
                {
                    "sightline.stage": "model",
                    "gen_ai.operation.name": "chat",
                    "gen_ai.provider.name": provider,
                    "gen_ai.request.model": model,
                    "gen_ai.request.stream": True,
                    **(
                        {}
                        if model_error
                        else {
                            "gen_ai.response.model": model,
                            "gen_ai.usage.input_tokens": tokens_in,
                            "gen_ai.usage.output_tokens": tokens_out,
                            "gen_ai.response.time_to_first_chunk": round(first / 1e3, 6),
                            "gen_ai.output.messages": reply,
                            "sightline.stream.chunks": tokens_out,
                            "sightline.stream.longest_stall": round(jitter(30) / 1e3, 5),
                        }
                    ),
                    "gen_ai.input.messages": messages,
                    "sightline.stream.outcome": "error" if model_error else "completed",
                    **({"sightline.model.priced_as": priced_as, "sightline.model.note": note} if priced_as else {}),
                },
                kind="Client",
                error=model_error,
            )
            ttft_ms = None if model_error else at + first + jitter(1.5)
            total_ms, error = at + first + streaming + jitter(2), model_error
        if error:
            status = 500
        add(
            "POST /v1/chat",
            0,
            total_ms,
            {
                "sightline.stage": "request",
                "http.route": "/v1/chat",
                "http.request.method": "POST",
                "http.response.status_code": status,
                "sightline.input": question,
                **(
                    {}
                    if error
                    else {"sightline.output": "Blocked: asks to ignore instructions." if fate == "blocked" else answer}
                ),
                **({} if ttft_ms is None else {"sightline.response.time_to_first_token": round(ttft_ms / 1e3, 6)}),
            },
            span=root_id,
            kind="Server",
            error=error,
        )

        if fate == "fine":
            out.scores += self._scores(start, trace_id, root_id, answer)
        return out

    def _scores(self, start: datetime, trace_id: str, span_id: str, answer: str) -> list[dict[str, Any]]:
        """What an answer scored: whether its passages were found, and for one in eight what judges say."""
        rng, scores = self._random, list[dict[str, Any]]()

        def score(name: str, value: float | None, **more: str) -> None:
            attributes = {"gen_ai.evaluation.name": name, "sightline.evaluation.run.id": "run-1", **more}
            if value is not None:
                attributes["gen_ai.evaluation.score.value"] = json.dumps(value)
            scores.append(
                {
                    "Timestamp": _text_time(start + timedelta(seconds=20)),
                    "TraceId": trace_id,
                    "SpanId": span_id,
                    "ServiceName": "sightline-evals",
                    "LogAttributes": attributes,
                    "EventName": "gen_ai.evaluation.result",
                }
            )

        score("retrieval_hit_at_5", float(rng.random() < 0.74), **{"sightline.evaluation.source": "code"})
        if rng.random() < 0.125:
            judge = {
                "sightline.evaluation.judge": "overlap",
                "sightline.evaluation.judge_version": "1",
                "sightline.evaluation.source": "ragas",
                "sightline.evaluation.note": "extractive, no LLM",
            }
            failed = rng.random() < 0.05
            p_unsupported = rng.random() ** 3
            verdict = "-" if p_unsupported >= 0.5 else "+"
            statement = answer.replace(" [1]", "").replace(" [2]", "")
            score(
                "groundedness",
                None if failed else round(1 - p_unsupported, 4),
                **{
                    **judge,
                    "sightline.evaluation.judge": "offline",
                    "sightline.evaluation.source": "code",
                    **(
                        {"error.type": "JudgeTimeout"}
                        if failed
                        else {
                            "gen_ai.evaluation.explanation": f"{verdict} {statement} (p(unsupported)="
                            f"{p_unsupported:.2f}: {1 - p_unsupported:.0%} of its words in the context)"
                        }
                    ),
                },
            )
            for name, mean in (("faithfulness", 0.9), ("context_precision", 0.7), ("context_recall", 0.66)):
                value = None if failed else round(min(1.0, max(0.0, rng.gauss(mean, 0.15))), 4)
                score(
                    name,
                    value,
                    **judge,
                    **(
                        {"error.type": "JudgeTimeout"}
                        if failed
                        else {"gen_ai.evaluation.explanation": "4 of 5 claims follow from the passages."}
                    ),
                )
        return scores

    def stretch(self, requests: int, end: datetime, span_of_time: timedelta) -> Iterator[Traffic]:
        """Make `requests` requests spread over the time before `end`; searches slow down in the last fifth."""
        for n in range(requests):
            share = (n + self._random.random()) / requests
            yield self.request(end - span_of_time * (1 - share), slow=1.9 if share > 0.8 else 1.0)


def insert(url: str, table: str, rows: list[dict[str, Any]], database: str = "otel") -> None:
    """Insert rows into a table of the ClickHouse at `url` over its HTTP interface."""
    if not rows:
        return
    query = urllib.parse.urlencode({"database": database, "query": f"INSERT INTO {table} FORMAT JSONEachRow"})
    body = "\n".join(json.dumps(row) for row in rows).encode()
    with urllib.request.urlopen(
        urllib.request.Request(f"{url}/?{query}", data=body, method="POST"), timeout=120
    ) as answer:
        answer.read()


def price_rows() -> list[dict[str, Any]]:
    """Return rows for model_prices: one model is priced, one is not."""
    return [PRICE]


def fill(
    url: str, requests: int, *, end: datetime | None = None, hours: float = 3.0, seed: int = 7, database: str = "otel"
) -> int:
    """Put traffic into a store and return the number of spans sent."""
    insert(url, "model_prices", price_rows(), database)
    sent, batch = 0, Traffic()
    for trace in Generator(seed).stretch(requests, end or datetime.now(UTC), timedelta(hours=hours)):
        batch.spans += trace.spans
        batch.scores += trace.scores
        if len(batch.spans) >= 20_000:
            insert(url, "otel_traces", batch.spans, database)
            insert(url, "otel_logs", batch.scores, database)
            sent, batch = sent + len(batch.spans), Traffic()
    insert(url, "otel_traces", batch.spans, database)
    insert(url, "otel_logs", batch.scores, database)
    return sent + len(batch.spans)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("requests", type=int)
    parser.add_argument("--hours", type=float, default=3.0)
    arguments = parser.parse_args()
    print(fill(arguments.url, arguments.requests, hours=arguments.hours), "spans")  # noqa: T201
