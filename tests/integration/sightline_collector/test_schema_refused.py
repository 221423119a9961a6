"""A store that this version cannot write to ends the collector with a sentence; what was acknowledged waits on disk."""

from __future__ import annotations

import contextlib
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from collector_role import start_collector
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from role_process import StartRole, free_port

from sightline_store.client import Client
from sightline_store.settings import StoreSettings


@pytest.fixture
def newer(emptied: Callable[..., Client]) -> Iterator[StoreSettings]:
    """A database whose tables a later version has made."""
    client = emptied()
    client.insert_rows("sightline_schema", ["version", "name", "checksum"], [[9999, "future", "0"]])
    yield client.settings
    client.command("ALTER TABLE sightline_schema DELETE WHERE version = 9999 SETTINGS mutations_sync = 1")


def test_collector_ends_where_the_store_is_newer(roles: StartRole, newer: StoreSettings, tmp_path: Path) -> None:
    """It accepts while the store is away; once the store answers that it is newer, it ends and says why."""
    settings = {"STORE_DATABASE": newer.database, "COLLECTOR_METRICS_INTERVAL_S": "0"}
    collector = start_collector(roles, tmp_path, f"http://127.0.0.1:{free_port()}", **settings)
    request = ExportTraceServiceRequest()
    request.resource_spans.add().scope_spans.add().spans.add(name="kept", trace_id=b"t" * 16, span_id=b"s" * 8)
    post = urllib.request.Request(
        f"{collector.url}/v1/traces", request.SerializeToString(), {"Content-Type": "application/x-protobuf"}
    )
    with urllib.request.urlopen(post, timeout=10) as answer:
        assert answer.status == 200
    collector.role.stop()
    collector.role.env["SIGHTLINE_STORE_URL"] = newer.url
    with contextlib.suppress(AssertionError):  # It may end before it is asked whether it is healthy.
        collector.role.start()
    process = collector.role.process
    assert process is not None
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert process.returncode == 2, collector.role.tail()
    last = collector.role.tail().splitlines()[-1]
    assert last.startswith("sightline-collector: "), last
    assert "9999" in last
    assert len(list((tmp_path / "spool" / "traces").glob("*.seg"))) == 1
