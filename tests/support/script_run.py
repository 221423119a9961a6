"""A script in a process of its own, for tests of what changes a whole process."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from importlib import metadata


def run(script: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a script, indented as it stands in a test, without the caller's settings of tracing; it must succeed."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "SIGHTLINE_"))}
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        env=clean | {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "SIGHTLINE_EXIT_TIMEOUT_S": "0"} | env,
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )


def installed(name: str) -> bool:
    """Return whether a package is installed."""
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True
