"""Which instrumentation ``instrument()`` chooses for which library.

A library may have several; they would record each call twice, so one is chosen: the first of a row that is installed
and works. OpenTelemetry's own come first, then OpenInference's (they record retrieved documents and the first token),
then OpenLLMetry's. Weaviate has one of this library: the others do not trace its searches.
"""

from dataclasses import dataclass
from typing import Final

OWN: Final = "sightline"
"""Name in place of a distribution, for an instrumentation of this library."""


@dataclass(frozen=True, slots=True)
class Library:
    """One library that can be traced."""

    name: str
    """What ``only=`` and ``exclude=`` call it."""
    distributions: tuple[str, ...]
    """Packages any of which being installed means that the library is there."""
    instrumentations: tuple[str, ...]
    """Packages that instrument it, best first."""
    entry_points: tuple[str, ...] = ()
    """Names of the entry points to use; empty: all of the package."""
    note: str = ""
    """What a reader must know to get its spans."""
    covered_by: str = ""
    """Name of another library whose instrumentation traces this one too, so that none need be installed for it."""
    replaced_names: tuple[str, ...] = ()
    """Names (``module:name``) that its instrumentation replaces: a module that imported one earlier is not traced."""
    unrestored_patches: tuple[str, ...] = ()
    """Methods (``module:Class.method``) that its instrumentation leaves patched when it is turned off."""
    built_in_spans: tuple[str, str] = ("", "")
    """File whose presence shows that the library makes spans itself, and the variable that turns those off."""
    built_in_spans_yield: bool = False
    """Whether it makes no spans itself while an instrumentation is on."""


def _contrib(name: str, *distributions: str, note: str = "", replaced_names: tuple[str, ...] = ()) -> Library:
    packages = (f"opentelemetry-instrumentation-{name}",)
    return Library(name, distributions or (name,), packages, note=note, replaced_names=replaced_names)


def _genai(
    name: str,
    *distributions: str,
    official: tuple[str, ...] = (),
    traceloop: str | None = None,
    built_in_spans: tuple[str, str] = ("", ""),
) -> Library:
    return Library(
        name,
        distributions or (name,),
        (
            *official,
            f"openinference-instrumentation-{name}",
            f"opentelemetry-instrumentation-{traceloop or name}",
        ),
        built_in_spans=built_in_spans,
    )


LIBRARIES: Final = (
    # Servers
    Library(
        "fastapi",
        ("fastapi",),
        ("opentelemetry-instrumentation-fastapi",),
        note="apps made before need instrument(app=app); add sightline.asgi.RequestMiddleware",
        built_in_spans=("fastapi/telemetry/_asgi.py", ""),
        built_in_spans_yield=True,
    ),
    Library(
        "starlette",
        ("starlette",),
        ("opentelemetry-instrumentation-starlette",),
        note="apps made before are not traced; add sightline.asgi.RequestMiddleware",
        covered_by="fastapi",
        replaced_names=("starlette.applications:Starlette",),
    ),
    _contrib("flask", note="apps made before are not traced", replaced_names=("flask:Flask",)),
    _contrib("django"),
    Library(
        "grpc",
        ("grpcio",),
        ("opentelemetry-instrumentation-grpc",),
        note="channels and servers made before are not traced",
        replaced_names=("grpc:insecure_channel", "grpc:secure_channel", "grpc:server"),
    ),
    # HTTP clients
    Library("httpx", ("httpx",), ("opentelemetry-instrumentation-httpx",), ("httpx",)),
    Library("httpx2", ("httpx2",), ("opentelemetry-instrumentation-httpx",), ("httpx2",)),
    _contrib("requests"),
    _contrib("urllib3"),
    Library("aiohttp", ("aiohttp",), ("opentelemetry-instrumentation-aiohttp-client",)),
    # State, queues, brokers
    _contrib("redis"),
    _contrib("celery", note="with forked workers also call configure() and instrument() in worker_process_init"),
    _contrib("confluent-kafka", replaced_names=("confluent_kafka:Producer", "confluent_kafka:Consumer")),
    _contrib("aiokafka"),
    _contrib("kafka-python"),
    _contrib("pika"),
    _contrib("aio-pika"),
    # Databases
    _contrib("sqlalchemy", note="engines made before are not traced", replaced_names=("sqlalchemy:create_engine",)),
    _contrib("psycopg", replaced_names=("psycopg:connect", "psycopg:Connection", "psycopg:AsyncConnection")),
    _contrib("psycopg2", "psycopg2", "psycopg2-binary", replaced_names=("psycopg2:connect",)),
    _contrib("asyncpg"),
    # Models
    _genai("openai", official=("opentelemetry-instrumentation-openai-v2",)),
    _genai("anthropic", built_in_spans=("anthropic/_tracing.py", "ANTHROPIC_OPEN_TELEMETRY")),
    _genai("google-genai", official=("opentelemetry-instrumentation-google-genai",), traceloop="google-generativeai"),
    _genai("mistralai"),
    _genai("groq"),
    _genai("bedrock", "boto3"),
    Library("cohere", ("cohere",), ("opentelemetry-instrumentation-cohere",)),
    Library(
        "ollama",
        ("ollama",),
        ("opentelemetry-instrumentation-ollama",),
        unrestored_patches=(
            "ollama._client:Client._request",
            "ollama._client:AsyncClient._request",
            "ollama._client:_copy_messages",
        ),
    ),
    Library("litellm", ("litellm",), ("openinference-instrumentation-litellm",)),
    # Frameworks
    _genai("langchain", "langchain-core"),
    _genai("llama-index", "llama-index-core", traceloop="llamaindex"),
    _genai("crewai"),
    _genai("haystack", "haystack-ai"),
    Library("dspy", ("dspy", "dspy-ai"), ("openinference-instrumentation-dspy",)),
    # Vector stores
    Library("weaviate", ("weaviate-client",), (OWN,)),
    Library("milvus", ("pymilvus",), ("opentelemetry-instrumentation-milvus",)),
    Library("pinecone", ("pinecone", "pinecone-client"), ("opentelemetry-instrumentation-pinecone",)),
    Library("qdrant", ("qdrant-client",), ("opentelemetry-instrumentation-qdrant",)),
    Library("chromadb", ("chromadb",), ("opentelemetry-instrumentation-chromadb",)),
)
"""All rows, in the order in which they are turned on."""

OWN_INSTRUMENTORS: Final = {"weaviate": ("sightline.weaviate", "WeaviateInstrumentor")}
"""Module and class of each instrumentation of this library."""

NO_CONTENT_VARIABLES: Final = {
    "TRACELOOP_TRACE_CONTENT": "false",
    "OPENINFERENCE_HIDE_INPUTS": "true",
    "OPENINFERENCE_HIDE_OUTPUTS": "true",
    "OPENINFERENCE_HIDE_EMBEDDING_VECTORS": "true",
}
"""Variables that make third-party instrumentations record no content, which they do by default."""
