"""A process that ends with its queue full, beside a real collector: all that was queued is on the collector's disk.

The library gives the exit a second. How much of it a full queue takes is measured by `make bench-sdk`; here it is given
what a busy machine may need, and what arrived is counted.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import urllib.request
from pathlib import Path

from role_process import StartRole, free_port

_QUEUE = 16_384
_PROCESS = """
    import json
    import sightline

    tracing = sightline.configure(service_name="short-lived", capture="full")
    answer = "Use shutil.copytree with copy_function=shutil.copy2, which is the default. " * 4

    @sightline.retrieval("Documents", top_k=5)
    def search(question):
        sightline.record_documents([{"id": f"d{n}", "score": 1 / (n + 1), "content": answer} for n in range(5)])

    @sightline.llm("gpt-4o-mini", provider="openai")
    def stream(question):
        sightline.record_usage(input_tokens=100, output_tokens=50)
        yield answer

    @sightline.workflow("answer")
    def pipeline(question):
        search(question)
        return "".join(stream(question))

    while tracing.stats().emitted < 16_384:
        with sightline.request("ask"):
            sightline.identify(session="s-1", user="u-1", tenant="acme")
            pipeline("How do I copy a folder with everything in it?")
    print(json.dumps([tracing.stats().queued, tracing.stats().dropped]))
"""


def test_a_full_queue_arrives_when_the_process_ends(roles: StartRole, tmp_path: Path) -> None:
    """16,384 spans with content that nobody has sent yet when the script ends: the collector has taken each of them."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    roles(
        "sightline-collector",
        "serve",
        env={
            "SIGHTLINE_COLLECTOR_HTTP_PORT": str(port),
            "SIGHTLINE_COLLECTOR_GRPC_PORT": str(free_port()),
            "SIGHTLINE_COLLECTOR_SPOOL_DIR": str(tmp_path / "spool"),
            "SIGHTLINE_COLLECTOR_STORE_URL": "http://127.0.0.1:9",  # what it takes it keeps; nothing is shipped here
            "SIGHTLINE_COLLECTOR_METRICS_INTERVAL_S": "0",
        },
        health_url=f"{url}/healthz",
    )
    env = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "SIGHTLINE_"))},
        "OTEL_EXPORTER_OTLP_ENDPOINT": url,
        "OTEL_BSP_SCHEDULE_DELAY": "600000",  # nothing leaves before the exit
        "SIGHTLINE_EXIT_TIMEOUT_S": "60",
    }
    process = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(_PROCESS)],
        env=env,
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert json.loads(process.stdout) == [_QUEUE, 0]
    assert process.stderr == ""
    with urllib.request.urlopen(f"{url}/stats", timeout=10) as answer:
        stats = json.load(answer)
    assert stats["received_spans"] == _QUEUE
    assert stats["received_points"] > 0  # the metrics of these calls came too
