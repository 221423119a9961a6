"""DDL for a sharded, replicated ClickHouse, made from the same `sql/ddl` files that an embedded store runs.

Every table that stores rows becomes a Replicated one named NAME_local; the views hang off those, so rows are made where
they are stored. Under the official names stand Distributed tables, so readers and writers see the same names as on one
server. What belongs to a trace lies on one shard: `cityHash64(TraceId)`. The Null tables that take OTLP requests exist
on every server and write to its own shard's tables.
"""

from __future__ import annotations

import re

from sightline_store.errors import StoreError
from sightline_store.schema import migrate

_TABLE = re.compile(r"CREATE TABLE IF NOT EXISTS (\w+)\s")
_VIEW = re.compile(r"CREATE MATERIALIZED VIEW IF NOT EXISTS (\w+) TO (\w+)\b")
_PLAIN_VIEW = re.compile(r"CREATE VIEW IF NOT EXISTS (\w+)\b")
_FUNCTION = re.compile(r"CREATE FUNCTION IF NOT EXISTS (\w+)\b")
_ENGINE = re.compile(r"\bENGINE = (\w*MergeTree)(\(([^)]*)\))?")
# What is small and joined by every question is whole on every server.
EVERYWHERE = frozenset({"model_prices", "sightline_schema"})
"""Tables that every server holds whole: what is small and joined by every question."""


def statements(cluster: str, database: str) -> list[str]:
    """Every statement, in order, for one session: each ON CLUSTER, names meant in `database`.

    Args:
        cluster: its name in the servers' remote_servers.
        database: of the tables.

    Raises:
        StoreError: a name is no plain identifier, or sql/ddl holds a statement that is not understood.
    """
    for name in (cluster, database):
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            raise StoreError(f"{name!r} is no plain name")
    ddl = [statement for migration in migrate.migrations() for statement in migration.statements]
    stored = {match[1] for text in ddl if (match := _TABLE.match(text)) and _ENGINE.search(text)}
    made = [f"CREATE DATABASE IF NOT EXISTS {database} ON CLUSTER {cluster}", f"USE {database}"]
    for text in ddl:
        made += _of(text, cluster, database, stored)
    return made


def sharding_key(statement: str) -> str:
    """By what a table's rows are spread: by trace where they tell one, else by what they are about."""
    columns = set(re.findall(r"^\s+`?(\w+)`? [A-Z]", statement, re.MULTILINE))
    if "TraceId" in columns:
        return "cityHash64(TraceId)"
    if "Attributes" in columns and "MetricName" in columns:
        return "cityHash64(ServiceName, MetricName, Attributes)"
    return "cityHash64(ServiceName)" if "ServiceName" in columns else "rand()"


def _of(text: str, cluster: str, database: str, stored: set[str]) -> list[str]:
    here = f" ON CLUSTER {cluster}"
    if match := _FUNCTION.match(text) or _PLAIN_VIEW.match(text):
        return [text.replace(match[1], f"{match[1]}{here}", 1)]
    if match := _VIEW.match(text):
        target = f"{match[2]}_local" if match[2] in stored - EVERYWHERE else match[2]
        select = _local_sources(text[match.end() :], stored)
        return [f"CREATE MATERIALIZED VIEW IF NOT EXISTS {match[1]}{here} TO {target}{select}"]
    if not (match := _TABLE.match(text)):
        raise StoreError(f"sql/ddl holds a statement that the cluster's DDL does not know: {text[:80]}")
    name, rest = match[1], text[match.end() - 1 :]
    if name not in stored:  # a Null table
        return [f"CREATE TABLE IF NOT EXISTS {name}{here}{rest}"]
    if name in EVERYWHERE:
        return [f"CREATE TABLE IF NOT EXISTS {name}{here}{_replicated(rest, f'/clickhouse/tables/{database}/{name}')}"]
    path = f"/clickhouse/tables/{{shard}}/{database}/{name}_local"
    return [
        f"CREATE TABLE IF NOT EXISTS {name}_local{here}{_replicated(rest, path)}",
        f"CREATE TABLE IF NOT EXISTS {name}{here} AS {name}_local\n"
        f"ENGINE = Distributed('{cluster}', '{database}', '{name}_local', {sharding_key(text)})",
    ]


def _replicated(definition: str, path: str) -> str:
    """The columns as they are, the engine replicated, its replays recognised on every replica."""
    definition = _ENGINE.sub(
        lambda m: f"ENGINE = Replicated{m[1]}('{path}', '{{replica}}'{', ' + m[3] if m[3] else ''})",
        definition,
        count=1,
    )
    return definition.replace("non_replicated_deduplication_window", "replicated_deduplication_window")


def _local_sources(select: str, stored: set[str]) -> str:
    """Let a view read the rows that its own server stores: it sees an inserted block, never a Distributed table."""
    return re.sub(
        r"\b(FROM|JOIN) (\w+)\b", lambda m: f"{m[1]} {m[2]}_local" if m[2] in stored - EVERYWHERE else m[0], select
    )
