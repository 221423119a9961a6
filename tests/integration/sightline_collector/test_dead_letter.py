"""Dead letters can be listed, shown and given to the store again."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from otlp_spellings import KNOWN

from sightline_collector.errors import CollectorError
from sightline_collector.settings import CollectorSettings
from sightline_collector.shipping import dead_letter
from sightline_collector.spool import record
from sightline_store.client import Client
from sightline_store.settings import StoreSettings


def _run(settings: CollectorSettings, store: StoreSettings, *argv: str) -> None:
    parser = argparse.ArgumentParser()
    dead_letter.add_parser(parser.add_subparsers(dest="command"))
    dead_letter.run(parser.parse_args(["dead-letter", *argv]), settings, store)


def test_list_show_and_replay(
    emptied: Callable[..., Client], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A readable letter is stored and gone after a replay; an unreadable one stays, and says what it is."""
    settings, client = CollectorSettings(spool_dir=tmp_path), emptied()
    store = client.settings
    _run(settings, store, "list")
    assert "no dead letters" in capsys.readouterr().out
    request = ExportTraceServiceRequest()
    request.resource_spans.add().scope_spans.add().spans.add(trace_id=b"t" * 16, name="came back")
    folder = tmp_path / "dead-letter"
    folder.mkdir()
    for name, payload in (("traces-good", request.SerializeToString()), ("traces-bad", b"\x0a\x05\x12\x7fabc")):
        (folder / f"{name}.records").write_bytes(record.encode(payload))
        (folder / f"{name}.reason").write_text("could not be read\n")
    _run(settings, store, "list")
    listed = capsys.readouterr().out
    assert "traces-good.records" in listed
    assert "could not be read" in listed
    _run(settings, store, "show", "traces-good.records")
    assert 'name: "came back"' in capsys.readouterr().out
    _run(settings, store, "show", "traces-bad.records")
    assert "0a0512 7f616263" in capsys.readouterr().out
    _run(settings, store, "replay", "traces-good.records")
    assert [entry.name for entry in dead_letter.find(settings)] == ["traces-bad.records"]
    assert client.query_rows("SELECT SpanName FROM otel_traces") == [{"SpanName": "came back"}]
    with pytest.raises(CollectorError, match="still cannot read"):
        _run(settings, store, "replay", "traces-bad.records")
    (tmp_path / "quarantine").mkdir()
    (tmp_path / "quarantine" / "traces-x.1.seg").write_bytes(b"damaged")
    with pytest.raises(CollectorError, match="in the store already"):
        _run(settings, store, "replay", "traces-x.1.seg")
    with pytest.raises(CollectorError, match="dead-letter list"):
        _run(settings, store, "show", "nonsense")
    assert capsys.readouterr().out == "traces-good.records is stored\n"


def test_letter_of_an_earlier_version_is_written_anew(
    emptied: Callable[..., Client], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A request that ClickHouse cannot read as it stands, and protobuf can, is stored by a replay."""
    settings, client = CollectorSettings(spool_dir=tmp_path), emptied()
    folder = tmp_path / "dead-letter"
    folder.mkdir()
    (folder / "traces-odd.records").write_bytes(record.encode(KNOWN["value_text_and_number"][1]))
    _run(settings, client.settings, "replay", "traces-odd.records")
    assert capsys.readouterr().out == "traces-odd.records is stored\n"
    assert client.query_rows("SELECT SpanAttributes['k'] AS k FROM otel_traces") == [{"k": "7"}]
