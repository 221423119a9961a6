"""Settings of the embeddings that run in the process of the app, and of one on an inference server."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sightline_app.settings.base import OwnSettings
from sightline_roles.settings import is_http_url, setting


@dataclass(frozen=True, kw_only=True)
class MiniLMSettings(OwnSettings):
    """The embedding model in the process of `sightline-app`."""

    precision: str = setting(
        "SIGHTLINE_EMBEDDING_PRECISION",
        "int8",
        "How the weights of all-MiniLM-L6-v2 are stored and multiplied. An index of one precision is not asked with "
        "another; `sightline-app quantize` compares them on your passages",
        choices=("fp32", "fp16", "int8"),
    )
    threads: int = setting(
        "SIGHTLINE_EMBEDDING_THREADS",
        0,
        "Threads of one inference; 0 takes one for each core",
        at_least=0,
        at_most=256,
    )
    batch_wait_ms: float = setting(
        "SIGHTLINE_EMBEDDING_BATCH_WAIT_MS",
        3.0,
        "How long a question waits for those of other requests, in milliseconds, so that they are embedded together; "
        "0 takes those that are there",
        at_least=0,
        at_most=1000,
    )
    batch_size: int = setting(
        "SIGHTLINE_EMBEDDING_BATCH_SIZE",
        4,
        "Questions that are embedded together at most. On a CPU more of them cost more each, since short ones are "
        "padded to the longest, and all wait for the last",
        at_least=1,
        at_most=1024,
    )


@dataclass(frozen=True, kw_only=True)
class InferenceSettings(OwnSettings):
    """The embedding model on a server of the Open Inference Protocol, such as Triton, for `SIGHTLINE_EMBEDDING=oip`."""

    url: str | None = setting(
        "SIGHTLINE_OIP_URL",
        None,
        "Address of the server, before its `/v2`",
        check=is_http_url,
        need="an address such as http://127.0.0.1:8000",
    )
    model: str | None = setting("SIGHTLINE_OIP_MODEL", None, "Name of the model there; it reads texts (BYTES)")
    input: str = setting(
        "SIGHTLINE_OIP_INPUT", "", "Name of the model's tensor of texts", default_text="unset: the only input"
    )
    output: str = setting(
        "SIGHTLINE_OIP_OUTPUT", "", "Name of the model's tensor of vectors", default_text="unset: the only output"
    )
    batch_size: int = setting(
        "SIGHTLINE_OIP_BATCH_SIZE",
        32,
        "Passages of one request at most; fewer where the server says that the model takes fewer",
        at_least=1,
        at_most=4096,
    )


@dataclass(frozen=True, kw_only=True)
class OnnxFileSettings(OwnSettings):
    """An ONNX file as the embedding model in the process of `sightline-app`, for `SIGHTLINE_EMBEDDING=onnx`."""

    file: Path | None = setting(
        "SIGHTLINE_EMBEDDING_ONNX_FILE",
        None,
        "The model: `input_ids` and `attention_mask` in, one vector for each text out",
    )
    tokenizer_file: Path | None = setting(
        "SIGHTLINE_EMBEDDING_TOKENIZER_FILE",
        None,
        "Its tokenizer, as the library `tokenizers` saves it",
        default_text="`tokenizer.json` beside the model",
    )
    max_tokens: int = setting(
        "SIGHTLINE_EMBEDDING_MAX_TOKENS",
        256,
        "Word pieces of a text that it reads; the rest is cut off",
        at_least=3,
        at_most=8192,
    )
