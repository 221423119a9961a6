"""The peers that benchmarks run beside us, installed into Sightline's cache folder from the language's own registry."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

CACHE = Path(os.environ.get("SIGHTLINE_CACHE_DIR") or Path.home() / ".cache" / "sightline") / "bench"
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


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
