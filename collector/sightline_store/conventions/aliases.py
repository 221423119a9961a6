"""The one alias table: how every convention spells what Sightline's typed tables hold.

`_SPELLINGS` maps a canonical value to the attribute keys that hold it, the preferred one first, each with its
number. Four parts have modules of their own: `json_members.py` (values inside of JSON objects), `first_tokens.py` (the
time to first token, with units), `contents.py` (prompts and answers) and `dialects.py` (what conventions call a span's
kind and a provider). `canonical.py` writes the SQL of the views from all this, and `report.py` lists the keys that are
in none of it.

A new spelling is one line here, with the next free number of its column, and a run of
`python -m sightline_store.conventions.canonical`. A spelling that is no longer read moves to `columns.RETIRED`.

Sources: the semantic conventions of OpenTelemetry (gen_ai.*, all generations since 2024), OpenInference, OpenLLMetry,
Langfuse, the Vercel AI SDK, MLflow, Pydantic AI, OpenLIT, Sentry, loongsuite, Opik, Braintrust, LangSmith, Strands.
"""

from __future__ import annotations

from functools import cache

from sightline import semconv
from sightline_store.conventions.columns import Column
from sightline_store.conventions.contents import CONTENT, CONTENT_EVENTS
from sightline_store.conventions.dialects import CONVENTIONS
from sightline_store.conventions.first_tokens import TTFT, TTFT_EVENTS

_SPELLINGS: dict[tuple[int, str], dict[int, str]] = {
    # What the span is
    (1, "stage"): {0: semconv.STAGE},
    (2, "operation"): {0: semconv.GEN_AI_OPERATION_NAME},
    (3, "kind"): {
        0: "openinference.span.kind",
        1: "gen_ai.span.kind",
        2: "langfuse.observation.type",
        3: "mlflow.spanType",
        4: "langsmith.span.kind",
        5: "ai.operationId",
        6: "llm.request.type",
        7: "braintrust.span_attributes",
        8: "opik.span.type",
        9: "genkit:metadata:subtype",
        10: "weave.op.kind",
        11: "sentry.op",
        12: "traceloop.span.kind",
    },
    (4, "entity"): {0: "traceloop.entity.name"},
    (5, "marker"): {
        0: "gen_ai.openai.api_base",
        1: "llm.usage.total_tokens",
        2: "traceloop.workflow.name",
        3: "traceloop.association.properties.ls_provider",
        4: "logfire.span_type",
        5: "gen_ai.usage.total_tokens",
        6: "llm.token_count.total",
        7: "gen_ai.agent.name",
        8: "gen_ai.tool.name",
        9: "tool.name",
    },
    # Who asked
    (6, "tenant"): {
        0: semconv.TENANT_ID,
        1: "traceloop.association.properties.tenant_id",
        2: "ai.telemetry.metadata.tenantId",
    },
    (7, "user"): {
        0: semconv.USER_ID,
        1: "enduser.id",
        2: "langfuse.user.id",
        3: "gen_ai.user",
        4: "llm.user",
        5: "traceloop.association.properties.user_id",
        6: "ai.telemetry.metadata.userId",
        7: "mlflow.trace.user",
    },
    (8, "session"): {
        0: semconv.SESSION_ID,
        1: "langfuse.session.id",
        2: "gen_ai.conversation.id",
        3: "traceloop.association.properties.session_id",
        4: "ai.telemetry.metadata.sessionId",
        5: "mlflow.trace.session",
        6: "langsmith.trace.session_id",
        7: "opik.thread_id",
    },
    (9, "route"): {0: semconv.HTTP_ROUTE},
    (10, "http_status"): {0: semconv.HTTP_RESPONSE_STATUS_CODE, 1: "http.status_code"},
    (11, "error_type"): {0: semconv.ERROR_TYPE},
    (12, "outcome"): {0: semconv.STREAM_OUTCOME, 1: semconv.RESPONSE_OUTCOME},
    # The model
    (13, "provider"): {
        0: semconv.GEN_AI_PROVIDER_NAME,
        1: "gen_ai.system",
        2: "llm.provider",
        3: "llm.system",
        4: "ai.model.provider",
        5: "mlflow.llm.provider",
        6: "langfuse.observation.metadata.ls_provider",
    },
    (14, "request_model"): {
        0: semconv.GEN_AI_REQUEST_MODEL,
        1: "llm.request.model_name",
        2: "embedding.model_name",
        3: "reranker.model_name",
        4: "langfuse.observation.model.name",
        5: "ai.model.id",
        6: "llm.request.model",
        7: "gen_ai.rerank.model",
        8: "mlflow.llm.model",
        9: "model",  # MLflow, of a call that failed
    },
    (15, "response_model"): {
        0: semconv.GEN_AI_RESPONSE_MODEL,
        1: "llm.response.model_name",
        2: "ai.response.model",
        3: "llm.model_name",
        4: "llm.response.model",
    },
    (16, "parameters"): {
        0: "llm.invocation_parameters",
        1: "embedding.invocation_parameters",
        2: "langfuse.observation.model.parameters",
        3: "request_data",  # Logfire
    },
    (17, "priced_as"): {0: semconv.MODEL_PRICED_AS},
    (18, "note"): {0: semconv.MODEL_NOTE},
    (19, "service_tier"): {
        0: "gen_ai.response.service_tier",
        1: "openai.response.service_tier",
        2: "gen_ai.openai.response.service_tier",
        3: "gen_ai.request.service_tier",
        4: "openai.request.service_tier",
        5: "gen_ai.openai.request.service_tier",
    },
    (20, "streaming"): {
        0: semconv.GEN_AI_REQUEST_STREAM,
        1: "gen_ai.is_streaming",
        2: "llm.is_streaming",
        3: "gen_ai.request.is_stream",
        4: "gen_ai.response.streaming",
        5: "stream",
    },
    (21, "finish_reason"): {
        0: semconv.GEN_AI_RESPONSE_FINISH_REASONS,
        1: "llm.finish_reason",
        2: "gen_ai.response.finish_reason",
        3: "ai.response.finishReason",
        4: "llm.response.finish_reason",
        5: "gen_ai.response.stop_reason",
        6: "llm.response.stop_reason",
    },
    # Tokens and money
    (22, "input_tokens"): {
        0: semconv.GEN_AI_USAGE_INPUT_TOKENS,
        1: "llm.token_count.prompt",
        2: "gen_ai.usage.prompt_tokens",
        3: "ai.usage.inputTokens",
        4: "ai.usage.promptTokens",
        5: "ai.usage.tokens",
        6: "llm.usage.prompt_tokens",
        7: "opik.usage.prompt_tokens",
        8: "llm.usage.input_tokens",
    },
    (23, "output_tokens"): {
        0: semconv.GEN_AI_USAGE_OUTPUT_TOKENS,
        1: "llm.token_count.completion",
        2: "gen_ai.usage.completion_tokens",
        3: "ai.usage.outputTokens",
        4: "ai.usage.completionTokens",
        5: "llm.usage.completion_tokens",
        6: "opik.usage.completion_tokens",
        7: "llm.usage.output_tokens",
    },
    (24, "cache_read_tokens"): {
        0: semconv.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS,
        1: "llm.token_count.prompt_details.cache_read",
        2: "gen_ai.usage.cache_read_input_tokens",
        3: "gen_ai.usage.cache_read_tokens",
        4: "gen_ai.usage.details.cache_read_tokens",
        5: "gen_ai.usage.details.cache_read_input_tokens",
        6: "gen_ai.usage.input_tokens.cached",
        7: "ai.usage.inputTokenDetails.cacheReadTokens",
        8: "ai.usage.cachedInputTokens",
        9: "gen_ai.usage.cached_input_tokens",
        10: "gen_ai.usage.prompt_tokens_details.cached_tokens",
        11: "gen_ai.usage.input_tokens_details.cached_tokens",
        12: "gen_ai.usage.prompt_tokens_details.cache_read",
        13: "llm.usage.cache_read_input_tokens",
        14: "opik.usage.original_usage.prompt_tokens_details.cached_tokens",
    },
    (25, "cache_write_tokens"): {
        0: semconv.GEN_AI_USAGE_CACHE_CREATION_INPUT_TOKENS,
        1: "gen_ai.usage.cache_write.input_tokens",
        2: "llm.token_count.prompt_details.cache_write",
        3: "gen_ai.usage.cache_creation_input_tokens",
        4: "gen_ai.usage.cache_write_tokens",
        5: "gen_ai.usage.cache_write_input_tokens",
        6: "gen_ai.usage.details.cache_write_tokens",
        7: "gen_ai.usage.details.cache_creation_input_tokens",
        8: "gen_ai.usage.input_tokens.cache_write",
        9: "ai.usage.inputTokenDetails.cacheWriteTokens",
        10: "gen_ai.usage.prompt_tokens_details.cache_write",
        11: "llm.usage.cache_creation_input_tokens",
    },
    (26, "cache_write_1h_tokens"): {
        0: "gen_ai.usage.cache_creation.ephemeral_1h_input_tokens",
        1: "gen_ai.usage.details.ephemeral_1h_input_tokens",
        2: "gen_ai.usage.cache_creation_1h_input_tokens",
    },
    (27, "reasoning_tokens"): {
        0: semconv.GEN_AI_USAGE_REASONING_OUTPUT_TOKENS,
        1: "llm.token_count.completion_details.reasoning",
        2: "gen_ai.usage.reasoning_tokens",
        3: "llm.usage.reasoning_tokens",
        4: "gen_ai.usage.details.reasoning_tokens",
        5: "gen_ai.usage.output_tokens.reasoning",
        6: "gen_ai.usage.completion_tokens_details.reasoning_tokens",
        7: "ai.usage.outputTokenDetails.reasoningTokens",
        8: "ai.usage.reasoningTokens",
        9: "gen_ai.usage.output_tokens_details.reasoning_tokens",
        10: "gen_ai.usage.completion_tokens_details.reasoning",
        11: "opik.usage.original_usage.completion_tokens_details.reasoning_tokens",
    },
    (28, "input_audio_tokens"): {
        0: "llm.token_count.prompt_details.audio",
        1: "gen_ai.usage.details.input_audio_tokens",
        2: "gen_ai.usage.prompt_tokens_details.audio_tokens",
        3: "gen_ai.usage.input_tokens_details.audio_tokens",
    },
    (29, "output_audio_tokens"): {
        0: "llm.token_count.completion_details.audio",
        1: "gen_ai.usage.details.output_audio_tokens",
        2: "gen_ai.usage.completion_tokens_details.audio_tokens",
        3: "gen_ai.usage.output_tokens_details.audio_tokens",
    },
    (30, "usage_json"): {
        0: "langfuse.observation.usage_details",
        1: "mlflow.chat.tokenUsage",
        2: "langsmith.usage_metadata",
        3: "braintrust.metrics",
        4: "ai.response.providerMetadata",
        5: "gen_ai.usage.raw",  # Logfire
        6: "metadata.usage_object",  # LiteLLM: the text of a Python dictionary
    },
    (31, "reported_cost"): {
        0: "llm.cost.total",
        1: "gen_ai.usage.cost",
        2: "gen_ai.usage.cost_usd",
        3: "gen_ai.cost.usd",
        4: "operation.cost",
        5: "gen_ai.cost.total_cost",
        7: "gen_ai.cost.total",
        8: "gen_ai.usage.total_cost",
        9: "llm.usage.total_cost",
    },
    (32, "cost_json"): {0: "langfuse.observation.cost_details", 1: "mlflow.llm.cost"},
    # Streams, measured by this project's library
    (33, "stall"): {0: semconv.STREAM_LONGEST_STALL},
    (34, "chunks"): {0: semconv.STREAM_CHUNKS},
    # Retrieval and embedding
    (35, "system"): {0: semconv.DB_SYSTEM_NAME, 1: "db.system"},
    (36, "collection"): {
        0: semconv.DB_COLLECTION_NAME,
        1: semconv.GEN_AI_DATA_SOURCE_ID,
        2: "db.milvus.search.collection_name",
        3: "qdrant.search.collection_name",
    },
    (37, "db_operation"): {0: semconv.DB_OPERATION_NAME, 1: "db.operation"},
    (38, "vector_search"): {
        0: "db.vector.query.top_k",
        1: "db.n_results",
        2: "db.chroma.query.n_results",
        3: "db.milvus.search.limit",
        4: "pinecone.query.top_k",
    },
    (39, "top_k"): {
        0: semconv.GEN_AI_REQUEST_TOP_K,
        1: "gen_ai.retrieval.top_k",
        2: "gen_ai.rerank.top_k",
        3: "reranker.top_k",
    },
    (40, "returned"): {
        0: semconv.DB_RESPONSE_RETURNED_ROWS,
        1: "db.vector.query.result_count",
        2: "gen_ai.retrieval.document_count",
        3: "db.vector.count",
        4: "db.milvus.search.result_count",
    },
    (41, "documents"): {0: semconv.RETRIEVAL_DOCUMENTS},
    (42, "indexed_documents"): {
        0: "retrieval.documents.0.document.id",
        1: "retrieval.documents.0.document.content",
        2: "retrieval.documents.0.document.score",
        3: "retrieval.documents.0.document.metadata",
    },
    (43, "entity_output"): {
        0: "traceloop.entity.output",
        1: "output.value",
        2: "langfuse.observation.output",
        3: "mlflow.spanOutputs",
        4: "gen_ai.completion",
    },
    (44, "top_score"): {0: "db.vector.query.top_score"},
    (45, "embedding"): {0: semconv.EMBEDDING_NAME},
    (46, "embedding_version"): {0: semconv.EMBEDDING_VERSION},
    (47, "index_version"): {0: semconv.INDEX_VERSION},
    (48, "index_stale"): {0: "sightline.index.stale"},
    (49, "sketch"): {0: semconv.QUERY_SKETCH},
    (50, "sketch_version"): {0: semconv.QUERY_SKETCH_VERSION},
    (51, "score_kind"): {0: semconv.RETRIEVAL_SCORE_KIND, 1: "db.search.similarity_metric"},
    (52, "empty"): {0: semconv.RETRIEVAL_EMPTY},
    (53, "dimensions"): {0: semconv.GEN_AI_EMBEDDINGS_DIMENSION_COUNT, 1: "gen_ai.request.embedding_dimension"},
    (54, "indexed_texts"): {0: "embedding.embeddings.0.embedding.text", 1: "embedding.embeddings.0.embedding.vector"},
    # Guardrails and scores
    (55, "flagged"): {0: semconv.GUARDRAIL_FLAGGED},
    (56, "indexed_scores"): {0: "evaluations.0.evaluation.name", 1: "annotations.0.annotation.name"},
    (63, "total_tokens"): {0: "ai.usage.totalTokens", 1: "opik.usage.total_tokens"},
}
"""Number and name of a column to its spellings, the preferred one first, each under its number in the column. A new
spelling gets the column's next free number wherever it is put, a new column the next number after all others (those of
`first_tokens.py` too)."""

COLUMNS = {name: Column(number, keys) for (number, name), keys in _SPELLINGS.items()}
"""Canonical value to its column."""

TOTAL_MARKERS = ("llm.usage.total_tokens", "gen_ai.usage.total_tokens", "llm.token_count.total")
"""Spellings of `total_tokens` that keep the numbers which they have as markers of their conventions."""


def columns() -> dict[str, Column]:
    """Every column, by name, in the order of their numbers."""
    return {**COLUMNS, **{name: ttft.column for name, ttft in TTFT.items()}}


@cache
def spelling_ids() -> dict[str, int]:
    """Attribute key to its id: the number of its column times `SPELLINGS_MAX`, plus its own.

    Raises:
        ValueError: two columns share a number, or a key.
    """
    ids: dict[str, int] = {}
    numbers: set[int] = set()
    for name, column in columns().items():
        if column.number in numbers or ids.keys() & set(column.keys):
            raise ValueError(f"the number {column.number} of {name!r}, or one of its keys, is another column's")
        numbers.add(column.number)
        ids |= column.ids()
    return ids


def column_number(name: str) -> int:
    """A column's number."""
    return columns()[name].number


def known_keys() -> set[str]:
    """Every attribute key and event that is understood, those of content too."""
    keys = set(spelling_ids()) | set(TTFT_EVENTS) | set(CONVENTIONS) | set(CONTENT_EVENTS)
    return keys.union(*CONTENT.values())
