"""`sightline-app load` against the app: what it counts, and what Ctrl-C leaves of a run."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sightline import semconv
from sightline.testing import Spans
from sightline_app.__main__ import main
from sightline_app.load.arrivals import read_trace
from sightline_app.settings import LimitSettings

Start = Callable[..., str]


def test_traffic_of_several_tenants_is_counted(
    serve: Start, spans: Spans, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every request is answered, of both tenants; a recorded run is sent again."""
    url, record = serve(), tmp_path / "run.tsv"
    command = ["load", "--url", url, "--rate", "20", "--requests", "12", "--json", "--tenants", "acme,globex"]
    assert main([*command, "--record", str(record)]) == 0
    out = capsys.readouterr().out
    told = json.loads(out.splitlines()[-1])
    assert (told["sent"], told["ok"]) == (12, 12)
    assert 0 < told["ttft_ms"]["p50"] <= told["total_ms"]["p50"]
    assert "12 requests in" in out
    requests = [
        dict(span.attributes or {}) for span in spans if (span.attributes or {}).get(semconv.STAGE) == "request"
    ]
    assert {each[semconv.TENANT_ID] for each in requests} == {"acme", "globex"}
    moments = read_trace(record)
    assert len(moments) == 12
    assert main(["load", "--url", url, "--trace", str(record), "--speed", "10", "--requests", "3", "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["ok"] == 3


def test_limit_is_told_from_failure(serve: Start, capsys: pytest.CaptureFixture[str]) -> None:
    """Requests beyond a tenant's rate are 429, and no errors."""
    url = serve(limits=LimitSettings(requests_per_minute=2))
    assert main(["load", "--url", url, "--rate", "50", "--requests", "6", "--tenants", "acme", "--json"]) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (told["ok"], told["429"], told["error"]) == (2, 4, 0)


def test_interrupted_run_ends_with_its_report(serve: Start, spans: Spans) -> None:
    """Ctrl-C: what ran is reported, and the exit code says that it was stopped."""
    script = Path(sys.executable).with_name("sightline-app")
    command = [script, "load", "--url", serve(), "--rate", "20", "--for", "600"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        deadline = time.monotonic() + 60
        while not any((span.attributes or {}).get(semconv.STAGE) == "request" for span in spans):
            assert time.monotonic() < deadline
            assert running.poll() is None
            time.sleep(0.02)
        running.send_signal(signal.SIGINT)
        out, _ = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "(stopped)" in out
    assert "TTFT, from when it was due" in out
