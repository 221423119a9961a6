"""What the tools about lists of requests, scores, spending and drift answer. Names carry units; null is unknown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, Field

from sightline_mcp import recorded
from sightline_mcp.recorded import Recorded, Unsupported
from sightline_mcp.windows import Window, iso_ms


class ListedTrace(BaseModel):
    """A request in a list."""

    trace_id: str
    started: str = Field(description="ISO 8601 in UTC.")
    service: str
    name: str
    route: str
    tenant: str
    user: str
    session: str
    failed: bool
    error_type: str
    ttft_ms: float | None = Field(description="Time to the first token, from the request's start.")
    ttft_definition: str = Field(
        description="'delivered' to the user; 'first_token' or 'first_chunk' of the model's stream, which is earlier."
    )
    total_ms: float
    models: list[str]
    llm_calls: int
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: float | None = Field(description="Null where the cost of a call is unknown, never 0.")
    groundedness: float | None = Field(description="0 to 1, as judged last; null where not judged.")
    faithfulness: float | None = Field(description="0 to 1, as judged last; null where not judged.")


class TraceList(BaseModel):
    """Requests of a window."""

    warning: str = recorded.WARNING
    window: Window
    matching: int = Field(description="Requests that match; more than are listed where there is a next_offset.")
    traces: list[ListedTrace]
    next_offset: int | None = Field(description="Ask with it for what follows; null at the end.")
    notes: list[str]


class WorstAnswer(BaseModel):
    """An answer with a low score."""

    trace_id: str
    asked: str = Field(description="ISO 8601 in UTC.")
    tenant: str
    value: float | None = Field(description="Null where the judge could not judge: never a pass.")
    label: str
    judge: str
    error_type: str
    explanation: Recorded | None
    unsupported: list[Unsupported]
    question: Recorded | None = Field(description="Null where it was not captured.")
    answer: Recorded | None = Field(description="Null where it was not captured.")


class ScoreSummary(BaseModel):
    """A score over a whole window."""

    name: str
    mean: float | None
    low: float | None = Field(description="Lower end of the mean's 95 % interval.")
    high: float | None
    n: int = Field(description="Answers with a value.")
    failed: int = Field(description="Answers that could not be judged; they are in no mean.")


class WorstAnswers(BaseModel):
    """The lowest answers of a window on one score."""

    warning: str = recorded.WARNING
    window: Window
    score: str
    answers: list[WorstAnswer] = Field(description="The lowest first, those that could not be judged last.")
    scores: list[ScoreSummary] = Field(description="All scores of the window.")
    notes: list[str]


class SpendRow(BaseModel):
    """What one model, tenant, user or session spent."""

    name: str
    calls: int
    unpriced_calls: int = Field(description="Calls whose cost is unknown; they are in no sum of USD.")
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: float | None = Field(description="Of the calls whose cost is known.")


class Spend(BaseModel):
    """Tokens and cost of a window."""

    warning: str = recorded.WARNING
    window: Window
    requests: int
    llm_calls: int
    unpriced_calls: int
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: float | None = Field(description="Of model and embedding calls whose cost is known; null where none is.")
    by: str
    rows: list[SpendRow] = Field(description="Calls of models that answer; the dearest first.")
    embeddings: list[SpendRow] = Field(description="Calls of embedding models; the dearest first.")
    notes: list[str]


class DriftRun(BaseModel):
    """The last run of `sightline-evals drift`."""

    run_id: str
    at: str = Field(description="ISO 8601 in UTC.")
    outcome: str
    sentence: Recorded | None


class DriftVerdict(BaseModel):
    """The last verdict on one comparison."""

    signal: str
    key: str = Field(description="What was compared.")
    state: str = Field(description="'quiet', 'suspected', 'drift' or 'too_little_data'.")
    effect: float | None = Field(description="In the unit of the signal.")
    low: float | None = Field(description="Lower end of the effect's interval.")
    high: float | None
    p: float | None = Field(description="Corrected for all that was tested; null where nothing was.")
    reference_n: int
    current_n: int
    at: str = Field(description="ISO 8601 in UTC.")


class Drift(BaseModel):
    """The last verdicts about drift."""

    warning: str = recorded.WARNING
    window: Window
    last_run: DriftRun | None = Field(description="Null where nothing ran in the window.")
    verdicts: list[DriftVerdict] = Field(description="Drift first, then suspected, too little data and quiet.")
    notes: list[str]


def listed_trace(row: Mapping[str, Any]) -> ListedTrace:
    """A row of `request_lists.traces`."""
    return ListedTrace(
        trace_id=row["trace_id"],
        started=iso_ms(row["started_ms"]),
        service=recorded.name(row["service"]),
        name=recorded.name(row["name"]),
        route=recorded.name(row["route_name"]),
        tenant=recorded.name(row["tenant_name"]),
        user=recorded.name(row["user_id"]),
        session=recorded.name(row["session_id"]),
        failed=bool(row["failed"]),
        error_type=recorded.name(row["error_type"]),
        ttft_ms=row["ttft_ms"],
        ttft_definition=row["ttft_definition"],
        total_ms=row["total_ms"],
        models=[recorded.name(model) for model in row["models"]],
        llm_calls=row["llm_calls"],
        input_tokens=row["input_tokens"],
        output_tokens=row["output_tokens"],
        cost_usd=row["cost_usd"],
        groundedness=row["groundedness"],
        faithfulness=row["faithfulness"],
    )


def score_summary(row: Mapping[str, Any]) -> ScoreSummary:
    """A row of `queries.score_summary`."""
    told = row["estimate"]
    return ScoreSummary(
        name=recorded.name(row["name"]), mean=told.mean, low=told.low, high=told.high, n=row["n"], failed=row["failed"]
    )


def spend_row(row: Mapping[str, Any]) -> SpendRow:
    """A row of `queries.spend_by` or of `queries.embedding_spend`."""
    return SpendRow(
        name=recorded.name(row["name"]),
        calls=row["calls"],
        unpriced_calls=row["unpriced_calls"],
        input_tokens=row["input_tokens"],
        output_tokens=row.get("output_tokens"),
        cost_usd=row["cost_usd"],
    )


_STATES = ("drift", "suspected", "too_little_data", "quiet")


def drift_run(rows: Sequence[Mapping[str, Any]], max_chars: int) -> DriftRun | None:
    """The newest run among rows of `drift.results`, which come the newest first."""
    row = next((row for row in rows if row["signal"] == "verdict"), None)
    if row is None:
        return None
    return DriftRun(
        run_id=recorded.name(row["run_id"]),
        at=iso_ms(row["at_ms"]),
        outcome=recorded.name(row["state"]),
        sentence=recorded.recorded(row["sentence"], max_chars),
    )


def drift_verdicts(rows: Sequence[Mapping[str, Any]]) -> list[DriftVerdict]:
    """The newest verdict on each comparison among rows of `drift.results`, what is worst first."""
    newest: dict[tuple[str, str], Mapping[str, Any]] = {}
    for row in rows:
        if row["signal"] != "verdict":
            newest.setdefault((row["signal"], row["key"]), row)
    ordered = sorted(newest.values(), key=lambda row: _STATES.index(row["state"]) if row["state"] in _STATES else 0)
    return [
        DriftVerdict(
            signal=recorded.name(row["signal"]),
            key=recorded.name(row["key"]),
            state=recorded.name(row["state"]),
            at=iso_ms(row["at_ms"]),
            **{name: row[name] for name in ("effect", "low", "high", "p", "reference_n", "current_n")},
        )
        for row in ordered
    ]
