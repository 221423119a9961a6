"""Which rows of each table are a tenant's, and which columns hold what people and models wrote.

ClickHouse's row policies are made of this: by the embedded node for its keys, and as statements for a server. A row is
a tenant's where it carries the tenant's name: the stamp that the collector puts on what comes with a tenant's key, else
what the application says. Three kinds of tables carry no name:

- scores, and the times of traces: a tenant sees those of the traces of which every request carries its name. Whoever
  knows an id can send a request into a foreign trace; the trace is then nobody's.
- prices: a tenant sees those of the models that it has called.
- all others tell of the whole store, and are empty for a tenant.

A table that this schema does not declare is closed. A new one with a column `Tenant` needs nothing here.

Source: https://clickhouse.com/docs/sql-reference/statements/create/row-policy
"""

# ruff: noqa: S608  (every name and value in these statements is quoted)

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache

from sightline_store.conventions import aliases
from sightline_store.ddl import Kind
from sightline_store.quoting import quote_identifier, quote_string
from sightline_store.schema import declared

DATABASE = "sightline_access"
"""Holds `access_views`, apart from the data."""

CONTENT_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "otel_traces": ("SpanAttributes", "Events.Attributes"),
    "otel_logs": ("Body", "LogAttributes"),
    "scores": ("Explanation",),
}
"""Columns that only who has the right to content may read, by table."""

CONTENT_VIEWS = frozenset({"span_contents"})
"""Views of nothing but content."""

_STAMP = "ResourceAttributes['sightline.tenant']"
_OF_METRICS = "otel_metrics_"
_RAW: Mapping[str, str] = {"otel_traces": "SpanAttributes", "otel_logs": "LogAttributes"}
_OF_TRACES: Mapping[str, str] = {"scores": "TraceHash", "otel_traces_trace_id_ts": "cityHash64(TraceId)"}
_NOTHING = "0"
_NO_LIMIT = 2**63


def condition(table: str, tenant: str, database: str, own_view: str = "") -> str:
    """The condition of the rows of a table that keeps rows.

    Args:
        table: its name.
        tenant: SQL of a constant String, the tenant's name.
        database: the table's.
        own_view: name in `DATABASE` of a view of `own_traces`; without it that of `owned_traces` is read.

    Raises:
        KeyError: the schema declares no such table.
    """
    # Of traces of several tenants too, whose scores and routes no tenant sees.
    if table in {"rollup_scores", "rollup_facts", "rollup_spending"}:
        return _NOTHING
    if "Tenant" in declared.tables()[table].stored_columns():
        return f"Tenant = {tenant}"
    if attributes := "Attributes" if table.startswith(_OF_METRICS) else _RAW.get(table):
        return f"{_named(attributes)} = {tenant}"
    if table in _OF_TRACES:
        return f"{_OF_TRACES[table]} IN ({_owned(tenant, database, own_view)})"
    if table == "model_prices":
        return f"PriceKey IN (SELECT PriceKey FROM {_path(DATABASE, called_models(database))})"
    return _NOTHING


def tables() -> list[str]:
    """The tables that keep rows."""
    return sorted(declared.tables())


@cache
def views() -> tuple[str, ...]:
    """The views that read these tables when they are asked, with the rights of who asks."""
    return tuple(sorted(name for name, statement in declared.objects().items() if statement.kind is Kind.VIEW))


def owned_traces(database: str) -> str:
    """The name in `DATABASE` of the view of the traces of which every request carries the same tenant."""
    return f"owned_traces_of_{database}"


def access_views(database: str, definer: str = "default") -> dict[str, str]:
    """Name to CREATE VIEW of what the conditions read, all in `DATABASE`.

    That of `owned_traces` reads the requests of all tenants with the rights of its definer, so it needs a row policy of
    its own; the others read with the rights of who asks. They name their columns, so the tables need not be there yet.

    Args:
        database: of the tables.
        definer: a user who may read all rows of `requests`.
    """
    requests, owner = _path(database, "requests"), f"DEFINER = {quote_identifier(definer)} SQL SECURITY DEFINER"
    selects = {
        owned_traces(database): (
            f"(TraceHash UInt64, Tenant String) {owner}",
            "SELECT TraceHash, any(Named) AS Tenant FROM (SELECT TraceHash, Tenant AS Named, cityHash64(Tenant) AS Hash"
            f" FROM {requests}) GROUP BY TraceHash HAVING min(Hash) = max(Hash)",
        ),
        _own_requests(database): (
            "(TraceHash UInt64) SQL SECURITY INVOKER",
            f"SELECT TraceHash FROM {requests}",
        ),
        called_models(database): (
            "(PriceKey String) SQL SECURITY INVOKER",
            f"SELECT DISTINCT PriceKey FROM {_path(database, 'llm_calls')} UNION ALL "
            f"SELECT DISTINCT PriceKey FROM {_path(database, 'embeddings')}",
        ),
    }
    return {
        name: f"CREATE VIEW IF NOT EXISTS {_path(DATABASE, name)} {head} AS {select}"
        for name, (head, select) in selects.items()
    }


def own_traces(name: str, database: str, tenant: str, definer: str) -> str:
    """CREATE VIEW of the traces that are one tenant's alone, which its users may read themselves.

    The LIMIT keeps a condition of theirs from being computed before those of the view, on rows that are not theirs.

    Args:
        name: of the view, in `DATABASE`.
        database: of the tables.
        tenant: SQL of a constant String, the tenant's name.
        definer: a user who may read all rows of `requests`.
    """
    requests = _path(database, "requests")
    others = f"SELECT TraceHash FROM {requests} WHERE Tenant != {tenant}"
    return (
        f"CREATE OR REPLACE VIEW {_path(DATABASE, name)} (TraceHash UInt64) "
        f"DEFINER = {quote_identifier(definer)} SQL SECURITY DEFINER AS "
        f"SELECT TraceHash FROM {requests} WHERE Tenant = {tenant} AND TraceHash NOT IN ({others}) "
        f"LIMIT {_NO_LIMIT}"
    )


def called_models(database: str) -> str:
    """The name in `DATABASE` of the view of the names of models that who asks has called."""
    return f"called_models_of_{database}"


def grants(database: str, *, content: bool) -> list[str]:
    """What may be granted on a database to somebody who sees a tenant's rows only: `SELECT ON ...`, one an entry.

    Args:
        database: the tables'.
        content: whether columns and views of content are among them.
    """
    found = []
    for table in tables():
        hidden = () if content else CONTENT_COLUMNS.get(table, ())
        columns = f"({_columns(table, hidden)})" if hidden else ""
        found.append(f"SELECT{columns} ON {_path(database, table)}")
    shown = (view for view in views() if content or view not in CONTENT_VIEWS)
    found += [f"SELECT ON {_path(database, view)}" for view in shown]
    return found


def hidden_content(database: str) -> list[str]:
    """What is to be revoked from who may read a whole database but no content: `SELECT(...) ON ...`, one an entry."""
    columns = [
        f"SELECT({', '.join(map(quote_identifier, names))}) ON {_path(database, table)}"
        for table, names in CONTENT_COLUMNS.items()
    ]
    return [*columns, *(f"SELECT ON {_path(database, view)}" for view in sorted(CONTENT_VIEWS))]


def _columns(table: str, hidden: Iterable[str]) -> str:
    """The columns of a table but those that are hidden."""
    statement = declared.tables()[table]
    names = dict.fromkeys([*statement.stored_columns(), *(column.name for column in statement.columns)])
    nested = {name.partition(".")[0] for name in statement.stored_columns() if "." in name}
    return ", ".join(quote_identifier(name) for name in names if name not in {*hidden, *nested})


def _named(attributes: str) -> str:
    """The tenant that a raw row names: its stamp, else the first of the spellings in its attributes."""
    spellings = aliases.COLUMNS["tenant"].spellings.values()
    said = "".join(f"{attributes}[{quote_string(key)}] != '', {attributes}[{quote_string(key)}], " for key in spellings)
    return f"multiIf({_STAMP} != '', {_STAMP}, {said}'')"


def _owned(tenant: str, database: str, own_view: str) -> str:
    """The traces that are the tenant's alone. Its own requests come first: there are fewer traces to compare then."""
    if own_view:
        return f"SELECT TraceHash FROM {_path(DATABASE, own_view)}"
    own = f"SELECT TraceHash FROM {_path(DATABASE, _own_requests(database))}"
    owned = _path(DATABASE, owned_traces(database))
    return f"SELECT TraceHash FROM {owned} WHERE Tenant = {tenant} AND TraceHash IN ({own})"


def _own_requests(database: str) -> str:
    return f"own_requests_of_{database}"


def _path(database: str, name: str) -> str:
    return f"{quote_identifier(database)}.{quote_identifier(name)}"
