"""Windows of traffic for the drift benchmark, put into a store: searches, answers, scores and canaries.

The rows of searches and scores go into the typed tables, those of model calls as spans into otel_traces, from which
the views fill llm_calls. All draws are of one generator a window, so a window is the same however often it is made.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import drift_worlds
import numpy as np
from numpy.typing import NDArray

from sightline_store.client import Client

TENANTS = ("acme", "globex", "initech", "umbrella")
_TENANT_SHARES = (0.45, 0.25, 0.18, 0.12)
_CANARIES = 40
_SCORED = 0.3
_SYSTEM = "You answer questions from numbered passages. Use only what they say, and cite them like [1]."
_SYSTEM_CHANGED = "You are a friendly assistant. Answer briefly, in your own words."
_WORDS = (
    "the",
    "function",
    "returns",
    "a",
    "value",
    "that",
    "caller",
    "reads",
    "and",
    "module",
    "keeps",
    "for",
    "later",
)


@dataclass(frozen=True)
class Traffic:
    """How a window's traffic is made; the defaults are the traffic without drift.

    Attributes:
        world: in which searches are done; `tenant_worlds` are exceptions by tenant.
        topic_weight: how many times more often the first topic is asked about.
        german: share of German questions.
        typos: share of questions with typing errors.
        tokens: factor of the answers' lengths.
        refusals: share of answers that refuse.
        citations: share of answers that cite.
        groundedness: added to the scores.
        system: prompt.
    """

    world: str = "base"
    tenant_worlds: dict[str, str] = field(default_factory=dict)
    topic_weight: float = 1.0
    german: float = 0.02
    typos: float = 0.03
    tokens: float = 1.0
    refusals: float = 0.05
    citations: float = 0.85
    groundedness: float = 0.0
    system: str = _SYSTEM


NULL = Traffic()
SHIFTS: dict[str, Traffic] = {
    "topic": replace(NULL, topic_weight=3.0),
    "language": replace(NULL, german=0.25),
    "embedding_swapped": replace(NULL, world="swapped"),
    "embedding_of_queries_only": replace(NULL, world="mixed"),
    "int8": replace(NULL, world="int8"),
    "index_truncated_10": replace(NULL, world="truncated"),
    "stale_tenant": replace(NULL, tenant_worlds={"initech": "halved"}),
    "typing_errors": replace(NULL, typos=0.4),
    "model_swapped": replace(NULL, tokens=1.3, refusals=0.09, groundedness=-0.05),
    "prompt_changed": replace(NULL, tokens=0.8, citations=0.3, system=_SYSTEM_CHANGED),
}
"""What happens at the shift, by name. Versions and names on the spans stay what they were: nothing tells of it."""


@dataclass(frozen=True)
class Window:
    """A window that was drawn.

    Attributes:
        rows: by table.
        features: what peers get of it, float[n, 34]: 32 numbers of the sketch, best score, tokens of the answer.
    """

    rows: dict[str, list[dict[str, Any]]]
    features: NDArray[Any]


def put(client: Client, windows: Sequence[Window]) -> None:
    """Put windows into the store: one INSERT a table."""
    for table in windows[0].rows:
        payload = "\n".join(json.dumps(row) for window in windows for row in window.rows[table]).encode()
        client.insert_raw(table, payload, "JSONEachRow", {"date_time_input_format": "best_effort"})


def draw(
    worlds: drift_worlds.Worlds, traffic: Traffic, start: datetime, length: timedelta, n: int, seed: int
) -> Window:
    """Draw a window of `n` requests and 40 canaries."""
    rng = np.random.default_rng(seed)
    places = _questions(worlds, traffic, rng, n)
    tenants = rng.choice(len(TENANTS), size=n, p=_TENANT_SHARES)
    typo = rng.random(n) < traffic.typos
    moments = np.sort(rng.random(n)) * length.total_seconds()
    searches, requests, spans, scores, features = [], [], [], [], []
    for i in range(n):
        trace, tenant = f"{seed:016x}{i:016x}", TENANTS[tenants[i]]
        name = "typos" if typo[i] else traffic.tenant_worlds.get(tenant, traffic.world)
        if typo[i] and traffic.world != "base":
            name = traffic.world
        moment = _moment(start, moments[i])
        search = _search(worlds.by_name[name], int(places[i]), rng)
        searches.append({**search, "Timestamp": moment, "TraceId": trace, "SpanId": "b" * 16, "Tenant": tenant})
        requests.append({"Timestamp": moment, "TraceId": trace, "SpanId": "a" * 16, "ServiceName": "rag", "Name": "ask",
                         "Tenant": tenant, "StatusCode": "Ok", "DurationMs": 900.0})  # fmt: skip
        tokens = max(3, int(60 * traffic.tokens * float(np.exp(0.45 * rng.standard_normal()))))
        spans.append(_span(traffic, moment, trace, tenant, tokens, rng))
        if rng.random() < _SCORED:
            value = float(np.clip(0.8 + traffic.groundedness + 0.15 * rng.standard_normal(), 0, 1))
            scores.append(_score(moment, trace, "groundedness", value, "lexical", ""))
        features.append([*worlds.by_name[name].numbers[places[i]], search["Scores"][0], tokens])
    marked, asked = _canaries(worlds, traffic, start + length / 2, seed, rng)
    rows = {
        "retrievals": [*searches, *asked],
        "requests": requests,
        "scores": [*scores, *marked],
        "otel_traces": spans,
    }
    return Window(rows, np.asarray(features, dtype=float))


def _questions(worlds: drift_worlds.Worlds, traffic: Traffic, rng: np.random.Generator, n: int) -> NDArray[Any]:
    """Places of questions: popular ones more often, the first topic as the traffic says."""
    weights = 1 / (np.arange(len(worlds.questions)) % 97 + 10.0)
    weights[worlds.topics == 0] *= traffic.topic_weight
    own, others = weights[: worlds.german], weights[worlds.german :]
    chosen = rng.choice(worlds.german, size=n, p=own / own.sum())
    german = worlds.german + rng.choice(len(others), size=n, p=others / others.sum())
    return np.where(rng.random(n) < traffic.german, german, chosen)


def _search(world: drift_worlds.World, place: int, rng: np.random.Generator) -> dict[str, Any]:
    """One search; one in thirty finds the next document instead of one, as approximate search does."""
    ids, scores = world.ids[place][:5].tolist(), world.scores[place][:5].tolist()
    if rng.random() < 1 / 30:
        missed = int(rng.integers(1, 5))
        ids[missed], scores[missed] = int(world.ids[place][5]), float(world.scores[place][5])
    return {
        "ServiceName": "rag", "Convention": "sightline", "System": "weaviate", "Collection": "Docs",
        "Operation": "hybrid",
        "Embedding": "all-MiniLM-L6-v2", "EmbeddingVersion": "fp32-1", "IndexVersion": "v1",
        "QuerySketch": world.sketches[place], "QuerySketchVersion": world.sketch_version, "ScoreKind": "fusion",
        "DocumentIds": [f"d{each}" for each in ids], "Scores": scores, "TopScore": max(scores), "IsEmpty": False,
        "Returned": 5, "StatusCode": "Ok", "DurationMs": 12.0,
    }  # fmt: skip


def _span(
    traffic: Traffic, moment: str, trace: str, tenant: str, tokens: int, rng: np.random.Generator
) -> dict[str, Any]:
    refuses, cites = rng.random() < traffic.refusals, rng.random() < traffic.citations
    words = " ".join(_WORDS[int(place)] for place in rng.integers(0, len(_WORDS), size=min(tokens, 120)))
    answer = "I don't know." if refuses else words + (" [1]." if cites else ".")
    return {
        "Timestamp": moment, "TraceId": trace, "SpanId": "c" * 16, "ParentSpanId": "a" * 16, "SpanName": "chat small",
        "SpanKind": "Client", "ServiceName": "rag", "StatusCode": "Ok", "Duration": 800_000_000,
        "SpanAttributes": {
            "sightline.stage": "model", "gen_ai.operation.name": "chat", "gen_ai.provider.name": "local",
            "gen_ai.request.model": "small", "gen_ai.usage.output_tokens": str(tokens), "tenant.id": tenant,
            "gen_ai.response.finish_reasons": '["length"]' if rng.random() < 0.04 else '["stop"]',
            "gen_ai.input.messages": json.dumps([{"role": "system", "content": traffic.system}]),
            "gen_ai.output.messages": json.dumps([{"role": "assistant", "content": answer}]),
        },
    }  # fmt: skip


def _canaries(
    worlds: drift_worlds.Worlds, traffic: Traffic, moment: datetime, seed: int, rng: np.random.Generator
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Scores that mark the traces of canaries, and their searches: the first questions of the pool.

    What they should find is what exact search found before anything changed, as `sightline-evals canaries` pins it.
    """
    marked, asked = [], []
    for place in range(_CANARIES):
        trace, when = f"{seed:016x}c{place:015x}", _moment(moment, place)
        known = [f"d{each}" for each in worlds.by_name["base"].ids[place][:5]]
        search = _search(worlds.by_name[traffic.world], place, rng)
        asked.append({**search, "Timestamp": when, "TraceId": trace, "SpanId": "b" * 16, "Tenant": TENANTS[0]})
        told = json.dumps({"question": worlds.questions[place], "expected": known})
        marked.append({**_score(when, trace, "drift.canary", 1.0, "sightline-drift", told), "Label": f"c{place}"})
    return marked, asked


def _score(moment: str, trace: str, name: str, value: float, judge: str, explanation: str) -> dict[str, Any]:
    return {
        "Timestamp": moment, "TraceId": trace, "Name": name, "Value": value, "Judge": judge, "JudgeVersion": "1",
        "Explanation": explanation, "Source": "code", "ServiceName": "sightline-evals",
    }  # fmt: skip


def _moment(start: datetime, seconds: float) -> str:
    return (start + timedelta(seconds=float(seconds))).strftime("%Y-%m-%d %H:%M:%S.%f")
