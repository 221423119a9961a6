"""Rows of tenants that differ in nothing but their names; and a request that one has sent into another's trace."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

MARK = "7731"
"""Stands behind the tenant's name in every text of its rows."""


@dataclass(frozen=True)
class Tenant:
    """A tenant with one trace.

    Attributes:
        name: of the tenant.
        trace_id: of the trace.
        at: when it was.
        is_named: whether its rows carry the name.
    """

    name: str
    trace_id: str
    at: datetime
    is_named: bool = True

    @property
    def mark(self) -> str:
        """A text of this tenant's rows alone."""
        return f"{self.name}-{MARK}"

    def tables(self) -> dict[str, list[dict[str, Any]]]:
        """Table to the rows that are inserted there; views make the others of them."""
        span_ids = [f"{number}{self.trace_id[:15]}" for number in range(1, 5)]
        told = {
            **({"tenant.id": self.name} if self.is_named else {}),
            "user.id": f"user-{self.mark}",
            "session.id": f"session-{self.mark}",
        }
        request = self._span(
            span_ids[0],
            "",
            f"POST /{self.mark}",
            {
                **told,
                "sightline.stage": "request",
                "http.route": f"/{self.mark}",
                "input.value": f"question {self.mark}",
                "sightline.response.time_to_first_token": "0.25",
            },
        )
        search = self._span(
            span_ids[1],
            span_ids[0],
            "search",
            {
                **told,
                "sightline.stage": "search",
                "db.system.name": "weaviate",
                "db.collection.name": f"collection-{self.mark}",
                "gen_ai.retrieval.query.text": f"question {self.mark}",
            },
        )
        chat = self._span(
            span_ids[2],
            span_ids[0],
            f"chat model-{self.mark}",
            {
                **told,
                "gen_ai.operation.name": "chat",
                "gen_ai.provider.name": "openai",
                "gen_ai.request.model": f"model-{self.mark}",
                "gen_ai.usage.input_tokens": "100",
                "gen_ai.usage.output_tokens": "20",
                "gen_ai.output.messages": '[{"role": "assistant", "parts": [{"type": "text", "content": "answer '
                f'{self.mark}"}}]}}]',
            },
        )
        failed = self._span(span_ids[3], span_ids[0], f"tool {self.mark}", told)
        failed |= {"StatusCode": "Error", "StatusMessage": f"failure {self.mark}"}
        stamp = {"sightline.tenant": self.name} if self.is_named else {}
        log = {"Timestamp": self._moment(), "ServiceName": f"service-{self.mark}"}
        metric = {
            "ResourceAttributes": stamp,
            "ServiceName": f"service-{self.mark}",
            "MetricName": "requests",
            "Attributes": {"of": self.mark},
            "TimeUnix": int(self.at.timestamp()),
            "Value": 1.0,
        }
        price = {"PriceKey": f"openai/model-{self.mark}", "InputUsdPerMtok": 1.0, "OutputUsdPerMtok": 2.0}
        return {
            "model_prices": [price],
            "otel_traces": [request, search, chat, failed],
            "otel_logs": [
                {**log, "ResourceAttributes": stamp, "Body": f"log {self.mark}"},
                self.score("groundedness", 0.4, f"reason {self.mark}"),
            ],
            "otel_metrics_gauge": [metric],
        }

    def score(self, name: str, value: float, explanation: str) -> dict[str, Any]:
        """A score of the trace, as `sightline-evals` sends it: with no tenant."""
        told = {"name": name, "score.value": str(value), "explanation": explanation}
        return {
            "Timestamp": self._moment(),
            "ServiceName": "sightline-evals",
            "TraceId": self.trace_id,
            "EventName": "gen_ai.evaluation.result",
            "LogAttributes": {
                **{f"gen_ai.evaluation.{key}": text for key, text in told.items()},
                "sightline.evaluation.judge": "judge",
            },
        }

    def forged_request(self, into: Tenant) -> dict[str, Any]:
        """A request of this tenant with another one's trace id."""
        attributes = {"tenant.id": self.name, "sightline.stage": "request"}
        return {**self._span(f"f{into.trace_id[:15]}", "", "forged", attributes), "TraceId": into.trace_id}

    def _span(self, span_id: str, parent_id: str, name: str, attributes: dict[str, str]) -> dict[str, Any]:
        return {
            "Timestamp": self._moment(),
            "TraceId": self.trace_id,
            "SpanId": span_id,
            "ParentSpanId": parent_id,
            "SpanName": name,
            "SpanKind": "Server",
            "ServiceName": f"service-{self.mark}",
            "ResourceAttributes": {"sightline.tenant": self.name} if self.is_named else {},
            "SpanAttributes": attributes,
            "Duration": 1_000_000_000,
            "StatusCode": "Ok",
        }

    def _moment(self) -> str:
        return self.at.strftime("%Y-%m-%d %H:%M:%S.%f")


def tenants(now: datetime | None = None) -> tuple[Tenant, Tenant, Tenant, Tenant]:
    """Two tenants that asked ten minutes ago, and two into whose traces the first one sent a request, one nameless."""
    at = (now or datetime.now(UTC)) - timedelta(minutes=10)
    return (
        Tenant("ours", "a" * 32, at),
        Tenant("theirs", "b" * 32, at),
        Tenant("shared", "c" * 32, at),
        Tenant("nameless", "d" * 32, at, is_named=False),
    )


def rows() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Table and rows of all tenants, in the order in which they are inserted."""
    ours, *others = tenants()
    for tenant in (ours, *others):
        yield from tenant.tables().items()
    yield "otel_traces", [ours.forged_request(tenant) for tenant in others[1:]]
