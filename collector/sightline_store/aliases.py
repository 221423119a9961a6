"""The one alias table: how every convention spells what Sightline's typed tables hold.

`COLUMNS` maps a canonical value to the attribute keys that tell it, the best first; `TTFT` does so for the time to
first token, with units; `KINDS` maps what conventions call a span's kind to ours. `canonical.py` writes the SQL of the
views out of this, `conventions.py` reports what it does not know. A new spelling is a line here and `python -m
sightline_store.canonical`.

Sources: the semantic conventions of OpenTelemetry (gen_ai.*, all generations since 2024), OpenInference, OpenLLMetry,
Langfuse, the Vercel AI SDK, MLflow, Pydantic AI, OpenLIT, Sentry, loongsuite, Opik, Braintrust, LangSmith, Strands.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from sightline import semconv

SPELLINGS_MAX = 32
"""The most spellings of one column: a key's id is column * 32 + place."""


class Definition(StrEnum):
    """Whose moment a time to first token is."""

    DELIVERED = "delivered"
    """The first content reached the user: measured at the edge."""
    FIRST_TOKEN = "first_token"  # noqa: S105
    """The first token, as the instrumentation or the model host saw it."""
    FIRST_CHUNK = "first_chunk"
    """The first chunk of the stream, which may be empty."""


class Unit(StrEnum):
    """What a told time counts."""

    S = "s"
    MS = "ms"
    S_OR_NS = "s or ns"
    """Seconds; nanoseconds where as seconds it were longer than the span."""
    MOMENT = "moment"
    """A point in time, ISO 8601, in JSON quotes or without."""


@dataclass(frozen=True)
class Ttft:
    """Spellings of the time to first token that share unit and definition."""

    unit: Unit
    definition: Definition
    keys: tuple[str, ...]


TTFT: dict[str, Ttft] = {
    "ttft_edge": Ttft(Unit.S, Definition.DELIVERED, (semconv.RESPONSE_TIME_TO_FIRST_TOKEN,)),
    "ttft_chunk": Ttft(
        Unit.S,
        Definition.FIRST_CHUNK,
        (
            semconv.GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK,
            "gen_ai.client.operation.time_to_first_chunk",
            "gen_ai.client.inference.time_to_first_chunk",
            "gen_ai.client.inference.operation.time_to_first_chunk",
        ),
    ),
    "ttft_token": Ttft(
        Unit.S_OR_NS,
        Definition.FIRST_TOKEN,
        (
            "gen_ai.response.time_to_first_token",
            "gen_ai.server.time_to_first_token",
            "gen_ai.client.time_to_first_token",
            "time_to_first_token",
            "braintrust.metrics.time_to_first_token",
        ),
    ),
    "ttft_token_ms": Ttft(
        Unit.MS,
        Definition.FIRST_TOKEN,
        (
            "gen_ai.response.time_to_first_token_ms",
            "gen_ai.server.time_to_first_token_ms",
            "time_to_first_token_ms",
            "opik.ttft",
            "ttft",
            "ttft_ms",
            "llm.ttft_ms",
        ),
    ),
    "ttft_chunk_ms": Ttft(Unit.MS, Definition.FIRST_CHUNK, ("ai.response.msToFirstChunk", "ai.stream.msToFirstChunk")),
    "ttft_moment": Ttft(
        Unit.MOMENT,
        Definition.FIRST_TOKEN,
        ("langfuse.observation.completion_start_time", "langsmith.first_token_time", "first_token_time"),
    ),
}
"""By column name, the best first."""

TTFT_EVENTS: dict[str, Definition] = {
    "First Token Stream Event": Definition.FIRST_TOKEN,
    "first_token": Definition.FIRST_TOKEN,
    "llm.first_token": Definition.FIRST_TOKEN,
    "new_token": Definition.FIRST_TOKEN,
    "ai.stream.firstChunk": Definition.FIRST_CHUNK,
    "gen_ai.content.chunk": Definition.FIRST_CHUNK,
    "gen_ai.content.completion.chunk": Definition.FIRST_CHUNK,
    "llm.content.completion.chunk": Definition.FIRST_CHUNK,
}
"""Span events whose first one marks it. An event has a time of its own, so no unit can be wrong, and it may come after
the end of its span: LlamaIndex ends a streamed span when it hands out the generator."""

EVENT_TTFT_MAX_S = 3600
"""An event later than that after the start of its span marks no first token."""

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

KNOWN_PREFIXES = (
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

GENAI_PREFIXES = (
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
"""A key that begins so is meant for a reader like this one."""

KINDS: dict[str, tuple[str, ...]] = {
    "model": (
        "chat",
        "text_completion",
        "generate_content",
        "completion",
        "llm",
        "generation",
        "chat_model",
        "model",
        "responses",
        "ai.generatetext.dogenerate",
        "ai.streamtext.dostream",
        "ai.generateobject.dogenerate",
        "ai.streamobject.dostream",
        "gen_ai.chat",
        "gen_ai.generate_content",
    ),
    "embed": (
        "embeddings",
        "embedding",
        "embedder",
        "ai.embed.doembed",
        "ai.embedmany.doembed",
        "gen_ai.embeddings",
    ),
    "search": ("retrieval", "retriever", "retrieve", "vector_db_retrieve", "search"),
    "rerank": ("rerank", "reranker"),
    "tool": ("execute_tool", "tool", "ai.toolcall", "tool_call", "gen_ai.execute_tool"),
    "agent": ("invoke_agent", "create_agent", "agent", "gen_ai.invoke_agent"),
    "workflow": (
        "invoke_workflow",
        "workflow",
        "chain",
        "ai.generatetext",
        "ai.streamtext",
        "ai.generateobject",
        "ai.streamobject",
        "ai.embed",
        "ai.embedmany",
    ),
    "guard": ("guardrail", "guard"),
    "prompt": ("prompt",),
    "cache": ("cache",),
    "queue": ("queue",),
    "evaluator": ("evaluator",),
}
"""Our kind to what conventions call it, in lower case and without quotes. They are the names of our stages, too."""

VECTOR_SYSTEMS = (
    "weaviate",
    "pinecone",
    "qdrant",
    "milvus",
    "chroma",
    "chromadb",
    "lancedb",
    "marqo",
    "vespa",
    "turbopuffer",
    "vectordb",
)
"""Values of db.system.name that search by vectors."""

SEARCH_OPERATIONS = (
    "query",
    "search",
    "hybrid",
    "hybrid_search",
    "near_vector",
    "near_text",
    "near_object",
    "bm25",
    "similarity_search",
    "search_batch",
    "query_points",
)
"""Values of db.operation.name that are a search."""

PROVIDERS: dict[str, tuple[str, ...]] = {
    "openai": ("openai.chat", "openai.responses", "openai.embedding", "openai_llm"),
    "anthropic": ("anthropic.messages", "anthropic_llm"),
    "azure.ai.openai": ("az.ai.openai", "azure_openai", "azure-openai", "azure.openai", "azure_openai_llm", "azure"),
    "azure.ai.inference": ("az.ai.inference",),
    "aws.bedrock": ("aws_bedrock", "bedrock", "amazon-bedrock", "amazon_bedrock", "bedrock_converse", "aws"),
    "gcp.gemini": ("gemini", "google.generative-ai", "google_genai", "google-generative-ai"),
    "gcp.vertex_ai": ("vertex_ai", "vertexai", "google.vertex.chat", "google_vertexai", "google-vertex", "vertex"),
    "gcp.gen_ai": ("google", "google.genai"),
    "mistral_ai": ("mistralai", "mistral", "mistral.chat", "mistralai_llm"),
    "x_ai": ("xai", "xai.chat", "grok"),
    "cohere": ("cohere.chat", "cohere_llm"),
    "groq": ("groq.chat", "groq_llm"),
    "ollama": ("ollama_llm", "ollama.chat"),
    "ibm.watsonx.ai": ("watsonx", "ibm_watsonx", "ibm-watsonx-ai"),
    "together_ai": ("together", "togetherai", "together.ai"),
    "deepseek": ("deepseek.chat",),
    "perplexity": ("perplexity.chat", "perplexity_ai"),
}
"""The provider's name in the semantic conventions to other spellings of it, in lower case."""

CONVENTIONS: dict[str, str] = {
    "openinference.span.kind": "openinference",
    "gen_ai.span.kind": "loongsuite",
    "langfuse.observation.type": "langfuse",
    "mlflow.spanType": "mlflow",
    "langsmith.span.kind": "langsmith",
    "ai.operationId": "vercel",
    "llm.request.type": "openllmetry",
    "braintrust.span_attributes": "braintrust",
    "opik.span.type": "opik",
    "genkit:metadata:subtype": "genkit",
    "weave.op.kind": "weave",
    "sentry.op": "sentry",
    "traceloop.span.kind": "openllmetry",
    "gen_ai.is_streaming": "openllmetry",
    "llm.is_streaming": "openllmetry",
    "gen_ai.openai.api_base": "openllmetry",
    "llm.usage.total_tokens": "openllmetry",
    "traceloop.workflow.name": "openllmetry",
    "traceloop.association.properties.ls_provider": "openllmetry",
    "gen_ai.usage.cost": "openlit",
    "logfire.span_type": "logfire",
    "llm.token_count.total": "openinference",
    "langfuse.observation.usage_details": "langfuse",
    "langfuse.observation.model.name": "langfuse",
}
"""A key that only one convention writes."""

SCOPES: dict[str, str] = {
    "sightline": "sightline",
    "openinference.": "openinference",
    "openlit": "openlit",
    "pydantic-ai": "pydantic_ai",
    "logfire": "logfire",
    "langfuse": "langfuse",
    "strands": "strands",
    "opik": "opik",
    "braintrust": "braintrust",
    "traceloop": "openllmetry",
}
"""The beginning of an instrumentation scope's name to its convention, where no key told it."""

CACHE_APART_PROVIDERS = ("anthropic", "aws.bedrock", "gcp.vertex_ai")
"""Providers that count cache tokens beside the input tokens, not inside them."""

CACHE_APART_CONVENTIONS = ("openlit", "vercel", "opik", "sentry")
"""Conventions that pass on those providers' input tokens as they came. All others add the cache tokens, as the semantic
conventions ask. Whoever tells more cache tokens than input tokens cannot have added them."""


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
    """Every key, event and content key that is understood."""
    known = {key for _, keys in columns() for key in keys} | set(TTFT_EVENTS) | set(CONVENTIONS)
    return known | {key for keys in CONTENT.values() for key in keys}
