"""Settings of `sightline-app`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from sightline_app.settings.api import ApiSettings
from sightline_app.settings.base import APP_DIR, CACHE_DIR, OwnSettings
from sightline_app.settings.chaos import ChaosSettings
from sightline_app.settings.embedding import InferenceSettings, MiniLMSettings, OnnxFileSettings
from sightline_app.settings.guardrails import GuardrailSettings, PrivacySettings
from sightline_app.settings.ingestion import IngestionSettings
from sightline_app.settings.limits import LimitSettings
from sightline_app.settings.model import MODEL_NAMES, ModelEndpoint
from sightline_app.settings.stages import CacheSettings, PackSettings, RouteSettings
from sightline_app.settings.state import StateSettings
from sightline_app.settings.uploads import UploadSettings
from sightline_app.settings.vector_stores import STORES, MilvusSettings, PineconeSettings, VectorIndexSettings
from sightline_roles.port_settings import PortSettings
from sightline_roles.settings import setting


def _address_of_pages(text: str) -> str:
    if text != "off" and not text.startswith(("http://", "https://")):
        raise ValueError(text)
    return "" if text == "off" else text.rstrip("/")


@dataclass(frozen=True, kw_only=True)
class AppSettings(OwnSettings, PortSettings):
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
        "SIGHTLINE_APP_DATA_DIR", APP_DIR, "Folder of the passages, the fitted embedding and the index manifest"
    )
    local_model: str = setting(
        "SIGHTLINE_MODEL",
        "smollm2",
        "Model of the local `sightline-model`; decides the default of SIGHTLINE_CHAT_MODEL",
        choices=MODEL_NAMES,
    )
    model_base_url: str = setting(
        "OPENAI_BASE_URL",
        "http://127.0.0.1:8081/v1",
        "OpenAI-compatible endpoint of the model; the default is the local `sightline-model`",
    )
    model_api_key: str = setting("OPENAI_API_KEY", "local", "Key sent to the model's endpoint", secret=True)
    chat_model: str = setting(
        "SIGHTLINE_CHAT_MODEL", "", "Model that answers", default_text="the name of the model in SIGHTLINE_MODEL"
    )
    langchain_provider: str | None = setting(
        "SIGHTLINE_APP_LANGCHAIN_PROVIDER",
        None,
        "Provider of SIGHTLINE_CHAT_MODEL as LangChain's `init_chat_model` knows it, such as `anthropic` or `ollama`: "
        "its chat model answers then. Needs the `langchain` extra and the provider's package",
        default_text="unset: the OpenAI-compatible endpoint answers",
    )
    max_output_tokens: int = setting(
        "SIGHTLINE_APP_MAX_OUTPUT_TOKENS", 120, "Upper bound of an answer, in tokens", at_least=1
    )
    temperature: float = setting(
        "SIGHTLINE_APP_TEMPERATURE", 0.2, "Sampling temperature of the model", at_least=0, at_most=2
    )
    passage_chars: int = setting(
        "SIGHTLINE_APP_PASSAGE_CHARS",
        280,
        "Longest passage in a prompt, in characters: of a longer one, the sentences that match the question best",
        at_least=80,
    )
    priced_as: str | None = setting(
        "SIGHTLINE_PRICED_AS", None, "`provider/model` whose prices the tokens are shown at, for models without a price"
    )
    embedding: str = setting(
        "SIGHTLINE_EMBEDDING",
        "auto",
        "Embedding of the passages and questions: all-MiniLM-L6-v2 or an ONNX file in this process, an "
        "OpenAI-compatible endpoint, a server of the Open Inference Protocol such as Triton, a fastembed model, or "
        "words alone. `auto` takes the endpoint if `SIGHTLINE_EMBEDDINGS_BASE_URL` is set, else minilm, and lexical "
        "only where its weights are missing",
        choices=("auto", "minilm", "onnx", "openai", "oip", "fastembed", "lexical"),
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
    minilm: MiniLMSettings = field(default_factory=MiniLMSettings)
    onnx_file: OnnxFileSettings = field(default_factory=OnnxFileSettings)
    inference: InferenceSettings = field(default_factory=InferenceSettings)
    fastembed_model: str = setting(
        "SIGHTLINE_FASTEMBED_MODEL", "BAAI/bge-small-en-v1.5", "Model of fastembed, which the `onnx` extra installs"
    )
    lexical_dimensions: int = setting(
        "SIGHTLINE_LEXICAL_DIMENSIONS", 384, "Dimensions of the lexical embedding", at_least=2, at_most=2048
    )
    cache_dir: Path = setting("SIGHTLINE_CACHE_DIR", CACHE_DIR, "Downloaded or built files")
    retrieval: str = setting(
        "SIGHTLINE_RETRIEVAL",
        "auto",
        "Vector store; `auto` takes Weaviate, else ClickHouse",
        choices=("auto", *STORES),
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
    dashboards_url: str = setting(
        "SIGHTLINE_APP_DASHBOARDS_URL",
        "http://127.0.0.1:8501",
        "Where the dashboards are for a reader's browser: answers on the chat page link to their traces; `off` for "
        "no links",
        read=_address_of_pages,
        need="an address such as http://127.0.0.1:8501, or `off`",
    )
    collection: str = setting(
        "SIGHTLINE_APP_COLLECTION",
        "Documents",
        "Name of the collection (Weaviate, Milvus), table (ClickHouse) or namespace (Pinecone)",
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
        "Weight of the vectors in hybrid search, from 0 (BM25 only) to 1 (vectors only); Milvus and Pinecone search by "
        "vectors only here",
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
    index_wait_s: float = setting(
        "SIGHTLINE_APP_INDEX_WAIT_S",
        120.0,
        "Longest wait, after passages were written, until searches find them, in seconds",
        at_least=0,
    )
    model_timeout_s: float = setting(
        "SIGHTLINE_APP_MODEL_TIMEOUT_S", 60.0, "Longest silence of the model (first or next chunk), in seconds", above=0
    )
    request_timeout_s: float = setting(
        "SIGHTLINE_APP_REQUEST_TIMEOUT_S", 120.0, "Longest whole request, in seconds", above=0
    )
    api: ApiSettings = field(default_factory=ApiSettings)
    chaos: ChaosSettings = field(default_factory=ChaosSettings)
    state: StateSettings = field(default_factory=StateSettings)
    limits: LimitSettings = field(default_factory=LimitSettings)
    guardrails: GuardrailSettings = field(default_factory=GuardrailSettings)
    privacy: PrivacySettings = field(default_factory=PrivacySettings)
    cache: CacheSettings = field(default_factory=CacheSettings)
    pack: PackSettings = field(default_factory=PackSettings)
    route: RouteSettings = field(default_factory=RouteSettings)
    uploads: UploadSettings = field(default_factory=UploadSettings)
    ingestion: IngestionSettings = field(default_factory=IngestionSettings)
    milvus: MilvusSettings = field(default_factory=MilvusSettings)
    pinecone: PineconeSettings = field(default_factory=PineconeSettings)
    vector_index: VectorIndexSettings = field(default_factory=VectorIndexSettings)

    def __post_init__(self) -> None:
        """Refuse what cannot work, naming the variable."""
        super().__post_init__()
        if self.top_k > self.candidates:
            raise self.invalid("top_k", f"at most {self.variable('candidates')} ({self.candidates})")
        if not self.chat_model:
            object.__setattr__(self, "chat_model", MODEL_NAMES[self.local_model])

    @property
    def endpoint(self) -> ModelEndpoint:
        """The model that answers."""
        return ModelEndpoint(self.model_base_url, self.model_api_key, self.chat_model)

    @property
    def large_endpoint(self) -> ModelEndpoint | None:
        """The model for hard questions; None where none is set."""
        route = self.route
        if route.large_model is None:
            return None
        url = route.large_base_url or self.model_base_url
        key = route.large_api_key or (self.model_api_key if url == self.model_base_url else "local")
        return ModelEndpoint(url, key, route.large_model)
