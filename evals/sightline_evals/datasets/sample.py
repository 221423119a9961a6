"""One case of an evaluation: a question, what was answered, and what was expected."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Sample:
    """One answered question.

    Attributes:
        id: name of the case in a dataset, trace id of a stored one.
        question: the user's question.
        answer: the answer; "" where only the retrieval is to be judged.
        contexts: the retrieved passages that the answer is based on, best first.
        reference: the right answer as a person wrote it; "" where there is none.
        trace_id: 32 hex digits of the trace that holds the answer; "" outside of traces.
        span_id: 16 hex digits of the request's span.
        tenant: tenant of the request; "" where it is unknown.
        model: model that answered.
        note: a remark for readers of its scores, for example "extractive, no LLM".
        reference_contexts: the passages that a right retrieval finds; empty where they are unknown.
        conversation: conversation that the question belongs to; "" where it stands alone.
        must_pass: the case fails a gate by itself, whatever the mean is.
        weight: the case's part in a weighted mean, above 0.
        ttft_ms: milliseconds from the request to the first token of the answer; None where it was not measured.
        duration_ms: milliseconds from the request to the end of the answer.
        cost_usd: US dollars that the answer's model calls cost.
        input_tokens: tokens that the answer's model calls read.
        output_tokens: tokens that they wrote.
        metadata: further facts about the case, JSON values by name.
    """

    id: str
    question: str
    answer: str
    contexts: tuple[str, ...]
    reference: str = ""
    trace_id: str = ""
    span_id: str = ""
    tenant: str = ""
    model: str = ""
    note: str = field(default="", compare=False)
    reference_contexts: tuple[str, ...] = ()
    conversation: str = ""
    must_pass: bool = False
    weight: float = 1.0
    ttft_ms: float | None = None
    duration_ms: float | None = None
    cost_usd: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict, hash=False)
