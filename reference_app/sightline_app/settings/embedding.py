"""Settings of the embedding that runs in the process of the app."""

from __future__ import annotations

from dataclasses import dataclass

from sightline_app.settings.base import OwnSettings
from sightline_roles.settings import setting


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
        32,
        "Questions that are embedded together at most",
        at_least=1,
        at_most=1024,
    )
