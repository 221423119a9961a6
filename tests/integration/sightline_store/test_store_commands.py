"""`sightline-store` as people use it: questions, a shell on a pipe, and data that leaves and comes back the same."""

from __future__ import annotations

import base64
import io
import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import queries_traffic
from google.protobuf.json_format import Parse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from sightline_store import export, ingest, varint
from sightline_store.client import Client
from sightline_store.errors import StoreError

END = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
SCRIPT = str(Path(sys.executable).with_name("sightline-store"))


@pytest.fixture(scope="module")
def client(store_url: str, emptied: Callable[..., Client]) -> Client:
    """A client of tables with a little traffic."""
    client = emptied()
    traffic = list(queries_traffic.Generator(9).stretch(30, END, timedelta(hours=1)))
    spans = [span for trace in traffic for span in trace.spans]
    queries_traffic.insert(store_url, "otel_traces", spans, client.settings.database)
    return client


def _run(client: Client, *words: str, text: str = "") -> subprocess.CompletedProcess[str]:
    store = {"SIGHTLINE_STORE_URL": client.settings.url, "SIGHTLINE_STORE_DATABASE": client.settings.database}
    env = {**store, "PATH": "", "HOME": "/"}
    return subprocess.run(  # noqa: PLW1510  (the code is what is looked at)
        [SCRIPT, *words], input=text, env=env, capture_output=True, text=True, timeout=60
    )


def test_a_trace_leaves_as_otlp_and_comes_back_as_equal_rows(client: Client, emptied: Callable[..., Client]) -> None:
    """Every trace, exported as protobuf and as JSON, makes rows equal to its own when it is stored again."""
    back = emptied("emptied_second")
    ids = [row["TraceId"] for row in client.query_rows("SELECT DISTINCT TraceId FROM otel_traces ORDER BY TraceId")]
    payload = b""
    for number, trace_id in enumerate(ids):
        target = io.BytesIO()
        export.export_trace(client, trace_id, target, as_json=number % 2 == 1)
        message = target.getvalue() if number % 2 == 0 else _from_json(target.getvalue())
        payload += varint.encode(len(message)) + message
    ingest.insert_segment(back, ingest.Signal.TRACES, payload, "back")
    rows = "SELECT * FROM otel_traces ORDER BY TraceId, Timestamp, SpanId"
    assert len(ids) == 30
    assert back.query_rows(rows) == client.query_rows(rows)


def _from_json(text: bytes) -> bytes:
    """OTLP/JSON as any receiver reads it: ids are hexadecimal there and base64 in protobuf's own JSON."""

    def mended(value: object) -> object:
        if isinstance(value, dict):
            ids = {key for key in value if key.endswith(("traceId", "spanId", "SpanId"))}
            hex_read = {key: base64.b64encode(bytes.fromhex(value[key])).decode() for key in ids}
            return {key: hex_read.get(key) or mended(item) for key, item in value.items()}
        return [mended(item) for item in value] if isinstance(value, list) else value

    return Parse(json.dumps(mended(json.loads(text))), ExportTraceServiceRequest()).SerializeToString()


def test_a_trace_that_is_not_there_is_named(client: Client) -> None:
    """An unknown id is an error that names it."""
    with pytest.raises(StoreError, match=r"0{32}"):
        export.trace_request(client, "0" * 32)


def test_a_window_of_a_table_leaves_as_parquet(client: Client, tmp_path: Path) -> None:
    """The file holds the rows of the window and no others; a table without time refuses a window."""
    path, since = tmp_path / "requests.parquet", END - timedelta(minutes=30)
    size = export.write_whole(path, lambda file: export.export_table(client, "requests", file, since=since, until=END))
    (expected,) = client.query_rows(
        "SELECT count() AS n FROM requests "
        "WHERE Timestamp >= '2026-03-01 11:30:00' AND Timestamp < '2026-03-01 12:00:00'"
    )
    table = pq.read_table(path)
    assert path.stat().st_size == size
    assert table.num_rows == expected["n"] > 5
    with pytest.raises(StoreError, match="no column of time"):
        export.export_table(client, "sightline_schema", io.BytesIO(), since=since)


def test_a_large_table_leaves_in_small_row_groups(client: Client, tmp_path: Path) -> None:
    """A row group is in the store's memory as a whole: each is of a bounded number of rows, whatever the table has."""
    client.command("CREATE TABLE many (n UInt64, s String) ENGINE = MergeTree ORDER BY n")
    client.command("INSERT INTO many SELECT number, toString(number) FROM numbers(400000)")
    path = tmp_path / "many.parquet"
    export.write_whole(path, lambda file: export.export_table(client, "many", file))
    client.command("DROP TABLE many SYNC")
    with pq.ParquetFile(path) as file:
        groups = [file.metadata.row_group(number).num_rows for number in range(file.metadata.num_row_groups)]
    assert sum(groups) == 400_000
    assert max(groups) <= 150_000


def test_a_failed_export_leaves_no_file(client: Client, tmp_path: Path) -> None:
    """Half a file never stands under the name that was asked for."""
    path = tmp_path / "nothing.parquet"
    with pytest.raises(StoreError):
        export.write_whole(path, lambda file: export.export_table(client, "no_such_table", file))
    assert list(tmp_path.iterdir()) == []


def test_the_commands_answer(client: Client, tmp_path: Path) -> None:
    """query, export and shell, through the console script."""
    listed = _run(client, "query")
    assert "spend_by" in listed.stdout
    asked = _run(client, "query", "freshness", "--format", "json")
    assert json.loads(asked.stdout)["spans"] > 100
    wrong = _run(client, "query", "freshness", "--param", "nope=1")
    assert wrong.returncode == 1
    assert "takes no parameters" in wrong.stderr
    exported = _run(client, "export", "stages", "--format", "csv", "--to", str(tmp_path / "stages.csv"))
    assert exported.returncode == 0, exported.stderr
    assert (tmp_path / "stages.csv").read_text().startswith('"Timestamp"')


def test_the_shell_reads_a_pipe(client: Client) -> None:
    """Statements of a pipe are answered as tab-separated values; one that fails is told and makes the code 1."""
    good = _run(client, "shell", text="SELECT 1 AS a,\n 'x;y' AS b;\n-- a comment; with a semicolon\nSELECT 2 AS c")
    assert good.stdout == "a\tb\n1\tx;y\nc\n2\n"
    assert good.returncode == 0
    bad = _run(client, "shell", text="SELECT nonsense_column;\nSELECT 3;\n")
    assert "nonsense_column" in bad.stderr
    assert bad.stdout.endswith("3\n")
    assert bad.returncode == 1
