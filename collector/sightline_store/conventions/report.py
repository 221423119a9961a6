# ruff: noqa: S608 - every piece of the SQL is this package's own; values travel as parameters.
"""Which conventions the stored spans use, and which of their keys stand nowhere in the alias table.

`sightline-store conventions` prints `Report.lines`. A frequent key under "keys that are not understood" wants a line in
`aliases.py`; after that, `sightline-store rebuild` brings it into rows that are already there.
"""

from __future__ import annotations

from dataclasses import dataclass

from sightline import semconv
from sightline_store.client import Client
from sightline_store.conventions import aliases, canonical
from sightline_store.questions import queries

_KNOWN_PREFIXES = (
    "llm.input_messages.",
    "llm.output_messages.",
    "llm.prompts.",
    "llm.tools.",
    "llm.cost.",
    "llm.prompt_template.",
    "llm.token_count.",
    "retrieval.documents.",
    "embedding.embeddings.",
    "reranker.input_documents.",
    "reranker.output_documents.",
    "reranker.query",
    "evaluations.",
    "annotations.",
    "gen_ai.prompt.",
    "gen_ai.completion.",
    "gen_ai.request.",
    "gen_ai.tool.",
    "gen_ai.agent.",
    "gen_ai.evaluation.",
    "gen_ai.task.",
    "gen_ai.openai.",
    "traceloop.",
    "langfuse.",
    "ai.telemetry.",
    "ai.settings.",
    "ai.prompt.",
    "ai.response.",
    "ai.toolCall.",
    "mlflow.",
    "input.",
    "output.",
    "sightline.",
)
"""Beginnings of keys that are known and stand in no column of their own."""

_GENAI_PREFIXES = (
    "gen_ai.",
    "llm.",
    "ai.",
    "openinference.",
    "retrieval.",
    "embedding.",
    "reranker.",
    "traceloop.",
    "langfuse.",
    "langsmith.",
    "mlflow.",
    "opik.",
    "braintrust.",
    "db.vector.",
    "sightline.",
)
"""Beginnings of keys of GenAI conventions."""


@dataclass(frozen=True)
class ConventionShare:
    """The spans of a convention; '' is spans of none, such as those of web servers."""

    convention: str
    spans: int
    share: float
    """Of all spans, 0 to 1."""


@dataclass(frozen=True)
class UnknownKey:
    """A GenAI key that stands nowhere in the alias table. Numbers inside it are N."""

    key: str
    spans: int
    scopes: tuple[str, ...]
    example: str
    """A value of it, at most 80 characters."""


@dataclass(frozen=True)
class Report:
    """The last `since_s` seconds."""

    since_s: int
    spans: int
    conventions: tuple[ConventionShare, ...]
    unknown: tuple[UnknownKey, ...]

    def lines(self) -> list[str]:
        """The report as text."""
        lines = [f"{self.spans} spans in the last {self.since_s / 3600:g} h"]
        lines += [f"  {part.share:7.1%}  {part.spans:10}  {part.convention or '(none)'}" for part in self.conventions]
        lines.append("keys that are not understood:" if self.unknown else "every key is understood")
        lines += [
            f"  {key.spans:10}  {key.key} = {key.example!r}  ({', '.join(scope or '?' for scope in key.scopes)})"
            for key in self.unknown
        ]
        return lines


def report(client: Client, *, since_s: int = 86_400, limit: int = 50) -> Report:
    """Ask the stored spans of the last `since_s` seconds; `limit` is the most keys to list.

    Spans that were sampled out are counted by the weight of those that were kept.

    Raises:
        StoreUnavailable: try again.
    """
    window = "Timestamp >= now64(9) - toIntervalSecond({since_s:UInt64})"
    attribute = "SpanAttributes['sightline.sampling.weight']"
    weight = f"if({attribute} = '', 1, toFloat64OrZero({attribute}))"
    params = {"since_s": since_s}
    (total,) = client.query_rows(f"SELECT toUInt64(round(sum({weight}))) AS n FROM otel_traces WHERE {window}", params)
    canonical_spans = canonical.canonical_select("otel_traces", window, extra_column="SpanAttributes")
    rows = client.query_rows(
        f"SELECT toString(Convention) AS convention, toUInt64(round(sum({weight}))) AS n "
        f"FROM ({canonical_spans}) WHERE Convention != '' "
        "GROUP BY convention ORDER BY n DESC, convention",
        params,
    )
    spans = int(total["n"])
    counted = [(str(row["convention"]), int(row["n"])) for row in rows]
    without = spans - sum(n for _, n in counted)
    if without > 0:
        counted.append(("", without))
    keys = queries.attribute_keys(client, list(_GENAI_PREFIXES), since_s=since_s)
    unknown = [
        UnknownKey(str(row["key_name"]), int(row["spans"]), tuple(sorted(row["scopes"])), str(row["example"]))
        for row in keys
        if not is_known(str(row["key_name"]))
    ]
    return Report(
        since_s,
        spans,
        tuple(ConventionShare(convention, n, n / spans if spans else 0.0) for convention, n in counted),
        tuple(unknown[:limit]),
    )


def is_known(key: str) -> bool:
    """Whether a key, with N in place of its numbers, is understood or known to hold nothing of a column."""
    ours = {value for value in vars(semconv).values() if isinstance(value, str)}
    known = {spelling.replace(".0.", ".N.") for spelling in aliases.known_keys()} | ours
    return key in known or key.startswith(_KNOWN_PREFIXES)
