"""`sightline-store tenant-sql`: the statements that separate a tenant's rows on a ClickHouse server."""

from __future__ import annotations

import argparse
import sys

from sightline_roles.key_file import check_label
from sightline_store.quoting import quote_identifier, quote_string
from sightline_store.schema import tenants
from sightline_store.settings import StoreSettings

_HEAD = """\
-- Rows of tenant {tenant} for the role {role}: run this as a user who may do so, after `sightline-store migrate`.
-- A new version of the tables needs it again. Give the role to a user of its own:
--   CREATE USER acme IDENTIFIED BY '...' DEFAULT ROLE {role} SETTINGS readonly = 2;
--   GRANT {role} TO acme;
-- The server must let users without a policy read all rows (users_without_row_policies_can_read_rows, the default),
-- and should grant `system` explicitly (select_from_system_db_requires_grant), else sizes of tables are seen.
"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    command = commands.add_parser(
        "tenant-sql",
        help="print the row policies and grants of a tenant, for a ClickHouse server",
        description="Print the statements by which a ClickHouse server shows a role the rows of one tenant alone. "
        "With the embedded node `sightline-store key create --tenant NAME` does it.",
    )
    command.add_argument("--tenant", required=True, help="name of the tenant")
    command.add_argument("--role", help="name of the role; default: sightline_tenant_ and the tenant's name")
    command.add_argument("--no-content", action="store_true", help="without prompts, answers and passages")
    command.add_argument("--definer", default="default", help="a user who reads all rows of requests; default: default")
    command.set_defaults(run=_print)


def _print(args: argparse.Namespace) -> None:
    database = StoreSettings.from_env().database
    role = args.role or f"sightline_tenant_{args.tenant}"
    check_label("--tenant", args.tenant)
    check_label("--role", role)
    sys.stdout.write(_HEAD.format(tenant=args.tenant, role=quote_identifier(role)))
    found = statements(database, args.tenant, role, content=not args.no_content, definer=args.definer)
    sys.stdout.writelines(f"{statement};\n" for statement in found)


def statements(database: str, tenant: str, role: str, *, content: bool, definer: str) -> list[str]:
    """The statements, policies before grants: at no moment does the role read rows that are not the tenant's.

    Args:
        database: of the tables.
        tenant: its name.
        role: the role that is limited to it.
        content: whether the role reads what people and models wrote.
        definer: a user who may read all rows of `requests`.
    """
    name, value = quote_identifier(role), quote_string(tenant)
    own = f"own_traces_of_{tenant}_in_{database}"
    views = {
        own: tenants.own_traces(own, database, value, definer),
        (called := tenants.called_models(database)): tenants.access_views(database, definer)[called],
    }
    policies = (
        f"CREATE ROW POLICY OR REPLACE {name} ON {quote_identifier(database)}.{quote_identifier(table)} FOR SELECT "
        f"USING {tenants.condition(table, value, database, own)} TO {name}"
        for table in tenants.tables()
    )
    return [
        f"CREATE DATABASE IF NOT EXISTS {tenants.DATABASE}",
        *views.values(),
        f"CREATE ROLE IF NOT EXISTS {name}",
        f"REVOKE ALL ON *.* FROM {name}",
        *policies,
        *(f"GRANT {what} TO {name}" for what in tenants.grants(database, content=content)),
        *(f"GRANT SELECT ON {tenants.DATABASE}.{quote_identifier(view)} TO {name}" for view in views),
    ]
