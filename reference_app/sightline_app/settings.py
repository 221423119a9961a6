"""Every setting of the app, the local model server and the Weaviate runner.

Each class is frozen, validated, and read once from the environment at the entry point. The environment variable of a
field is in its metadata (``env``), so that documentation can be written from these classes.
"""

# ruff: noqa: RUF009  # `_setting` returns a dataclass field

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from sightline_app.errors import InvalidSetting

_CACHE_DIR = Path("~/.cache/sightline").expanduser()
_APP_DIR = Path(".sightline/app")
_WEAVIATE_DIR = Path(".sightline/weaviate")


def _setting(env: str, default: Any) -> Any:
    return field(default=default, metadata={"env": env})


def _port(variable: str, value: int) -> None:
    if not 0 < value < 65536:
        raise InvalidSetting(variable, value, "needs a port from 1 to 65535")


def _limits(prefix: str, settings: AppSettings | ModelSettings) -> None:
    for name in ("max_connections", "header_timeout_s", "body_timeout_s", "idle_timeout_s"):
        if not getattr(settings, name) > 0:
            raise InvalidSetting(f"{prefix}{name.upper()}", getattr(settings, name), "needs more than 0")


@dataclass(frozen=True)
class _FromEnvironment:
    """Reads each field from the variable named in its metadata; an empty variable means the default."""

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Self:
        """Read the settings.

        Args:
            env: usually ``os.environ``.

        Raises:
            InvalidSetting: a value has the wrong type or lies outside of what can work.
        """
        hints = typing.get_type_hints(cls)
        values: dict[str, Any] = {}
        for each in dataclasses.fields(cls):
            variable = each.metadata["env"]
            text = env.get(variable, "").strip()
            if text:
                values[each.name] = _parse(variable, text, hints[each.name])
        return cls(**values)


def _parse(variable: str, text: str, kind: Any) -> Any:
    wanted = next((option for option in typing.get_args(kind) if option is not type(None)), kind)
    try:
        if wanted is int:
            return int(text)
        if wanted is float:
            return float(text)
        if wanted is Path:
            return Path(text).expanduser()
    except ValueError:
        raise InvalidSetting(variable, text, "needs a number") from None
    return text


@dataclass(frozen=True)
class AppSettings(_FromEnvironment):
    """Settings of ``sightline-app``."""

    capture: str = _setting("SIGHTLINE_CAPTURE", "truncated")
    """What spans hold of texts: ``none``, ``lengths``, ``truncated`` or ``full``; default ``truncated``, because this
    app's documents are public and evaluations need the texts (the library's own default is ``lengths``)."""
    host: str = _setting("SIGHTLINE_APP_HOST", "127.0.0.1")
    """Address to listen on; default loopback."""
    port: int = _setting("SIGHTLINE_APP_PORT", 8000)
    """Port of the app's HTTP interface; default 8000."""
    allowed_hosts: str = _setting("SIGHTLINE_APP_ALLOWED_HOSTS", "")
    """Names by which clients reach it beside loopback's and, beyond loopback, any plain address, comma separated; ``*``
    takes any Host and requests without one; default none."""
    max_connections: int = _setting("SIGHTLINE_APP_MAX_CONNECTIONS", 1024)
    """Connections open at once; for a new one beyond, one that has sent no whole request head is closed, else the new
    one is answered 503; default 1024."""
    header_timeout_s: float = _setting("SIGHTLINE_APP_HEADER_TIMEOUT_S", 10.0)
    """Seconds within which a request's head must come; default 10."""
    body_timeout_s: float = _setting("SIGHTLINE_APP_BODY_TIMEOUT_S", 30.0)
    """Seconds in which at least 1 KiB of a request's body must come; default 30."""
    idle_timeout_s: float = _setting("SIGHTLINE_APP_IDLE_TIMEOUT_S", 75.0)
    """Seconds that a connection may stay open between requests; default 75."""
    data_dir: Path = _setting("SIGHTLINE_APP_DATA_DIR", _APP_DIR)
    """Folder of the passages, the fitted embedding and the index manifest; default ``.sightline/app``."""
    model_base_url: str = _setting("OPENAI_BASE_URL", "http://127.0.0.1:8081/v1")
    """OpenAI-compatible endpoint of the model; default the local extractive server."""
    model_api_key: str = _setting("OPENAI_API_KEY", "local")
    """Key sent to the model's endpoint; default ``local``."""
    chat_model: str = _setting("SIGHTLINE_CHAT_MODEL", "extractive-v1")
    """Model asked for; default ``extractive-v1``."""
    max_output_tokens: int = _setting("SIGHTLINE_APP_MAX_OUTPUT_TOKENS", 400)
    """Upper bound of an answer, in tokens; default 400."""
    priced_as: str | None = _setting("SIGHTLINE_PRICED_AS", None)
    """``provider/model`` whose prices the tokens are shown at, for models without a price; default unset."""
    embedding: str = _setting("SIGHTLINE_EMBEDDING", "auto")
    """``auto`` (endpoint, else onnx, else lexical), ``openai``, ``onnx`` or ``lexical``; default ``auto``."""
    embeddings_base_url: str | None = _setting("SIGHTLINE_EMBEDDINGS_BASE_URL", None)
    """OpenAI-compatible embeddings endpoint; default unset."""
    embeddings_api_key: str = _setting("SIGHTLINE_EMBEDDINGS_API_KEY", "local")
    """Key sent to the embeddings endpoint; default ``local``."""
    embeddings_model: str = _setting("SIGHTLINE_EMBEDDINGS_MODEL", "text-embedding-3-small")
    """Model asked of the embeddings endpoint; default ``text-embedding-3-small``."""
    onnx_model: str = _setting("SIGHTLINE_ONNX_MODEL", "BAAI/bge-small-en-v1.5")
    """fastembed model, used when the ``onnx`` extra is installed; default ``BAAI/bge-small-en-v1.5``."""
    lexical_dimensions: int = _setting("SIGHTLINE_LEXICAL_DIMENSIONS", 384)
    """Dimensions of the built-in embedding, 2..2048; default 384."""
    cache_dir: Path = _setting("SIGHTLINE_CACHE_DIR", _CACHE_DIR)
    """Downloaded or built files; default ``~/.cache/sightline``."""
    retrieval: str = _setting("SIGHTLINE_RETRIEVAL", "auto")
    """``auto`` (Weaviate, else ClickHouse), ``weaviate`` or ``clickhouse``; default ``auto``."""
    weaviate_url: str | None = _setting("WEAVIATE_URL", None)
    """A Weaviate to use instead of the one that ``sightline-weaviate`` runs; default unset."""
    weaviate_grpc_port: int | None = _setting("WEAVIATE_GRPC_PORT", None)
    """gRPC port beside ``WEAVIATE_URL``; default 50051 (443 for https)."""
    weaviate_api_key: str | None = _setting("WEAVIATE_API_KEY", None)
    """API key for ``WEAVIATE_URL``; default none."""
    local_weaviate_host: str = _setting("SIGHTLINE_WEAVIATE_HOST", "127.0.0.1")
    """Where ``sightline-weaviate`` listens; default loopback."""
    local_weaviate_port: int = _setting("SIGHTLINE_WEAVIATE_PORT", 8079)
    """HTTP port of ``sightline-weaviate``; default 8079."""
    local_weaviate_grpc_port: int = _setting("SIGHTLINE_WEAVIATE_GRPC_PORT", 50051)
    """gRPC port of ``sightline-weaviate``; default 50051."""
    collection: str = _setting("SIGHTLINE_APP_COLLECTION", "Documents")
    """Name of the collection (Weaviate) or table (ClickHouse); default ``Documents``."""
    store_url: str = _setting("SIGHTLINE_STORE_URL", "http://127.0.0.1:8123")
    """ClickHouse used for vector search where there is no Weaviate; default the embedded store."""
    store_user: str = _setting("SIGHTLINE_STORE_USER", "default")
    """ClickHouse user; default ``default``."""
    store_password: str = _setting("SIGHTLINE_STORE_PASSWORD", "")
    """ClickHouse password; default empty."""
    alpha: float = _setting("SIGHTLINE_APP_ALPHA", 0.5)
    """Weight of the vector side in hybrid search, 0 (BM25 only) .. 1 (vectors only); default 0.5."""
    candidates: int = _setting("SIGHTLINE_APP_CANDIDATES", 120)
    """Passages fetched from the vector store for the rerank stage; default 120."""
    top_k: int = _setting("SIGHTLINE_APP_TOP_K", 5)
    """Passages given to the model; default 5."""
    max_question_chars: int = _setting("SIGHTLINE_APP_MAX_QUESTION_CHARS", 4000)
    """Longest question accepted, in characters; default 4000."""
    max_body_bytes: int = _setting("SIGHTLINE_APP_MAX_BODY_BYTES", 262_144)
    """Largest request body accepted; default 256 KiB."""
    max_document_bytes: int = _setting("SIGHTLINE_APP_MAX_DOCUMENT_BYTES", 20_000_000)
    """Largest single file read at ingest; bigger ones are skipped with a warning; default 20 MB."""
    search_timeout_s: float = _setting("SIGHTLINE_APP_SEARCH_TIMEOUT_S", 10.0)
    """Longest wait for the vector store, in seconds; default 10."""
    model_timeout_s: float = _setting("SIGHTLINE_APP_MODEL_TIMEOUT_S", 30.0)
    """Longest silence of the model (first or next chunk), in seconds; default 30."""
    request_timeout_s: float = _setting("SIGHTLINE_APP_REQUEST_TIMEOUT_S", 120.0)
    """Longest whole request, in seconds; default 120."""

    def __post_init__(self) -> None:
        """Check what can be checked without touching anything."""
        _port("SIGHTLINE_APP_PORT", self.port)
        _limits("SIGHTLINE_APP_", self)
        if self.embedding not in {"auto", "openai", "onnx", "lexical"}:
            raise InvalidSetting("SIGHTLINE_EMBEDDING", self.embedding, "choose auto, openai, onnx or lexical")
        if self.retrieval not in {"auto", "weaviate", "clickhouse"}:
            raise InvalidSetting("SIGHTLINE_RETRIEVAL", self.retrieval, "choose auto, weaviate or clickhouse")
        if not 0 <= self.alpha <= 1:
            raise InvalidSetting("SIGHTLINE_APP_ALPHA", self.alpha, "needs 0 (BM25 only) to 1 (vectors only)")
        if not 2 <= self.lexical_dimensions <= 2048:
            raise InvalidSetting("SIGHTLINE_LEXICAL_DIMENSIONS", self.lexical_dimensions, "needs 2 to 2048")
        if not 1 <= self.top_k <= self.candidates:
            raise InvalidSetting(
                "SIGHTLINE_APP_TOP_K", self.top_k, f"needs 1 to SIGHTLINE_APP_CANDIDATES ({self.candidates})"
            )
        for name in ("search_timeout_s", "model_timeout_s", "request_timeout_s", "max_question_chars"):
            if getattr(self, name) <= 0:
                raise InvalidSetting(f"SIGHTLINE_APP_{name.upper()}", getattr(self, name), "needs more than 0")


@dataclass(frozen=True)
class ModelSettings(_FromEnvironment):
    """Settings of ``sightline-model``."""

    host: str = _setting("SIGHTLINE_MODEL_HOST", "127.0.0.1")
    """Address to listen on; default loopback."""
    port: int = _setting("SIGHTLINE_MODEL_PORT", 8081)
    """Port; default 8081."""
    allowed_hosts: str = _setting("SIGHTLINE_MODEL_ALLOWED_HOSTS", "")
    """Names by which clients reach it beside loopback's and, beyond loopback, any plain address, comma separated; ``*``
    takes any Host and requests without one; default none."""
    max_connections: int = _setting("SIGHTLINE_MODEL_MAX_CONNECTIONS", 1024)
    """Connections open at once; for a new one beyond, one that has sent no whole request head is closed, else the new
    one is answered 503; default 1024."""
    header_timeout_s: float = _setting("SIGHTLINE_MODEL_HEADER_TIMEOUT_S", 10.0)
    """Seconds within which a request's head must come; default 10."""
    body_timeout_s: float = _setting("SIGHTLINE_MODEL_BODY_TIMEOUT_S", 30.0)
    """Seconds in which at least 1 KiB of a request's body must come; default 30."""
    idle_timeout_s: float = _setting("SIGHTLINE_MODEL_IDLE_TIMEOUT_S", 75.0)
    """Seconds that a connection may stay open between requests; default 75."""
    tokens_per_s: float = _setting("SIGHTLINE_MODEL_TOKENS_PER_S", 80.0)
    """Pace of the stream in tokens a second; 0 sends as fast as it can; default 80."""
    prefill_tokens_per_s: float = _setting("SIGHTLINE_MODEL_PREFILL_TOKENS_PER_S", 8000.0)
    """Prompt tokens "read" a second before the first token, no delay when unpaced; default 8000."""
    data_dir: Path = _setting("SIGHTLINE_APP_DATA_DIR", _APP_DIR)
    """The app's data folder, whose fitted embedding answers /v1/embeddings; default ``.sightline/app``."""

    def __post_init__(self) -> None:
        """Check ranges."""
        _port("SIGHTLINE_MODEL_PORT", self.port)
        _limits("SIGHTLINE_MODEL_", self)
        if self.tokens_per_s < 0:
            raise InvalidSetting("SIGHTLINE_MODEL_TOKENS_PER_S", self.tokens_per_s, "needs 0 (unpaced) or more")
        if self.prefill_tokens_per_s <= 0:
            raise InvalidSetting("SIGHTLINE_MODEL_PREFILL_TOKENS_PER_S", self.prefill_tokens_per_s, "needs more than 0")


@dataclass(frozen=True)
class WeaviateSettings(_FromEnvironment):
    """Settings of ``sightline-weaviate``."""

    url: str | None = _setting("WEAVIATE_URL", None)
    """A Weaviate that already runs somewhere: then nothing is started; default unset."""
    host: str = _setting("SIGHTLINE_WEAVIATE_HOST", "127.0.0.1")
    """Address of the HTTP interface; default loopback."""
    port: int = _setting("SIGHTLINE_WEAVIATE_PORT", 8079)
    """HTTP port; default 8079."""
    grpc_port: int = _setting("SIGHTLINE_WEAVIATE_GRPC_PORT", 50051)
    """gRPC port; default 50051. Weaviate binds it on all interfaces and offers no setting against that."""
    data_dir: Path = _setting("SIGHTLINE_WEAVIATE_DATA_DIR", _WEAVIATE_DIR)
    """Folder of Weaviate's data; default ``.sightline/weaviate``."""
    cache_dir: Path = _setting("SIGHTLINE_CACHE_DIR", _CACHE_DIR)
    """Where a downloaded or built server is kept (``bin/weaviate-server``); default ``~/.cache/sightline``."""
    start_timeout_s: float = _setting("SIGHTLINE_WEAVIATE_START_TIMEOUT_S", 120.0)
    """Longest wait until the server says it is ready, in seconds; default 120."""

    def __post_init__(self) -> None:
        """Check ranges."""
        _port("SIGHTLINE_WEAVIATE_PORT", self.port)
        _port("SIGHTLINE_WEAVIATE_GRPC_PORT", self.grpc_port)
        if self.port == self.grpc_port:
            raise InvalidSetting(
                "SIGHTLINE_WEAVIATE_GRPC_PORT", self.grpc_port, "must differ from SIGHTLINE_WEAVIATE_PORT"
            )
