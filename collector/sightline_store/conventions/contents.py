"""Where every convention puts what people and models wrote: prompts, answers, queries, passages, calls of tools.

A part of the alias table (`aliases.py`). The texts stay in otel_traces and otel_logs and are stored nowhere else. The
package `sightline_store.contents` reads them, for the pages and for the evals; the view `span_contents` shows the raw
values to people who write SQL.
"""

from __future__ import annotations

from sightline import semconv

CONVERSATIONS: tuple[str, ...] = (
    "pydantic_ai.all_messages",
    "all_messages_events",
    "mlflow.chat.messages",
    "events",
)
"""Keys with the messages to a model and, at the end, those that it answered."""

MESSAGE_INPUTS = (
    semconv.GEN_AI_INPUT_MESSAGES,
    "gen_ai.request.messages",
    "ai.prompt.messages",
    "ai.prompt",
)
"""Keys with the messages to a model."""

STEP_INPUTS = (
    semconv.INPUT,
    "input.value",
    "traceloop.entity.input",
    "langfuse.observation.input",
    "mlflow.spanInputs",
    "gen_ai.prompt",
    "braintrust.input_json",
    "braintrust.input",
    "opik.input",
    "input",
    "genkit:input",
    "langwatch.input",
    "lmnr.span.input",
    "haystack.component.input",
    "gcp.vertex.agent.llm_request",
    "lk.input_text",
    "gen_ai.input",
    "inputs",
    "weave.inputs",
    "ai.value",
    "ai.values",
    "langfuse.trace.input",
)
"""Keys with what went into any step, in the framework's own JSON or as text."""

STEP_OUTPUTS = (
    semconv.OUTPUT,
    "output.value",
    "traceloop.entity.output",
    "langfuse.observation.output",
    "mlflow.spanOutputs",
    "gen_ai.completion",
    "braintrust.output_json",
    "braintrust.output",
    "opik.output",
    "output",
    "genkit:output",
    "langwatch.output",
    "lmnr.span.output",
    "haystack.component.output",
    "gcp.vertex.agent.llm_response",
    "gen_ai.output",
    "weave.output",
    "final_result",
    "langfuse.trace.output",
)
"""Keys with what came out of any step."""

DATABASE_QUERY = "db.query.text"
"""The key with the statement that a database was given, which is no question of a user."""

ANSWER_TEXTS = (
    "ai.response.text",
    "ai.result.text",
    "gen_ai.response.text",
    "lk.response.text",
    "ai.response.object",
    "ai.result.object",
)
"""Keys with the text that a model answered."""

ANSWER_CALLS = ("ai.response.toolCalls", "ai.result.toolCalls", "gen_ai.response.tool_calls")
"""Keys with the calls of tools that a model answered with, as a JSON list."""

CONTENT: dict[str, tuple[str, ...]] = {
    "Input": (
        *MESSAGE_INPUTS,
        *STEP_INPUTS,
        "request_data",
        "gen_ai.prompt.0.content",
        "llm.input_messages.0.message.content",
        "llm.prompts.0.prompt.text",
        "llm.prompts.0.content",
        "embedding.embeddings.0.embedding.text",
    ),
    "Output": (
        semconv.GEN_AI_OUTPUT_MESSAGES,
        *ANSWER_TEXTS,
        *STEP_OUTPUTS,
        "response_data",
        "gen_ai.completion.0.content",
        "llm.output_messages.0.message.content",
        "llm.choices.0.completion.text",
        "llm.completions.0.content",
        *ANSWER_CALLS,
        "ai.response.reasoning",
        "ai.response.files",
    ),
    "Query": (
        semconv.RETRIEVAL_QUERY_TEXT,
        "gen_ai.retrieval.query",
        "reranker.query",
        "db.vector.query.content",
        "spring.ai.vectorstore.query.content",
        DATABASE_QUERY,
    ),
    "SystemInstructions": (semconv.GEN_AI_SYSTEM_INSTRUCTIONS,),
    "Documents": (
        semconv.RETRIEVAL_DOCUMENTS,
        semconv.RERANK_DOCUMENTS,
        "spring.ai.vectorstore.query.response.documents",
        "db.vector.query.response.documents",
        "langwatch.rag.contexts",
    ),
    "ToolArguments": (
        "gen_ai.tool.call.arguments",
        "ai.toolCall.args",
        "tool.parameters",
        "tool_arguments",
        "gen_ai.tool.input",
        "gcp.vertex.agent.tool_call_args",
    ),
    "ToolResult": (
        "gen_ai.tool.call.result",
        "ai.toolCall.result",
        "tool_response",
        "gen_ai.tool.output",
        "gcp.vertex.agent.tool_response",
    ),
    "Conversation": CONVERSATIONS,
}
"""Column of the view `span_contents` to the attribute keys that hold it, the preferred one first."""

MESSAGE_PREFIXES: dict[str, tuple[str, ...]] = {
    "Input": ("llm.input_messages", "gen_ai.prompt", "llm.prompts"),
    "Output": ("llm.output_messages", "gen_ai.completion", "llm.completions", "llm.choices"),
}
"""Beginnings of keys PREFIX.N… of messages whose number stands in the key."""

DOCUMENT_PREFIXES = ("reranker.output_documents", "retrieval.documents")
"""Beginnings of keys PREFIX.N.document… of passages whose number stands in the key; a reranker's come first."""

UNREAD = (
    "gen_ai.task.input",
    "gen_ai.task.output",
    "db.statement",
    "tool_call.function.arguments",
    "llm.prompt_template.variables",
    "traceloop.prompt.template_variables",
    "reranker.input_documents.0.document.content",
    "reranker.input_documents.0.document.metadata",
)
"""Keys with such texts once more, which no reader needs: they go where content is removed."""

DETAIL_EVENTS = (
    "gen_ai.client.inference.operation.details",
    "gen_ai.content.prompt",
    "gen_ai.content.completion",
)
"""Events that have the keys above as attributes."""

MESSAGE_EVENTS: dict[str, str] = {
    "gen_ai.system.message": "system",
    "gen_ai.user.message": "user",
    "gen_ai.assistant.message": "assistant",
    "gen_ai.tool.message": "tool",
    "gen_ai.choice": "assistant",
}
"""Events that are one message, to its role; `gen_ai.choice` is the answer. They come as events of a span or as logs."""

DOCUMENT_EVENTS = ("db.query.result",)
"""Events that are one passage that a vector store returned."""

STREAM_CHUNK = "mlflow.chunk.value"
"""The attribute of an event with one chunk of a stream. Only chunks with a piece of a tool's call are read."""

CONTENT_EVENTS = (*DETAIL_EVENTS, *MESSAGE_EVENTS, *DOCUMENT_EVENTS)
"""Events that hold such texts."""

ANSWER_KEYS = (
    semconv.GEN_AI_OUTPUT_MESSAGES,
    *ANSWER_TEXTS,
    "response_data",
    "llm.output_messages.0.message.content",
    "llm.output_messages.0.message.contents.0.message_content.text",
    "gen_ai.completion.0.content",
    "llm.choices.0.completion.text",
    "llm.completions.0.content",
    *CONVERSATIONS[:3],
)
"""Keys that only the answer of a model has."""

PASSAGE_KEYS = (
    *CONTENT["Documents"],
    "retrieval.documents.0.document.content",
    "reranker.output_documents.0.document.content",
)
"""Keys that only passages have."""

EITHER_KEYS = ("output.mime_type", *(key for key in STEP_OUTPUTS if key not in {semconv.OUTPUT, "output.value"}))
"""Keys that hold an answer or passages: the kind of the span decides. OpenInference sets output.mime_type only for
content that it does not redact."""

ANSWER_EVENTS = ("gen_ai.choice", "gen_ai.content.completion", "gen_ai.client.inference.operation.details")
"""Events that hold an answer."""

KEYS_BESIDE = (
    semconv.STAGE,
    "gen_ai.tool.name",
    "gen_ai.tool.call.id",
    "tool.name",
    "ai.toolCall.name",
    "ai.toolCall.id",
    "traceloop.entity.name",
    "output.mime_type",
)
"""What a reader needs to know about a span's content."""


def content_keys() -> list[str]:
    """Every key that the reader of content looks at, but for those with a number in them."""
    keys = dict.fromkeys(key for keys in CONTENT.values() for key in keys if ".0." not in key)
    return [*keys, *KEYS_BESIDE]


def content_prefixes() -> list[str]:
    """The beginnings PREFIX. of the keys with a number in them; those of embedded texts are not among them."""
    return [f"{prefix}." for prefix in (*MESSAGE_PREFIXES["Input"], *MESSAGE_PREFIXES["Output"], *DOCUMENT_PREFIXES)]
