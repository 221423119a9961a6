"""Rows of a real store: put into it, and removed between tests that use the same tables."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from sightline_store.client import Client
from sightline_store.schema.state import VERSIONS, VIEW_IDS

_OF_THE_SCHEMA = (VERSIONS, VIEW_IDS, "row_definitions")


def insert(client: Client, table: str, rows: Iterable[Mapping[str, Any]]) -> None:
    """Insert rows by column name; what is left out has its default, and times may be of any format."""
    payload = "\n".join(json.dumps(row) for row in rows).encode()
    client.insert_raw(table, payload, "JSONEachRow", {"date_time_input_format": "best_effort"})


def remove_all(client: Client) -> None:
    """Remove all rows of a database but those about its schema; an INSERT that was seen before is taken again."""
    tables = client.query_rows(
        "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree' "
        "AND total_rows > 0 AND NOT has({kept:Array(String)}, name)",
        {"kept": list(_OF_THE_SCHEMA)},
    )
    for table in tables:
        client.command(f"TRUNCATE TABLE {table['name']} SYNC")
