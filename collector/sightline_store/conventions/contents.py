"""Where every convention puts what people and models wrote: prompts, answers, queries, system instructions.

A part of the alias table (`aliases.py`). The texts stay in otel_traces and are stored nowhere else; the view
`span_contents` reads them there.
"""

from __future__ import annotations

from sightline import semconv

CONTENT: dict[str, tuple[str, ...]] = {
    "Input": (
        semconv.GEN_AI_INPUT_MESSAGES,
        semconv.INPUT,
        "input.value",
        "gen_ai.prompt",
        "traceloop.entity.input",
        "langfuse.observation.input",
        "ai.prompt.messages",
        "ai.prompt",
        "mlflow.spanInputs",
        "gen_ai.prompt.0.content",
    ),
    "Output": (
        semconv.GEN_AI_OUTPUT_MESSAGES,
        semconv.OUTPUT,
        "output.value",
        "gen_ai.completion",
        "traceloop.entity.output",
        "langfuse.observation.output",
        "ai.response.text",
        "ai.response.object",
        "mlflow.spanOutputs",
        "gen_ai.completion.0.content",
    ),
    "Query": (semconv.RETRIEVAL_QUERY_TEXT, "gen_ai.retrieval.query", "db.query.text"),
    "SystemInstructions": (semconv.GEN_AI_SYSTEM_INSTRUCTIONS,),
}
"""Column of the view `span_contents` to the attribute keys that hold it, the preferred one first."""

CONTENT_EVENTS = (
    "gen_ai.client.inference.operation.details",
    "gen_ai.content.prompt",
    "gen_ai.content.completion",
    "gen_ai.user.message",
    "gen_ai.choice",
)
"""Span events that hold such texts. The first three have the keys above as attributes."""
