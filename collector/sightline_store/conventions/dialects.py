"""What conventions call kinds and providers, by what a convention is known, and how it counts cache tokens.

A part of the alias table (`aliases.py`), which holds the keys.
"""

from __future__ import annotations

KINDS: dict[str, tuple[str, ...]] = {
    "model": (
        "chat",
        "text_completion",
        "generate_content",
        "completion",
        "acompletion",  # LiteLLM, of its asynchronous functions
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
        "aembedding",
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

BACKGROUND_KINDS = ("embed", "rerank", "tool", "prompt", "cache", "guard", "queue", "evaluator")
"""Kinds whose span answers nobody, where it has no parent."""

BACKGROUND_NAMES = "(Splitter|NodeParser|IngestionPipeline|CreateEmbeddings)"
"""A regular expression of names of spans that build an index: LlamaIndex's, in the instrumentations of all projects."""

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
    "azure.ai.inference": ("az.ai.inference", "azure_ai", "azure-ai"),
    "aws.bedrock": (
        "aws_bedrock",
        "bedrock",
        "amazon-bedrock",
        "amazon_bedrock",
        "bedrock_converse",
        "aws",
        "amazon.bedrock",
    ),
    "gcp.gemini": ("gemini", "google.generative-ai", "google_genai", "google-generative-ai"),
    "gcp.vertex_ai": (
        "vertex_ai",
        "vertexai",
        "google.vertex.chat",
        "google_vertexai",
        "google-vertex",
        "vertex",
        "google.vertex.anthropic.messages",
        "vertex_ai_beta",
    ),
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
"""The beginning of an instrumentation scope's name to its convention, for spans without a key of `CONVENTIONS`."""

CACHE_BESIDE_PROVIDERS = ("anthropic", "aws.bedrock")
"""Providers whose number of input tokens does not include cache tokens; Anthropic's models at Vertex AI do the same."""

REASONING_BESIDE_PROVIDERS = ("gcp.gemini", "gcp.vertex_ai", "gcp.gen_ai")
"""Providers whose number of output tokens does not include reasoning tokens."""

RAW_COUNT_CONVENTIONS = ("openlit", "vercel", "opik", "sentry")
"""Conventions that pass on those providers' numbers as they came, and that compute the total from input and output by
themselves. All others add the parts, as the semantic conventions ask."""

CACHE_BESIDE_USAGE = '"cache(Read|Write)InputToken(s|Count)"'
"""A regular expression of the members of a usage object whose input tokens do not include cache tokens: Bedrock's."""

REASONING_BESIDE_USAGE = '"thoughts(TokenCount|_token_count)"'
"""The same for output tokens that do not include reasoning tokens: Gemini's."""

NESTED_USAGE = '_details"\\s*:\\s*[{]'
"""A regular expression of a usage object that has its parts in objects of their own, and includes them in the whole:
OpenAI's and LangChain's, also where Langfuse passes them on."""

ERROR_FINISH_REASONS = (
    "error",
    "failed",
    "model_error",
    "network_error",
    "server_error",
    "insufficient_system_resource",
    "malformed_function_call",
    "malformed_tool_use",
    "malformed_model_output",
)
"""Reasons for which a model stopped that are failures, in lower case: the Vercel AI SDK and the semantic conventions
(error), OpenAI's Responses (failed, server_error), Zhipu (network_error), DeepSeek (insufficient_system_resource),
Gemini and Bedrock (malformed_...). A length, a refusal or a filter is an answer that was cut or withheld, and no
failure."""

FINISH_REASON_ERROR = "finish_reason:"
"""What `ErrorType` begins with where the reason is all that tells of the failure: the span's status may be Unset."""
