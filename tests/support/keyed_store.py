"""A node that asks for keys, with traffic in it, for what asks as a reader: MCP and Grafana."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import queries_traffic
import store_rows
from role_process import Role as Process
from role_process import free_port

from sightline_node.readers import keys
from sightline_node.readers.roles import Role
from sightline_store.client import Client
from sightline_store.schema import migrate
from sightline_store.settings import StoreSettings

END = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
HOURS = 2
REQUESTS = 150
_PATIENCE_S = 30.0


@dataclass
class KeyedStore:
    """A store and what was put into it."""

    url: str
    admin: Client
    reader_key: str
    traces: list[Any]
    data_dir: Path

    def insert(self, table: str, rows: list[dict[str, Any]]) -> None:
        """Insert rows by column name."""
        store_rows.insert(self.admin, table, rows)

    def reader(self) -> Client:
        """A client that only reads."""
        return Client(StoreSettings(url=self.url, password=self.reader_key))

    def limited_key(self, tenant: str = "", *, content: bool = True) -> str:
        """A new reader's key with limits, which the running node knows when this returns."""
        key = keys.create(self.data_dir, f"limited to {tenant or 'all'}", Role.READER, tenant=tenant, content=content)
        client, until_s = Client(StoreSettings(url=self.url, password=key)), time.monotonic() + _PATIENCE_S
        while not client.is_alive():
            assert time.monotonic() < until_s, "the node does not know a new key"
            time.sleep(0.1)
        client.close()
        return key

    def of_tenant(self, tenant: str) -> list[Any]:
        """The traces of a tenant."""
        return [trace for trace in self.traces if trace.spans[-1]["SpanAttributes"]["tenant.id"] == tenant]


@contextmanager
def filled_store(folder: Path) -> Iterator[KeyedStore]:
    """Start a node with an admin's and a reader's key, and put two hours of traffic into it."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    admin = keys.create(folder / "data", "collector", Role.ADMIN)
    reader = keys.create(folder / "data", "assistant", Role.READER)
    env = {"SIGHTLINE_STORE_PORT": str(port), "SIGHTLINE_STORE_DATA_DIR": str(folder / "data")}
    process = Process(["sightline-store", "serve"], env, f"{url}/ping", folder / "log")
    client = Client(StoreSettings(url=url, password=admin))
    try:
        process.start()
        migrate.apply(client)
        store = KeyedStore(url, client, reader, [], folder / "data")
        store.traces = list(queries_traffic.Generator(3).stretch(REQUESTS, END, timedelta(hours=HOURS)))
        store.insert("model_prices", queries_traffic.price_rows())
        store.insert("otel_traces", [span for trace in store.traces for span in trace.spans])
        store.insert("otel_logs", [score for trace in store.traces for score in trace.scores])
        yield store
    finally:
        client.close()
        process.stop()
