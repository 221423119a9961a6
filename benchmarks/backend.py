"""What benchmarks of the reference app need around it: store, collector, Weaviate, model, and the app itself."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import processes
from peers import CACHE

_VECTORS = CACHE / "vectors"
UNPACED = "0"
"""Pace of the extractive model that sends as fast as it can."""


class Running(NamedTuple):
    """An application that answers."""

    url: str
    server: processes.Server


def start(stack: contextlib.ExitStack, folder: Path) -> dict[str, str]:
    """Start store, collector and, where its binary is, Weaviate; all are stopped when the stack ends.

    Returns:
        the settings by which an app finds them.
    """
    server, store_url = processes.store(folder)
    stack.enter_context(server)
    http, grpc = processes.free_port(), processes.free_port()
    collector = {
        "SIGHTLINE_COLLECTOR_HTTP_PORT": str(http),
        "SIGHTLINE_COLLECTOR_GRPC_PORT": str(grpc),
        "SIGHTLINE_COLLECTOR_SPOOL_DIR": str(folder / "spool"),
        "SIGHTLINE_STORE_URL": store_url,
    }
    collector_url = f"http://127.0.0.1:{http}"
    command = [processes.console_script("sightline-collector"), "serve"]
    ready = processes.http_ok(f"{collector_url}/healthz")
    stack.enter_context(processes.Server(command, is_ready=ready, log=folder / "collector.log", env=collector))
    settings = {
        "SIGHTLINE_APP_DATA_DIR": str(folder / "app"),
        "SIGHTLINE_STORE_URL": store_url,
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector_url,
    }
    found = subprocess.run(
        [processes.console_script("sightline-weaviate"), "--find-only"], check=False, capture_output=True
    )
    if found.returncode != 0:
        say("no Weaviate here: retrieval inside ClickHouse")
        return {**settings, "SIGHTLINE_RETRIEVAL": "clickhouse"}
    weaviate = {
        "SIGHTLINE_WEAVIATE_PORT": str(processes.free_port()),
        "SIGHTLINE_WEAVIATE_GRPC_PORT": str(processes.free_port()),
        "SIGHTLINE_WEAVIATE_DATA_DIR": str(folder / "weaviate"),
    }
    url = f"http://127.0.0.1:{weaviate['SIGHTLINE_WEAVIATE_PORT']}"
    ready = processes.http_ok(f"{url}/v1/.well-known/ready")
    command = [processes.console_script("sightline-weaviate")]
    stack.enter_context(processes.Server(command, is_ready=ready, log=folder / "weaviate.log", env=weaviate))
    return {**settings, "WEAVIATE_URL": url, "WEAVIATE_GRPC_PORT": weaviate["SIGHTLINE_WEAVIATE_GRPC_PORT"]}


def ingest(settings: Mapping[str, str]) -> None:
    """Index the documentation of the standard library.

    The vectors of its passages are kept in Sightline's cache folder: the first time takes minutes, later ones seconds.
    """
    say("reading and indexing the corpus (the first time takes some minutes)")
    vectors = Path(settings["SIGHTLINE_APP_DATA_DIR"]) / "vectors"
    vectors.mkdir(parents=True, exist_ok=True)
    for kept in _VECTORS.glob("*.npz"):
        shutil.copy(kept, vectors)
    env = {**_inherited(), **settings, "OTEL_SDK_DISABLED": "true"}
    subprocess.run([processes.console_script("sightline-app"), "ingest"], env=env, check=True, capture_output=True)
    _VECTORS.mkdir(parents=True, exist_ok=True)
    for made in vectors.glob("*.npz"):
        shutil.copy(made, _VECTORS)


def model(stack: contextlib.ExitStack, folder: Path, tokens_per_s: str, name: str = "extractive-v1") -> dict[str, str]:
    """Start the extractive model.

    Args:
        stack: stops it at its end.
        folder: where its log is.
        tokens_per_s: its pace; `UNPACED` for none.
        name: under which it is served.

    Returns:
        the settings by which an app finds it.
    """
    port = processes.free_port()
    env = {
        "SIGHTLINE_MODEL": "extractive",
        "SIGHTLINE_MODEL_PORT": str(port),
        "SIGHTLINE_MODEL_NAME": name,
        "SIGHTLINE_MODEL_TOKENS_PER_S": tokens_per_s,
    }
    if tokens_per_s == UNPACED:
        env["SIGHTLINE_MODEL_PREFILL_TOKENS_PER_S"] = "1000000"
    ready = processes.http_ok(f"http://127.0.0.1:{port}/healthz")
    command = [processes.console_script("sightline-model")]
    stack.enter_context(processes.Server(command, is_ready=ready, log=folder / "model.log", env=env))
    return {
        "SIGHTLINE_MODEL": "extractive",
        "SIGHTLINE_CHAT_MODEL": name,
        "OPENAI_BASE_URL": f"http://127.0.0.1:{port}/v1",
        "OPENAI_API_KEY": "local",
    }


def app(stack: contextlib.ExitStack, folder: Path, name: str, settings: Mapping[str, str]) -> Running:
    """Start a copy of the app.

    Args:
        stack: stops it at its end.
        folder: where its log is.
        name: of the log.
        settings: of the copy.
    """
    port = processes.free_port()
    url = f"http://127.0.0.1:{port}"
    env = {**settings, "SIGHTLINE_APP_PORT": str(port)}
    command = [processes.console_script("sightline-app"), "serve"]
    ready = processes.http_ok(f"{url}/healthz")
    server = processes.Server(command, is_ready=ready, log=folder / f"{name}.log", env=env)
    return Running(url, stack.enter_context(server))


def say(text: str) -> None:
    """Tell on standard error how far the benchmark is."""
    print(text, file=sys.stderr, flush=True)


def _inherited() -> dict[str, str]:
    return {
        name: value for name, value in os.environ.items() if not name.startswith(("SIGHTLINE_", "OTEL_", "WEAVIATE_"))
    }
