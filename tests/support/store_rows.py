"""Rows of a real store, removed between tests that use the same tables."""

from __future__ import annotations

from sightline_store.client import Client
from sightline_store.schema.state import VERSIONS, VIEW_IDS

_OF_THE_SCHEMA = (VERSIONS, VIEW_IDS, "row_definitions")


def remove_all(client: Client) -> None:
    """Remove all rows of a database but those about its schema; an INSERT that was seen before is taken again."""
    tables = client.query_rows(
        "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree' "
        "AND total_rows > 0 AND NOT has({kept:Array(String)}, name)",
        {"kept": list(_OF_THE_SCHEMA)},
    )
    for table in tables:
        client.command(f"TRUNCATE TABLE {table['name']} SYNC")
