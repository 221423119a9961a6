"""Traces of very many calls, as of an agent that ran for a day."""

import pytest
from convention_spans import empty

from sightline_store.client import Client

_MODEL = "'gen_ai.operation.name', 'chat', 'gen_ai.request.model', 'gpt-4o', 'gen_ai.usage.input_tokens', '10'"
_SEARCH = "'db.system.name', 'weaviate', 'db.operation.name', 'search', 'gen_ai.operation.name', 'retrieval'"


@pytest.mark.parametrize(("table", "attributes"), [("llm_calls", _MODEL), ("retrievals", _SEARCH)])
def test_calls_are_compared_with_their_neighbours_within_little_memory(
    client: Client, table: str, attributes: str
) -> None:
    """20,000 in one INSERT: each is compared with few, and what is compared is not copied for each neighbour."""
    empty(client)
    client.command(
        "INSERT INTO otel_traces (Timestamp, TraceId, SpanId, ParentSpanId, SpanName, ServiceName, ScopeName, "
        "Duration, SpanAttributes) "
        "SELECT fromUnixTimestamp64Nano(1780000000000000000 + number * 10000000), "
        "'f' || repeat('0', 31), lower(hex(number + 1)), lower(hex(intDiv(number, 8))), 'call', 'agent', 'scope', "
        f"5000000, map({attributes}) FROM numbers(20000) SETTINGS max_memory_usage = 1000000000, "
        "max_block_size = 65536, max_insert_threads = 1"
    )
    (row,) = client.query_rows(f"SELECT count() AS n FROM {table}")
    assert row["n"] > 0
