"""DDL for a sharded, replicated ClickHouse, made from the same declarations as an embedded store (`declared`).

Every table that stores rows becomes a Replicated one named NAME_local; the views hang off those, so rows are made where
they are stored. Under the official names stand Distributed tables, so readers and writers see the same names as on one
server. What belongs to a trace lies on one shard: `cityHash64(TraceId)`. The Null tables that take OTLP requests exist
on every server and write to its own shard's tables.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from sightline_store.ddl import Engine, Kind, Statement
from sightline_store.ddl.tokens import bare
from sightline_store.errors import StoreError
from sightline_store.quoting import quote_string
from sightline_store.schema import declared

EVERYWHERE = frozenset(
    {
        *("model_prices", "row_definitions", "leases", "settle_marks"),
        *("alert_events", "alert_deliveries", "alert_silences"),
    }
)
"""Tables that every server holds whole: what is small and joined by every question."""


def statements(cluster: str, database: str) -> list[str]:
    """Every statement, in order, for one session: each ON CLUSTER, names meant in `database`.

    Args:
        cluster: its name in the servers' remote_servers.
        database: of the tables.

    Raises:
        StoreError: a name is no plain identifier.
    """
    for name in (cluster, database):
        if not bare(name):
            raise StoreError(f"{name!r} is no plain name")
    made = [f"CREATE DATABASE IF NOT EXISTS {database} ON CLUSTER {cluster}", f"USE {database}"]
    for statement in declared.statements():
        made += [part.render() for part in _of(replace(statement, cluster=cluster), database)]
    return made


def sharding_key(table: Statement) -> str:
    """By what a table's rows are spread: by trace where they have one, else by what they are about."""
    columns = {column.name for column in table.columns}
    if "TraceId" in columns:
        return "cityHash64(TraceId)"
    if {"Attributes", "MetricName"} <= columns:
        return "cityHash64(ServiceName, MetricName, Attributes)"
    return "cityHash64(ServiceName)" if "ServiceName" in columns else "rand()"


def _of(statement: Statement, database: str) -> Iterator[Statement]:
    if statement.kind is Kind.MATERIALIZED_VIEW:
        # It reads the rows that its own server stores: it sees an inserted block, never a Distributed table.
        yield replace(statement, target=_local(statement.target)).with_sources(_local)
    elif not statement.is_stored_table:
        yield statement
    elif statement.name in EVERYWHERE:
        yield _replicated(statement, f"/clickhouse/tables/{database}/{statement.name}")
    else:
        local = replace(statement, name=_local(statement.name))
        yield _replicated(local, f"/clickhouse/tables/{{shard}}/{database}/{local.name}")
        place = f"{quote_string(statement.cluster)}, {quote_string(database)}, {quote_string(local.name)}"
        yield Statement(
            Kind.TABLE,
            statement.name,
            cluster=statement.cluster,
            condition=statement.condition,
            like=local.name,
            engine=Engine("Distributed", f"{place}, {sharding_key(statement)}"),
        )


def _local(name: str) -> str:
    return f"{name}_local" if name in declared.tables() and name not in EVERYWHERE else name


def _replicated(table: Statement, path: str) -> Statement:
    """The same columns under a replicated engine, whose replays are recognised on every replica."""
    if table.engine is None:
        raise StoreError(f"the table {table.name} has no engine")
    arguments = ", ".join(part for part in (quote_string(path), "'{replica}'", table.engine.arguments) if part)
    settings = tuple(
        ("replicated_deduplication_window" if name == "non_replicated_deduplication_window" else name, value)
        for name, value in table.settings
    )
    return replace(table, engine=Engine(f"Replicated{table.engine.name}", arguments), settings=settings)
