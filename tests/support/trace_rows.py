"""Rows of the questions about one trace, for tests of what is made of them."""

from __future__ import annotations

from typing import Any


def span(
    span_id: str, stage: str, start_ms: float, took_ms: float, *, parent: str = "root", **more: Any
) -> dict[str, Any]:
    """A row as `queries.trace_spans` gives it; its name is its id unless another one is given."""
    return {
        "span_id": span_id,
        "parent_id": "" if span_id == parent else parent,
        "name": span_id,
        "kind": "Internal",
        "service": "api",
        "start_ns": 1_000_000_000_000 + int(start_ms * 1e6),
        "duration_ns": int(took_ms * 1e6),
        "status": "Unset",
        "status_message": "",
        "stage": stage,
        "ttft_ms": None,
        "first_chunk_ms": None,
        "model_name": "",
        "error_type": "",
        "flagged": False,
        "tenant_name": "",
        "user_id": "",
        "session_id": "",
        **more,
    }


def request(ttft_ms: float | None = 100.0, took_ms: float = 300.0) -> dict[str, Any]:
    """The root span."""
    return span("root", "request", 0, took_ms, ttft_ms=ttft_ms)


def path(spans: list[dict[str, Any]], *pieces: tuple[str, float, float, str], **more: Any) -> list[dict[str, Any]]:
    """Rows as `queries.ttft_trace` gives them: stage, from, to (ms) and the name of the span."""
    whole = {"request_id": spans[0]["span_id"], "until": "delivered", "until_ms": 100.0, "skewed": 0, **more}
    return [
        {**whole, "stage": stage, "start_ms": start_ms, "end_ms": end_ms, "span_id": name}
        for stage, start_ms, end_ms, name in pieces
    ]
