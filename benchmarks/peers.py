"""The peers that benchmarks run beside us, installed into Sightline's cache folder from the language's own registry."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

CACHE = Path(os.environ.get("SIGHTLINE_CACHE_DIR") or Path.home() / ".cache" / "sightline") / "bench"
TRACING_LIBRARIES = {
    "traceloop": "traceloop-sdk",
    "openinference": "openinference-instrumentation",
    "logfire": "logfire",
    "langfuse": "langfuse",
    "mlflow": "mlflow-tracing",
}
"""Peers of the library: short name and distribution."""
LANGCHAIN_WEAVIATE_VERSION = "0.0.8"
_SDK = tuple(f"opentelemetry-{name}==1.45.1" for name in ("api", "sdk", "exporter-otlp-proto-http"))
OTELCOL_VERSION = "0.161.0"
OTELCOL = CACHE / f"otelcol-{OTELCOL_VERSION}-otlp" / "out" / "otelcol"
"""The official Collector's binary, once `otelcol` has built it."""
_OTELCOL_BUILD = f"""\
dist: {{name: otelcol, output_path: ./out, version: {OTELCOL_VERSION}}}
receivers: [{{gomod: go.opentelemetry.io/collector/receiver/otlpreceiver v{OTELCOL_VERSION}}}]
exporters:
  - gomod: go.opentelemetry.io/collector/exporter/otlphttpexporter v{OTELCOL_VERSION}
  - gomod: go.opentelemetry.io/collector/exporter/otlpexporter v{OTELCOL_VERSION}
extensions:
  - gomod: github.com/open-telemetry/opentelemetry-collector-contrib/extension/storage/filestorage v{OTELCOL_VERSION}
"""


def rotel() -> tuple[str, str]:
    """Path and version of rotel (Rust), installed with pip where it is absent."""
    venv = CACHE / "rotel"
    if not list(venv.glob("lib/*/site-packages/rotel/rotel-agent")):
        _say("installing rotel into its own virtual environment")
        subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
        subprocess.run([str(venv / "bin" / "pip"), "install", "-q", "rotel"], check=True)
    (agent,) = venv.glob("lib/*/site-packages/rotel/rotel-agent")
    (info,) = venv.glob("lib/*/site-packages/rotel-*.dist-info")
    return str(agent), info.name.removeprefix("rotel-").removesuffix(".dist-info")


def otelcol() -> tuple[str, str]:
    """Path and version of the official OpenTelemetry Collector, built with its own builder where it is absent."""
    folder = OTELCOL.parents[1]
    if not OTELCOL.exists():
        _say(f"building the OpenTelemetry Collector {OTELCOL_VERSION} (Go; several minutes)")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "build.yaml").write_text(_OTELCOL_BUILD)
        builder = f"go.opentelemetry.io/collector/cmd/builder@v{OTELCOL_VERSION}"
        subprocess.run(["go", "run", builder, "--config", "build.yaml"], cwd=folder, check=True)
    return str(OTELCOL), OTELCOL_VERSION


def tracing_libraries() -> tuple[Path, dict[str, str]]:
    """Interpreter of a virtual environment with the peers of the library and what the library needs; their versions."""
    venv = CACHE / "sdk"
    python = venv / "bin" / "python"
    wanted = sorted({*TRACING_LIBRARIES.values(), *_SDK})
    noted = venv / "wanted.txt"
    if not noted.exists() or noted.read_text().split() != wanted:
        _say("installing the peers' tracing libraries into their own virtual environment")
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(venv)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", *wanted], check=True)
        noted.write_text("\n".join(wanted))
    listed = subprocess.run(
        [str(python), "-m", "pip", "list", "--format=json"], check=True, capture_output=True, text=True
    )
    versions = {each["name"].lower(): each["version"] for each in json.loads(listed.stdout)}
    names = [*TRACING_LIBRARIES.values(), "opentelemetry-sdk"]
    return python, {name: versions[name] for name in names}


def langchain() -> tuple[Path, dict[str, str]]:
    """Interpreter that has LangChain's Weaviate store beside the packages of this environment; their versions."""
    venv = CACHE / f"langchain-weaviate-{LANGCHAIN_WEAVIATE_VERSION}"
    python = venv / "bin" / "python"
    if not (venv / "installed").exists():
        _say("installing langchain-weaviate into its own virtual environment")
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(venv)], check=True)
        wanted = f"langchain-weaviate=={LANGCHAIN_WEAVIATE_VERSION}"
        subprocess.run([str(python), "-m", "pip", "install", "-q", "--no-deps", wanted], check=True)
        (venv / "installed").touch()
    (packages,) = venv.glob("lib/*/site-packages")
    own = [path for path in sys.path if path.endswith("site-packages")]
    lines = [f"import site; site.addsitedir({path!r})" for path in own]  # with the .pth files of editable installs
    (packages / "beside.pth").write_text("\n".join(lines) + "\n")
    names = ["langchain-core", "langchain-openai", "openinference-instrumentation-langchain"]
    versions = {name: metadata.version(name) for name in names}
    return python, {"langchain-weaviate": LANGCHAIN_WEAVIATE_VERSION, **versions}


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
