"""Every setting of the app, the local model server and the Weaviate runner.

Each class is frozen, validated, and read once from the environment at the entry point.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sightline_app.errors import InvalidSetting
from sightline_roles.port_settings import PortSettings
from sightline_roles.settings import Settings, setting

_CACHE_DIR = Path("~/.cache/sightline").expanduser()
_APP_DIR = Path(".sightline/app")
_WEAVIATE_DIR = Path(".sightline/weaviate")


@dataclass(frozen=True)
class _AppSettings(Settings):
    """Base of the classes below."""

    @classmethod
    def error(cls, variable: str, value: str, need: str) -> Exception:
        """The app's own error."""
        return InvalidSetting(variable, value, f"needs {need}")


@dataclass(frozen=True, kw_only=True)
class AppSettings(_AppSettings, PortSettings):
    """Settings of `sightline-app`."""

    prefix = "SIGHTLINE_APP_"

    capture: str = setting(
        "SIGHTLINE_CAPTURE",
        "truncated",
        "What spans hold of texts. This app's documents are public and evaluations need the texts; the library's own "
        "default is `lengths`",
        choices=("none", "lengths", "truncated", "full"),
    )
    port: int = setting("SIGHTLINE_APP_PORT", 8000, "Port of the app's HTTP interface", at_least=1, at_most=65535)
    data_dir: Path = setting(
        "SIGHTLINE_APP_DATA_DIR", _APP_DIR, "Folder of the passages, the fitted embedding and the index manifest"
    )
    model_base_url: str = setting(
        "OPENAI_BASE_URL",
        "http://127.0.0.1:8081/v1",
        "OpenAI-compatible endpoint of the model; the default is the local extractive server",
    )
    model_api_key: str = setting("OPENAI_API_KEY", "local", "Key sent to the model's endpoint", secret=True)
    chat_model: str = setting("SIGHTLINE_CHAT_MODEL", "extractive-v1", "Model that answers")
    max_output_tokens: int = setting("SIGHTLINE_APP_MAX_OUTPUT_TOKENS", 400, "Upper bound of an answer, in tokens")
    priced_as: str | None = setting(
        "SIGHTLINE_PRICED_AS", None, "`provider/model` whose prices the tokens are shown at, for models without a price"
    )
    embedding: str = setting(
        "SIGHTLINE_EMBEDDING",
        "auto",
        "Embedding of the passages and questions; `auto` takes the endpoint, else onnx, else lexical",
        choices=("auto", "openai", "onnx", "lexical"),
    )
    embeddings_base_url: str | None = setting(
        "SIGHTLINE_EMBEDDINGS_BASE_URL", None, "OpenAI-compatible embeddings endpoint"
    )
    embeddings_api_key: str = setting(
        "SIGHTLINE_EMBEDDINGS_API_KEY", "local", "Key sent to the embeddings endpoint", secret=True
    )
    embeddings_model: str = setting(
        "SIGHTLINE_EMBEDDINGS_MODEL", "text-embedding-3-small", "Model of the embeddings endpoint"
    )
    onnx_model: str = setting(
        "SIGHTLINE_ONNX_MODEL", "BAAI/bge-small-en-v1.5", "fastembed model, used when the `onnx` extra is installed"
    )
    lexical_dimensions: int = setting(
        "SIGHTLINE_LEXICAL_DIMENSIONS", 384, "Dimensions of the built-in embedding", at_least=2, at_most=2048
    )
    cache_dir: Path = setting("SIGHTLINE_CACHE_DIR", _CACHE_DIR, "Downloaded or built files")
    retrieval: str = setting(
        "SIGHTLINE_RETRIEVAL",
        "auto",
        "Vector store; `auto` takes Weaviate, else ClickHouse",
        choices=("auto", "weaviate", "clickhouse"),
    )
    weaviate_url: str | None = setting(
        "WEAVIATE_URL", None, "A Weaviate to use instead of the one that `sightline-weaviate` runs"
    )
    weaviate_grpc_port: int | None = setting(
        "WEAVIATE_GRPC_PORT",
        None,
        "gRPC port beside `WEAVIATE_URL`",
        at_least=1,
        at_most=65535,
        default_text="50051 (443 for https)",
    )
    weaviate_api_key: str | None = setting("WEAVIATE_API_KEY", None, "API key for `WEAVIATE_URL`", secret=True)
    local_weaviate_host: str = setting("SIGHTLINE_WEAVIATE_HOST", "127.0.0.1", "Where `sightline-weaviate` listens")
    local_weaviate_port: int = setting(
        "SIGHTLINE_WEAVIATE_PORT", 8079, "HTTP port of `sightline-weaviate`", at_least=1, at_most=65535
    )
    local_weaviate_grpc_port: int = setting(
        "SIGHTLINE_WEAVIATE_GRPC_PORT", 50051, "gRPC port of `sightline-weaviate`", at_least=1, at_most=65535
    )
    collection: str = setting(
        "SIGHTLINE_APP_COLLECTION", "Documents", "Name of the collection (Weaviate) or table (ClickHouse)"
    )
    store_url: str = setting(
        "SIGHTLINE_STORE_URL",
        "http://127.0.0.1:8123",
        "ClickHouse used for vector search where there is no Weaviate; the default is the embedded store",
    )
    store_user: str = setting("SIGHTLINE_STORE_USER", "default", "ClickHouse user")
    store_password: str = setting("SIGHTLINE_STORE_PASSWORD", "", "ClickHouse password", read=str, secret=True)
    alpha: float = setting(
        "SIGHTLINE_APP_ALPHA",
        0.5,
        "Weight of the vectors in hybrid search, from 0 (BM25 only) to 1 (vectors only)",
        at_least=0,
        at_most=1,
    )
    candidates: int = setting(
        "SIGHTLINE_APP_CANDIDATES", 120, "Passages fetched from the vector store for the rerank stage"
    )
    top_k: int = setting(
        "SIGHTLINE_APP_TOP_K", 5, "Passages given to the model; at most SIGHTLINE_APP_CANDIDATES", at_least=1
    )
    max_question_chars: int = setting(
        "SIGHTLINE_APP_MAX_QUESTION_CHARS", 4000, "Longest question accepted, in characters", above=0
    )
    max_body_bytes: int = setting("SIGHTLINE_APP_MAX_BODY_BYTES", 262_144, "Largest request body accepted, in bytes")
    max_document_bytes: int = setting(
        "SIGHTLINE_APP_MAX_DOCUMENT_BYTES",
        20_000_000,
        "Largest file read at ingest, in bytes; larger files are skipped with a warning",
    )
    search_timeout_s: float = setting(
        "SIGHTLINE_APP_SEARCH_TIMEOUT_S", 10.0, "Longest wait for the vector store, in seconds", above=0
    )
    model_timeout_s: float = setting(
        "SIGHTLINE_APP_MODEL_TIMEOUT_S", 30.0, "Longest silence of the model (first or next chunk), in seconds", above=0
    )
    request_timeout_s: float = setting(
        "SIGHTLINE_APP_REQUEST_TIMEOUT_S", 120.0, "Longest whole request, in seconds", above=0
    )

    def __post_init__(self) -> None:
        """Refuse what cannot work, naming the variable."""
        super().__post_init__()
        if self.top_k > self.candidates:
            raise self.invalid("top_k", f"at most {self.variable('candidates')} ({self.candidates})")


@dataclass(frozen=True, kw_only=True)
class ModelSettings(_AppSettings, PortSettings):
    """Settings of `sightline-model`."""

    prefix = "SIGHTLINE_MODEL_"

    port: int = setting("SIGHTLINE_MODEL_PORT", 8081, "Port to listen on", at_least=1, at_most=65535)
    tokens_per_s: float = setting(
        "SIGHTLINE_MODEL_TOKENS_PER_S",
        80.0,
        "Pace of the stream in tokens a second; 0 sends as fast as it can",
        at_least=0,
    )
    prefill_tokens_per_s: float = setting(
        "SIGHTLINE_MODEL_PREFILL_TOKENS_PER_S",
        8000.0,
        "Prompt tokens read a second before the first token; no delay where SIGHTLINE_MODEL_TOKENS_PER_S is 0",
        above=0,
    )
    data_dir: Path = setting(
        "SIGHTLINE_APP_DATA_DIR", _APP_DIR, "The app's data folder, whose fitted embedding answers /v1/embeddings"
    )


@dataclass(frozen=True, kw_only=True)
class WeaviateSettings(_AppSettings):
    """Settings of `sightline-weaviate`."""

    url: str | None = setting("WEAVIATE_URL", None, "A Weaviate that already runs somewhere: then nothing is started")
    host: str = setting("SIGHTLINE_WEAVIATE_HOST", "127.0.0.1", "Address of the HTTP interface")
    port: int = setting("SIGHTLINE_WEAVIATE_PORT", 8079, "HTTP port", at_least=1, at_most=65535)
    grpc_port: int = setting(
        "SIGHTLINE_WEAVIATE_GRPC_PORT",
        50051,
        "gRPC port. Weaviate binds it on all interfaces and has no setting against that",
        at_least=1,
        at_most=65535,
    )
    data_dir: Path = setting("SIGHTLINE_WEAVIATE_DATA_DIR", _WEAVIATE_DIR, "Folder of Weaviate's data")
    cache_dir: Path = setting(
        "SIGHTLINE_CACHE_DIR",
        _CACHE_DIR,
        "Where a downloaded or built server is kept (`bin/weaviate-server`)",
    )
    start_timeout_s: float = setting(
        "SIGHTLINE_WEAVIATE_START_TIMEOUT_S", 120.0, "Longest wait until the server says it is ready, in seconds"
    )

    def __post_init__(self) -> None:
        """Refuse what cannot work, naming the variable."""
        super().__post_init__()
        if self.port == self.grpc_port:
            raise self.invalid("grpc_port", f"another port than {self.variable('port')}")
