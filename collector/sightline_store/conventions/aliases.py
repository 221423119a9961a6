"""The one alias table: how every convention spells what Sightline's typed tables hold.

`COLUMNS` maps a canonical value to the attribute keys that tell it, the best first. Two parts stand on their own:
`first_tokens.py` has the spellings of the time to first token, with units, and `dialects.py` what conventions call a
span's kind and a provider. `canonical.py` writes the SQL of the views out of all this, `conventions.py` reports what it
does not know. A new spelling is a line here and `python -m sightline_store.conventions.canonical`.

Sources: the semantic conventions of OpenTelemetry (gen_ai.*, all generations since 2024), OpenInference, OpenLLMetry,
Langfuse, the Vercel AI SDK, MLflow, Pydantic AI, OpenLIT, Sentry, loongsuite, Opik, Braintrust, LangSmith, Strands.
"""

from __future__ import annotations

from collections.abc import Iterator

from sightline import semconv
from sightline_store.conventions.dialects import CONVENTIONS
from sightline_store.conventions.first_tokens import TTFT, TTFT_EVENTS

SPELLINGS_MAX = 32
"""The most spellings of one column: a key's id is column * 32 + place."""

COLUMNS: dict[str, tuple[str, ...]] = {
    # What the span is
    "stage": (semconv.STAGE,),
    "operation": (semconv.GEN_AI_OPERATION_NAME,),
    "kind": (
        "openinference.span.kind",
        "gen_ai.span.kind",
        "langfuse.observation.type",
        "mlflow.spanType",
        "langsmith.span.kind",
        "ai.operationId",
        "llm.request.type",
        "braintrust.span_attributes",
        "opik.span.type",
        "genkit:metadata:subtype",
        "weave.op.kind",
        "sentry.op",
        "traceloop.span.kind",
    ),
    "entity": ("traceloop.entity.name",),
    "marker": (
        "gen_ai.openai.api_base",
        "llm.usage.total_tokens",
        "traceloop.workflow.name",
        "traceloop.association.properties.ls_provider",
        "logfire.span_type",
        "gen_ai.usage.total_tokens",
        "llm.token_count.total",
        "gen_ai.agent.name",
        "gen_ai.tool.name",
        "tool.name",
    ),
    # Who asked
    "tenant": (semconv.TENANT_ID, "traceloop.association.properties.tenant_id", "ai.telemetry.metadata.tenantId"),
    "user": (
        semconv.USER_ID,
        "enduser.id",
        "langfuse.user.id",
        "gen_ai.user",
        "llm.user",
        "traceloop.association.properties.user_id",
        "ai.telemetry.metadata.userId",
        "mlflow.trace.user",
    ),
    "session": (
        semconv.SESSION_ID,
        "langfuse.session.id",
        "gen_ai.conversation.id",
        "traceloop.association.properties.session_id",
        "ai.telemetry.metadata.sessionId",
        "mlflow.trace.session",
        "langsmith.trace.session_id",
        "opik.thread_id",
    ),
    "route": (semconv.HTTP_ROUTE,),
    "http_status": (semconv.HTTP_RESPONSE_STATUS_CODE, "http.status_code"),
    "error_type": (semconv.ERROR_TYPE,),
    "outcome": (semconv.STREAM_OUTCOME, semconv.RESPONSE_OUTCOME),
    # The model
    "provider": (semconv.GEN_AI_PROVIDER_NAME, "gen_ai.system", "llm.provider", "llm.system", "ai.model.provider"),
    "request_model": (
        semconv.GEN_AI_REQUEST_MODEL,
        "llm.request.model_name",
        "embedding.model_name",
        "reranker.model_name",
        "langfuse.observation.model.name",
        "ai.model.id",
        "llm.request.model",
        "gen_ai.rerank.model",
    ),
    "response_model": (
        semconv.GEN_AI_RESPONSE_MODEL,
        "llm.response.model_name",
        "ai.response.model",
        "llm.model_name",
        "llm.response.model",
    ),
    "parameters": (
        "llm.invocation_parameters",
        "embedding.invocation_parameters",
        "langfuse.observation.model.parameters",
    ),
    "priced_as": (semconv.MODEL_PRICED_AS,),
    "note": (semconv.MODEL_NOTE,),
    "service_tier": (
        "gen_ai.response.service_tier",
        "openai.response.service_tier",
        "gen_ai.openai.response.service_tier",
        "gen_ai.request.service_tier",
        "openai.request.service_tier",
        "gen_ai.openai.request.service_tier",
    ),
    "streaming": (
        semconv.GEN_AI_REQUEST_STREAM,
        "gen_ai.is_streaming",
        "llm.is_streaming",
        "gen_ai.request.is_stream",
        "gen_ai.response.streaming",
    ),
    "finish_reason": (
        semconv.GEN_AI_RESPONSE_FINISH_REASONS,
        "llm.finish_reason",
        "gen_ai.response.finish_reason",
        "ai.response.finishReason",
        "llm.response.finish_reason",
        "gen_ai.response.stop_reason",
        "llm.response.stop_reason",
    ),
    # Tokens and money
    "input_tokens": (
        semconv.GEN_AI_USAGE_INPUT_TOKENS,
        "llm.token_count.prompt",
        "gen_ai.usage.prompt_tokens",
        "ai.usage.inputTokens",
        "ai.usage.promptTokens",
        "ai.usage.tokens",
        "llm.usage.prompt_tokens",
        "opik.usage.prompt_tokens",
    ),
    "output_tokens": (
        semconv.GEN_AI_USAGE_OUTPUT_TOKENS,
        "llm.token_count.completion",
        "gen_ai.usage.completion_tokens",
        "ai.usage.outputTokens",
        "ai.usage.completionTokens",
        "llm.usage.completion_tokens",
        "opik.usage.completion_tokens",
    ),
    "cache_read_tokens": (
        semconv.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS,
        "llm.token_count.prompt_details.cache_read",
        "gen_ai.usage.cache_read_input_tokens",
        "gen_ai.usage.cache_read_tokens",
        "gen_ai.usage.details.cache_read_tokens",
        "gen_ai.usage.details.cache_read_input_tokens",
        "gen_ai.usage.input_tokens.cached",
        "ai.usage.inputTokenDetails.cacheReadTokens",
        "ai.usage.cachedInputTokens",
        "gen_ai.usage.cached_input_tokens",
        "gen_ai.usage.prompt_tokens_details.cached_tokens",
    ),
    "cache_write_tokens": (
        semconv.GEN_AI_USAGE_CACHE_CREATION_INPUT_TOKENS,
        "gen_ai.usage.cache_write.input_tokens",
        "llm.token_count.prompt_details.cache_write",
        "gen_ai.usage.cache_creation_input_tokens",
        "gen_ai.usage.cache_write_tokens",
        "gen_ai.usage.cache_write_input_tokens",
        "gen_ai.usage.details.cache_write_tokens",
        "gen_ai.usage.details.cache_creation_input_tokens",
        "gen_ai.usage.input_tokens.cache_write",
        "ai.usage.inputTokenDetails.cacheWriteTokens",
    ),
    "cache_write_1h_tokens": (
        "gen_ai.usage.cache_creation.ephemeral_1h_input_tokens",
        "gen_ai.usage.details.ephemeral_1h_input_tokens",
        "gen_ai.usage.cache_creation_1h_input_tokens",
    ),
    "reasoning_tokens": (
        semconv.GEN_AI_USAGE_REASONING_OUTPUT_TOKENS,
        "llm.token_count.completion_details.reasoning",
        "gen_ai.usage.reasoning_tokens",
        "llm.usage.reasoning_tokens",
        "gen_ai.usage.details.reasoning_tokens",
        "gen_ai.usage.output_tokens.reasoning",
        "gen_ai.usage.completion_tokens_details.reasoning_tokens",
        "ai.usage.outputTokenDetails.reasoningTokens",
        "ai.usage.reasoningTokens",
    ),
    "input_audio_tokens": (
        "llm.token_count.prompt_details.audio",
        "gen_ai.usage.details.input_audio_tokens",
        "gen_ai.usage.prompt_tokens_details.audio_tokens",
    ),
    "output_audio_tokens": (
        "llm.token_count.completion_details.audio",
        "gen_ai.usage.details.output_audio_tokens",
        "gen_ai.usage.completion_tokens_details.audio_tokens",
    ),
    "usage_json": (
        "langfuse.observation.usage_details",
        "mlflow.chat.tokenUsage",
        "langsmith.usage_metadata",
        "braintrust.metrics",
    ),
    "told_cost": ("llm.cost.total", "gen_ai.usage.cost", "gen_ai.usage.cost_usd", "gen_ai.cost.usd", "operation.cost"),
    "cost_json": ("langfuse.observation.cost_details",),
    # Streams, measured by this project's library
    "stall": (semconv.STREAM_LONGEST_STALL,),
    "chunks": (semconv.STREAM_CHUNKS,),
    # Retrieval and embedding
    "system": (semconv.DB_SYSTEM_NAME, "db.system"),
    "collection": (
        semconv.DB_COLLECTION_NAME,
        semconv.GEN_AI_DATA_SOURCE_ID,
        "db.milvus.search.collection_name",
        "qdrant.search.collection_name",
    ),
    "db_operation": (semconv.DB_OPERATION_NAME, "db.operation"),
    "vector_search": (
        "db.vector.query.top_k",
        "db.n_results",
        "db.chroma.query.n_results",
        "db.milvus.search.limit",
        "pinecone.query.top_k",
    ),
    "top_k": (semconv.GEN_AI_REQUEST_TOP_K, "gen_ai.retrieval.top_k", "gen_ai.rerank.top_k", "reranker.top_k"),
    "returned": (
        semconv.DB_RESPONSE_RETURNED_ROWS,
        "db.vector.query.result_count",
        "gen_ai.retrieval.document_count",
        "db.vector.count",
        "db.milvus.search.result_count",
    ),
    "documents": (semconv.RETRIEVAL_DOCUMENTS,),
    "indexed_documents": (
        "retrieval.documents.0.document.id",
        "retrieval.documents.0.document.content",
        "retrieval.documents.0.document.score",
    ),
    "entity_output": ("traceloop.entity.output",),
    "top_score": ("db.vector.query.top_score",),
    "embedding": (semconv.EMBEDDING_NAME,),
    "embedding_version": (semconv.EMBEDDING_VERSION,),
    "index_version": (semconv.INDEX_VERSION,),
    "index_stale": ("sightline.index.stale",),
    "sketch": (semconv.QUERY_SKETCH,),
    "sketch_version": (semconv.QUERY_SKETCH_VERSION,),
    "score_kind": (semconv.RETRIEVAL_SCORE_KIND, "db.search.similarity_metric"),
    "empty": (semconv.RETRIEVAL_EMPTY,),
    "dimensions": (semconv.GEN_AI_EMBEDDINGS_DIMENSION_COUNT, "gen_ai.request.embedding_dimension"),
    "indexed_texts": ("embedding.embeddings.0.embedding.text", "embedding.embeddings.0.embedding.vector"),
    # Guardrails and scores
    "flagged": (semconv.GUARDRAIL_FLAGGED,),
    "indexed_scores": ("evaluations.0.evaluation.name", "annotations.0.annotation.name"),
}
"""Canonical value to the keys that tell it, the best first. A key stands in one column only."""

JSON_COLUMNS = ("usage_json", "parameters")
"""Columns whose value is a JSON object: its members are read by `JSON_MEMBERS`, after all keys."""

JSON_MEMBERS: dict[str, tuple[str, ...]] = {
    "input_tokens": ("input", "input_tokens", "prompt_tokens"),
    "output_tokens": ("output", "output_tokens", "completion_tokens"),
    "cache_read_tokens": (
        "input_cached_tokens",
        "cache_read_input_tokens",
        "input_cache_read",
        "prompt_cached_tokens",
    ),
    "cache_write_tokens": ("cache_creation_input_tokens", "input_cache_creation", "prompt_cache_creation_tokens"),
    "reasoning_tokens": ("output_reasoning_tokens", "reasoning_tokens", "completion_reasoning_tokens"),
    "request_model": ("model",),
    "streaming": ("stream",),
    "ttft_token": ("time_to_first_token",),
}
"""Canonical value to the members of such an object that tell it."""

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
"""What people and models wrote. It stays in otel_traces: the view `span_contents` finds it there."""

CONTENT_EVENTS = (
    "gen_ai.client.inference.operation.details",
    "gen_ai.content.prompt",
    "gen_ai.content.completion",
    "gen_ai.user.message",
    "gen_ai.choice",
)
"""Events of spans that hold it. The first three hold the keys above."""


def ids() -> dict[str, int]:
    """Each key's id: the number of its column times `SPELLINGS_MAX`, plus its place. Numbers begin at 1."""
    found: dict[str, int] = {}
    for number, (_, keys) in enumerate(columns(), start=1):
        for place, key in enumerate(keys):
            if key in found or place >= SPELLINGS_MAX:
                raise ValueError(f"{key!r} stands twice in the alias table, or its column has too many spellings")
            found[key] = number * SPELLINGS_MAX + place
    return found


def columns() -> Iterator[tuple[str, tuple[str, ...]]]:
    """Every column that has keys, in the order of their numbers."""
    yield from COLUMNS.items()
    for name, ttft in TTFT.items():
        yield name, ttft.keys


def number(column: str) -> int:
    """A column's number in `ids`."""
    return [name for name, _ in columns()].index(column) + 1


def spellings() -> set[str]:
    """Every key and event that is understood, those of content too."""
    known = {key for _, keys in columns() for key in keys} | set(TTFT_EVENTS) | set(CONVENTIONS)
    return known | {key for keys in CONTENT.values() for key in keys} | set(CONTENT_EVENTS)
