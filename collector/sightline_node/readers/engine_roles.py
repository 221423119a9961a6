"""The engine's own users, roles and row policies: what a reader's statements reach if every check before them fails.

The engine has one user, `default`, and it takes roles from its configuration only, at its start. A reader's connection
says SET ROLE first. A row policy belongs to that user, so its condition asks for the role: constants that the engine
folds, so that a tenant's condition is all that is left of it, and finds rows by the primary key.

A tenant's name comes in a setting of the connection, which the engine's profile makes a constant: it is given when the
connection is opened, and neither SET nor SETTINGS changes it. It is `query_cache_tag`, which keeps answers apart where
the engine caches them; the name is in hex, since it may hold any character.

Source: https://clickhouse.com/docs/operations/access-rights and /docs/operations/settings/constraints-on-settings
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from xml.sax.saxutils import escape

from sightline_node.readers.reader_allowed import allowed
from sightline_node.readers.roles import Caller
from sightline_store.quoting import quote_identifier, quote_strings
from sightline_store.schema import tenants

USER = "default"
"""The engine's one user."""

TENANT_SETTING = "query_cache_tag"
"""The setting of a connection that holds the name of its tenant."""

_ADMIN, _READER, _TENANT = "sightline_admin", "sightline_reader", "sightline_tenant"
_HIDDEN = "_without_content"
_READERS = (_READER, _READER + _HIDDEN)
_TENANTS = (_TENANT, _TENANT + _HIDDEN)
_TENANT_NAME = f"unhex(getSetting('{TENANT_SETTING}'))"
_IN_XML = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*", re.ASCII)

_EVERY_READER = (
    "GRANT SHOW DATABASES ON default.*",  # the current database of a client that names none
    "GRANT CREATE TEMPORARY TABLE ON *.*",  # for external tables
)


def role(caller: Caller) -> str:
    """The engine's role that a reader's statements run in."""
    return (_TENANT if caller.tenant else _READER) + ("" if caller.content else _HIDDEN)


def connection_options(caller: Caller | None) -> tuple[str, ...]:
    """Options that a connection must be opened with; none for the node's own and for an admin's."""
    if caller is None or not caller.tenant:
        return ()
    return (f"{TENANT_SETTING}={caller.tenant.encode().hex()}",)


def tenant_databases(databases: Iterable[str]) -> list[str]:
    """Those databases whose rows can be separated: the engine's configuration cannot name every other one."""
    return [database for database in databases if _IN_XML.fullmatch(database)]


def users_xml(databases: Iterable[str]) -> str:
    """The engine's users, roles and row policies, as its configuration has them.

    Args:
        databases: those whose tables a reader may read.
    """
    names = list(databases)
    roles = {
        _ADMIN: ["GRANT ALL ON *.* WITH GRANT OPTION"],
        _READERS[0]: _readers_grants(names),
        _READERS[1]: [*_readers_grants(names), *_revoked_content(names)],
        _TENANTS[0]: _tenants_grants(names, content=True),
        _TENANTS[1]: _tenants_grants(names, content=False),
    }
    queries = {name: "".join(f"<query>{escape(grant)}</query>" for grant in grants) for name, grants in roles.items()}
    return (
        "<clickhouse><profiles><default><constraints>"
        f"<{TENANT_SETTING}><const/></{TENANT_SETTING}>"
        "</constraints></default></profiles><quotas><default/></quotas><roles>"
        + "".join(f"<{name}><grants>{text}</grants></{name}>" for name, text in queries.items())
        + f"</roles><users><{USER}><password/><networks><ip>::/0</ip></networks><profile>default</profile>"
        f"<quota>default</quota><grants><query>GRANT {', '.join(roles)}</query></grants>"
        f"<databases>{_policies(names)}</databases></{USER}></users></clickhouse>\n"
    )


def _readers_grants(databases: list[str]) -> list[str]:
    return [
        *(f"GRANT SELECT, dictGet ON {quote_identifier(database)}.*" for database in databases),
        *(f"GRANT SELECT ON system.{quote_identifier(name)}" for name in sorted(allowed().system_tables)),
        "GRANT SELECT ON information_schema.*",
        "GRANT SELECT ON INFORMATION_SCHEMA.*",
        *_every_readers_grants(databases),
    ]


def _revoked_content(databases: list[str]) -> list[str]:
    return [f"REVOKE {what}" for database in databases for what in tenants.hidden_content(database)]


def _tenants_grants(databases: list[str], *, content: bool) -> list[str]:
    of_data = (tenants.grants(database, content=content) for database in tenant_databases(databases))
    return [
        *(f"GRANT {what}" for granted in of_data for what in granted),
        *(f"GRANT SELECT ON system.{quote_identifier(name)}" for name in sorted(allowed().tenant_system_tables)),
        *_every_readers_grants(databases),
    ]


def _every_readers_grants(databases: list[str]) -> list[str]:
    views = (name for database in tenant_databases(databases) for name in tenants.access_views(database))
    return [*(f"GRANT SELECT ON {tenants.DATABASE}.{quote_identifier(name)}" for name in views), *_EVERY_READER]


def _policies(databases: list[str]) -> str:
    """The row policies: every table that keeps rows, and the views that read those of all tenants."""
    sees_all = f"hasAny(currentRoles(), [{quote_strings((_ADMIN, *_READERS))}])"

    def filtered(name: str, condition: str) -> str:
        named = f"notEmpty(getSetting('{TENANT_SETTING}'))"
        return f"<{name}><filter>{escape(f'{sees_all} OR ({named} AND ({condition}))')}</filter></{name}>"

    found = []
    for database in tenant_databases(databases):
        of_tables = (filtered(name, tenants.condition(name, _TENANT_NAME, database)) for name in tenants.tables())
        found.append(f"<{database}>{''.join(of_tables)}</{database}>")
    owned = (tenants.owned_traces(database) for database in tenant_databases(databases))
    of_views = "".join(filtered(name, f"Tenant = {_TENANT_NAME}") for name in owned)
    closed = sorted(allowed().system_tables - allowed().tenant_system_tables)
    of_system = "".join(filtered(name, "0") for name in closed)
    return f"{''.join(found)}<{tenants.DATABASE}>{of_views}</{tenants.DATABASE}><system>{of_system}</system>"
