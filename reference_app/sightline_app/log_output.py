"""The log of a command: one line an event on standard error."""

from __future__ import annotations

import logging
import sys

_LIBRARIES = (
    "httpx",
    "httpx2",
    "httpcore",
    "httpcore2",
    "openai",
    "weaviate",
    "grpc",
    "huggingface_hub",
    "fastembed",
    "faiss",
    "milvus_lite",
    "uvicorn",
    "kafka",
    "temporalio",
)


def log_to_stderr() -> None:
    """Write events to standard error; those of libraries only when something is wrong."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    for name in _LIBRARIES:
        logging.getLogger(name).setLevel(logging.WARNING)
