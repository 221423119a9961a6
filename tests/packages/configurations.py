"""Which packages are tried: each alone, and those that tell of one call together."""

from __future__ import annotations

from dataclasses import dataclass, replace

from cases import Case


@dataclass(frozen=True)
class Configuration:
    """A program of somebody, with the packages that it switches on.

    Args:
        name: for people.
        packages: of which a version is named, as the registry spells them.
        layers: names of `layers.LAYERS`, in the order in which they are switched on.
        client: what makes the calls; see `drive.py`.
        cases: the calls.
        environment: the folder of the virtual environment, and the file of requirements.
        is_in_request: whether each case runs inside of the span of a server's request, as an application's code does
            under the instrumentation of its web framework. Some packages make no span the current one: without one
            around them, a framework's call and its client's call are in two traces.
    """

    name: str
    packages: tuple[str, ...]
    layers: tuple[str, ...]
    client: str
    cases: tuple[Case, ...]
    environment: str = "shared"
    is_in_request: bool = False

    @property
    def slug(self) -> str:
        """The name as part of an address and of a file's name."""
        return "".join(letter if letter.isalnum() else "-" for letter in self.name.lower())


def _numbered(*cases: Case) -> tuple[Case, ...]:
    """The cases with numbers, before them those that load what is loaded late: number 0."""
    plain = next(case for case in cases if not case.is_async and not case.fault and not case.has_tool)
    kinds = dict.fromkeys((case.api, case.does) for case in cases if case.does != "embed")
    warm = [
        replace(plain, number=0, api=api, does=does, is_streaming=streaming)
        for api, does in kinds
        for streaming in (False, True)
    ]
    return (*warm, *(replace(case, number=number) for number, case in enumerate(cases, start=1)))


def _ways(case: Case) -> list[Case]:
    return [
        replace(case, is_async=is_async, is_streaming=stream) for is_async in (False, True) for stream in (False, True)
    ]


def _faults(case: Case) -> list[Case]:
    return [replace(case, fault="status"), replace(case, fault="midstream", is_streaming=True)]


_CHAT, _TOOL = Case(0), Case(0, has_tool=True)
_ANTHROPIC_CHAT, _ANTHROPIC_TOOL = replace(_CHAT, api="anthropic"), replace(_TOOL, api="anthropic")
_RESPONSES, _EMBED, _RAG = Case(0, does="responses"), Case(0, does="embed"), Case(0, does="rag")

OPENAI = _numbered(
    *_ways(_CHAT),
    _TOOL,
    replace(_TOOL, is_streaming=True),
    *_ways(_RESPONSES),
    replace(_RESPONSES, has_tool=True),
    _EMBED,
    replace(_EMBED, is_async=True),
    *_faults(_CHAT),
    replace(_CHAT, fault="midstream", is_streaming=True, is_async=True),
)
OPENAI_CHAT = tuple(case for case in OPENAI if case.does != "responses")
ANTHROPIC = _numbered(
    *_ways(_ANTHROPIC_CHAT),
    _ANTHROPIC_TOOL,
    replace(_ANTHROPIC_TOOL, is_streaming=True),
    *_faults(_ANTHROPIC_CHAT),
    replace(_ANTHROPIC_CHAT, fault="midstream", is_streaming=True, is_async=True),
)
LANGCHAIN = _numbered(
    *_ways(_RAG),
    _TOOL,
    replace(_TOOL, is_async=True),
    *_faults(_CHAT),
    _ANTHROPIC_CHAT,
    replace(_ANTHROPIC_CHAT, is_streaming=True),
)
LLAMA_INDEX = _numbered(*_ways(_RAG), *_faults(_RAG))
LITELLM = _numbered(
    *_ways(_CHAT),
    _TOOL,
    _EMBED,
    *_faults(_CHAT),
    _ANTHROPIC_CHAT,
    replace(_ANTHROPIC_CHAT, is_streaming=True, is_async=True),
)
PYDANTIC_AI = _numbered(
    _CHAT,
    *_ways(_CHAT)[2:],
    replace(_TOOL, is_async=True),
    _RESPONSES,
    *_faults(_CHAT)[:1],
    replace(_CHAT, fault="midstream", is_streaming=True, is_async=True),
    _ANTHROPIC_CHAT,
    replace(_ANTHROPIC_CHAT, is_streaming=True, is_async=True),
)

VERCEL = _numbered(
    *_ways(_CHAT)[:2],
    _TOOL,
    replace(_TOOL, is_streaming=True),
    _RESPONSES,
    replace(_RESPONSES, is_streaming=True),
    _EMBED,
    *_faults(_CHAT),
    _ANTHROPIC_CHAT,
    replace(_ANTHROPIC_CHAT, is_streaming=True),
)

_OI, _OL = "openinference-instrumentation-", "opentelemetry-instrumentation-"

CONFIGURATIONS = (
    Configuration("OpenInference OpenAI", (_OI + "openai",), ("openinference.openai",), "openai", OPENAI),
    Configuration("OpenLLMetry OpenAI", (_OL + "openai",), ("openllmetry.openai",), "openai", OPENAI),
    Configuration(
        "OpenTelemetry OpenAI v2", (_OL + "openai-v2",), ("opentelemetry.openai_v2",), "openai", OPENAI, "openai_v2"
    ),
    Configuration(
        "OpenTelemetry GenAI OpenAI", (_OL + "genai-openai",), ("opentelemetry.genai.openai",), "openai", OPENAI
    ),
    Configuration("Langfuse OpenAI", ("langfuse",), ("langfuse",), "langfuse.openai", OPENAI),
    Configuration("OpenLIT OpenAI", ("openlit",), ("openlit",), "openai", OPENAI, "openlit"),
    Configuration("Logfire OpenAI", ("logfire",), ("logfire.openai",), "openai", OPENAI),
    Configuration("MLflow OpenAI", ("mlflow-skinny",), ("mlflow.openai",), "openai", OPENAI, "mlflow"),
    Configuration(
        "OpenInference Anthropic", (_OI + "anthropic",), ("openinference.anthropic",), "anthropic", ANTHROPIC
    ),
    Configuration("OpenLLMetry Anthropic", (_OL + "anthropic",), ("openllmetry.anthropic",), "anthropic", ANTHROPIC),
    Configuration("Anthropic's client", ("anthropic",), ("anthropic",), "anthropic", ANTHROPIC),
    Configuration("OpenLIT Anthropic", ("openlit",), ("openlit",), "anthropic", ANTHROPIC, "openlit"),
    Configuration("Logfire Anthropic", ("logfire",), ("logfire.anthropic",), "anthropic", ANTHROPIC),
    Configuration("MLflow Anthropic", ("mlflow-skinny",), ("mlflow.anthropic",), "anthropic", ANTHROPIC, "mlflow"),
    Configuration(
        "OpenInference LangChain", (_OI + "langchain",), ("openinference.langchain",), "langchain", LANGCHAIN
    ),
    Configuration("OpenLLMetry LangChain", (_OL + "langchain",), ("openllmetry.langchain",), "langchain", LANGCHAIN),
    Configuration("Langfuse LangChain", ("langfuse",), ("langfuse",), "langchain with langfuse", LANGCHAIN),
    Configuration("MLflow LangChain", ("mlflow-skinny",), ("mlflow.langchain",), "langchain", LANGCHAIN, "mlflow"),
    Configuration(
        "OpenInference LlamaIndex", (_OI + "llama-index",), ("openinference.llama_index",), "llama_index", LLAMA_INDEX
    ),
    Configuration(
        "OpenLLMetry LlamaIndex", (_OL + "llamaindex",), ("openllmetry.llama_index",), "llama_index", LLAMA_INDEX
    ),
    Configuration("LiteLLM", ("litellm",), ("litellm",), "litellm", LITELLM),
    Configuration("Pydantic AI", ("pydantic-ai-slim",), ("pydantic_ai",), "pydantic_ai", PYDANTIC_AI, "pydantic_ai"),
    Configuration(
        "Vercel AI SDK",
        ("ai", "@ai-sdk/openai", "@ai-sdk/anthropic"),
        (),
        "vercel",
        VERCEL,
        "vercel",
    ),
    # Two packages that tell of the same calls
    Configuration(
        "OpenInference LangChain + OpenAI",
        (_OI + "langchain", _OI + "openai"),
        ("openinference.langchain", "openinference.openai"),
        "langchain",
        LANGCHAIN,
        is_in_request=True,
    ),
    Configuration(
        "OpenLLMetry LangChain + OpenAI",
        (_OL + "langchain", _OL + "openai"),
        ("openllmetry.langchain+openai",),
        "langchain",
        LANGCHAIN,
        is_in_request=True,
    ),
    Configuration(
        "Langfuse LangChain + OpenInference OpenAI",
        ("langfuse", _OI + "openai"),
        ("langfuse", "openinference.openai"),
        "langchain with langfuse",
        LANGCHAIN,
        is_in_request=True,
    ),
    Configuration(
        "OpenInference LlamaIndex + OpenAI",
        (_OI + "llama-index", _OI + "openai"),
        ("openinference.llama_index", "openinference.openai"),
        "llama_index",
        LLAMA_INDEX,
        is_in_request=True,
    ),
    Configuration(
        "OpenLLMetry LlamaIndex + OpenAI",
        (_OL + "llamaindex", _OL + "openai"),
        ("openllmetry.llama_index+openai",),
        "llama_index",
        LLAMA_INDEX,
        is_in_request=True,
    ),
    Configuration(
        "LiteLLM + OpenInference OpenAI",
        ("litellm", _OI + "openai"),
        ("litellm", "openinference.openai"),
        "litellm",
        LITELLM,
        is_in_request=True,
    ),
    Configuration(
        "Pydantic AI + Logfire OpenAI and Anthropic",
        ("pydantic-ai-slim", "logfire"),
        ("logfire.pydantic_ai", "logfire.openai", "logfire.anthropic"),
        "pydantic_ai",
        PYDANTIC_AI,
        "pydantic_ai",
    ),
    Configuration(
        "Anthropic's client + OpenInference Anthropic",
        ("anthropic", _OI + "anthropic"),
        ("anthropic", "openinference.anthropic"),
        "anthropic",
        ANTHROPIC,
    ),
)
"""All of them, in the order of the table."""
