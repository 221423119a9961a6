"""Which keys of generative spans are understood: those that a reader reads, and those that hold nothing to show.

A part of the alias table (`aliases.py`). A key is a name of an attribute, or `EVENT` and the name of an event, with N
in place of each number between dots. `report.py` lists every other key, so nothing in here is wider than what was seen
in use: names are exact but for the namespaces of `APPLICATION_PREFIXES` and `GENERAL_PREFIXES`.
"""

from __future__ import annotations

import re
from functools import cache

from sightline import semconv
from sightline_store.conventions import aliases, contents
from sightline_store.conventions.dialects import CONVENTIONS
from sightline_store.conventions.first_tokens import TTFT_EVENTS

EVENT = "event "
"""What the key of an event begins with; its name follows."""

_MESSAGE = (
    r"(role|content|name|tool_call_id|function_call_name|function_call_arguments_json"
    r"|contents\.N\.message_content\.(type|text|image\.image\.url)"
    r"|tool_calls\.N\.tool_call\.(id|function\.name|function\.arguments))"
)

_READ = re.compile(
    "|".join(
        (
            # OpenInference's and OpenLLMetry's messages, passages and vectors (content, retrievals, embeddings).
            rf"llm\.(input|output)_messages\.N\.message\.{_MESSAGE}",
            r"gen_ai\.(prompt|completion)\.N\.(role|content|finish_reason|tool_call_id|tool_calls\.N\.(id|name|arguments))",
            r"llm\.(prompts\.N\.(prompt\.text|content|role)|completions\.N\.(content|role)|choices\.N\.completion\.text)",
            r"(retrieval\.documents|reranker\.output_documents)\.N\.document\.(id|score|content|metadata)",
            r"embedding\.embeddings\.N\.embedding\.(text|vector)",
            # Scores that stand in attributes.
            r"(evaluations\.N\.evaluation|annotations\.N\.annotation)\.(name|score|label|explanation|identifier|annotator_kind)",
        )
    )
)
"""Keys with an index that readers read: the columns' own stand in the alias table by their first number only."""

NOT_SHOWN: dict[str, tuple[str, ...]] = {
    "a parameter of the request, which changes no time, count or cost": (
        "gen_ai.request.temperature",
        "gen_ai.request.top_p",
        "gen_ai.request.max_tokens",
        "gen_ai.request.frequency_penalty",
        "gen_ai.request.presence_penalty",
        "gen_ai.request.stop_sequences",
        "gen_ai.request.seed",
        "gen_ai.request.choice.count",
        "gen_ai.request.encoding_formats",
        "gen_ai.request.structured_output_schema",
        "gen_ai.request.reasoning_effort",
        "gen_ai.request.reasoning_summary",
        "gen_ai.openai.request.response_format",
        "openai.request.response_format",
        "gen_ai.output.type",
        "llm.top_k",
        "llm.frequency_penalty",
        "llm.presence_penalty",
        "llm.chat.stop_sequences",
        "llm.headers",
        "llm.request.reasoning_effort",
        "llm.response.reasoning_effort",
        "llm.prompt_template.template",
        "llm.prompt_template.variables",
        "llm.prompt_template.version",
        "ai.settings.maxRetries",
        "ai.settings.maxSteps",
        "ai.settings.maxOutputTokens",
        "ai.settings.maxTokens",
        "ai.settings.temperature",
        "ai.settings.topP",
        "ai.settings.topK",
        "ai.settings.seed",
        "ai.settings.presencePenalty",
        "ai.settings.frequencyPenalty",
        "ai.settings.stopSequences",
        "ai.settings.mode",
        "ai.settings.output",
        "ai.settings.toolChoice",
        "temperature",
        "max_tokens",
        "top_p",
        "n",
        "stream_options",
        "mlflow.chat.options",
    ),
    "the tools that a model was offered, not those that it called": (
        "gen_ai.tool.definitions",
        "gen_ai.tool.description",
        "gen_ai.tool.type",
        "llm.tools.N.tool.json_schema",
        "llm.request.functions.N.name",
        "llm.request.functions.N.description",
        "llm.request.functions.N.parameters",
        "ai.prompt.tools",
        "ai.prompt.toolChoice",
        "mlflow.chat.tools",
        "mlflow.tools",
        "tool.description",
        "tool.json_schema",
        "tools",
    ),
    "an identity of the library's own side": (
        "gen_ai.response.id",
        "gen_ai.request.id",
        "gen_ai.agent.id",
        "gen_ai.agent.description",
        "gen_ai.agent.version",
        "gen_ai.openai.system_fingerprint",
        "gen_ai.openai.response.system_fingerprint",
        "openai.response.system_fingerprint",
        "gen_ai.openai.api_version",
        "gen_ai.openai.api_type",
        "openai.api.type",
        "llm.response.id",
        "ai.response.id",
        "ai.response.timestamp",
        "ai.telemetry.functionId",
        "ai.toolCall.id",
        "operation.name",
        "resource.name",
        "mlflow.traceRequestId",
        "mlflow.spanFunctionName",
        "mlflow.message.format",
        "mlflow.experimentId",
        "langfuse.environment",
        "langfuse.release",
        "langfuse.version",
        "langfuse.trace.name",
        "langfuse.trace.tags",
        "langfuse.trace.public",
        "langfuse.internal.as_root",
        "langfuse.internal.is_app_root",
        "langfuse.observation.level",
        "langfuse.observation.prompt.name",
        "langfuse.observation.prompt.version",
        "langfuse.experiment.id",
        "tag.tags",
        "agent.name",
        "graph.node.id",
        "graph.node.name",
        "graph.node.parent_id",
        "tool.id",
        "tool_call.id",
        "tool_call.function.name",
        "tool_call.function.arguments",
        "traceloop.entity.path",
        "traceloop.entity.version",
        "traceloop.prompt.key",
        "traceloop.prompt.version",
        "traceloop.prompt.version_name",
        "traceloop.prompt.version_hash",
        "traceloop.prompt.template",
        "traceloop.prompt.template_variables",
        "traceloop.prompt.managed",
        "logfire.msg",
        "logfire.msg_template",
        "logfire.json_schema",
        "logfire.level_num",
        "logfire.tags",
        "logfire.pending_parent_id",
    ),
    "the form of the content beside it": ("input.mime_type", "output.mime_type"),
    "OpenLLMetry's LangChain steps: the same stands in traceloop.entity.*": (
        "gen_ai.task.id",
        "gen_ai.task.parent.id",
        "gen_ai.task.name",
        "gen_ai.task.status",
        "gen_ai.task.input",
        "gen_ai.task.output",
    ),
    "what a reranker was given: the search before it has the passages": (
        "reranker.input_documents.N.document.id",
        "reranker.input_documents.N.document.score",
        "reranker.input_documents.N.document.content",
        "reranker.input_documents.N.document.metadata",
    ),
    "a part of a cost whose sum is read": (
        "llm.cost.prompt",
        "llm.cost.completion",
        "llm.cost.prompt_details.input",
        "llm.cost.prompt_details.cache_read",
        "llm.cost.prompt_details.cache_write",
        "llm.cost.prompt_details.audio",
        "llm.cost.completion_details.output",
        "llm.cost.completion_details.reasoning",
        "llm.cost.completion_details.audio",
    ),
    "a detail of a vector search besides what it returned": (
        "db.namespace",
        "db.name",
        "db.statement",
        "db.user",
        "db.query.summary",
        "db.response.status_code",
        "db.operation.batch.size",
        "db.vector.query.filter",
        "db.vector.query.include_values",
        "db.vector.query.include_metadata",
        "db.vector.query.embeddings_count",
        "db.vector.query.top_distance",
    ),
    "the end of a streamed answer: the span's duration tells it": (
        f"{EVENT}ai.stream.finish",
        "ai.response.msToFinish",
        "ai.response.avgOutputTokensPerSecond",
        "ai.response.avgCompletionTokensPerSecond",
    ),
}
"""Why a key is not read, to the keys: exact names, with N in place of numbers."""

APPLICATION_PREFIXES = (
    "traceloop.association.properties.",
    "langfuse.trace.metadata.",
    "langfuse.observation.metadata.",
    "langsmith.metadata.",
    "ai.telemetry.metadata.",
    "metadata.",
    "sightline_app.",
)
"""Namespaces in which the application chooses the names: what is read of them stands in the alias table."""

GENERAL_PREFIXES = (
    "http.",
    "url.",
    "server.",
    "client.",
    "network.",
    "net.",
    "user_agent.",
    "thread.",
    "code.",
    "rpc.",
    "messaging.",
    "otel.",
    "peer.",
    "asgi.",
)
"""OpenTelemetry's general namespaces, which say nothing of models and searches."""


_OTHER_EVENTS = (semconv.EXCEPTION_EVENT, semconv.EVALUATION_EVENT, "db.query.result")
"""Events that are an error, a score, a passage."""


@cache
def _exact() -> frozenset[str]:
    # Names have a dot; the constants without one are values, such as "prompt".
    ours = {value for name, value in vars(semconv).items() if name.isupper() and "." in str(value)}
    read = {*aliases.spelling_ids(), *CONVENTIONS, *ours}.union(*contents.CONTENT.values())
    read |= set(contents.KEYS_BESIDE)
    events = {f"{EVENT}{name}" for name in (*TTFT_EVENTS, *contents.CONTENT_EVENTS, *_OTHER_EVENTS)}
    names = (read | events).union(*NOT_SHOWN.values())
    return frozenset(re.sub(r"\.[0-9]+\b", ".N", name) for name in names)


def is_known(key: str) -> bool:
    """Whether a key, with N in place of its numbers, is read or known to hold nothing that Sightline shows."""
    return (
        key in _exact()
        or _READ.fullmatch(key) is not None
        or key == "metadata"
        or key.startswith(APPLICATION_PREFIXES)
        or key.startswith(GENERAL_PREFIXES)
    )
