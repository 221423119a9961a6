"""What a tenant's key may read, as the engine's configuration and the check of a resolved tree have it."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from sightline_node.readers import engine_roles, resolved_tree
from sightline_node.readers.reader_functions import Functions
from sightline_node.readers.roles import Caller, Role
from sightline_store.errors import QueryRejected
from sightline_store.schema import declared, tenants


def test_every_table_has_a_policy_and_no_other_one_is_granted_to_a_tenant() -> None:
    """A table without a policy would show its rows, so a tenant's role may read none; nor may it read `otel.*`."""
    found = ElementTree.fromstring(engine_roles.users_xml(["otel", "my-db", "1st", "a.b"]))
    for database in ("otel", "my-db"):
        filtered = {table.tag for table in found.find(f"users/default/databases/{database}") or ()}
        assert filtered == set(declared.tables())
    assert all("NULL" not in (each.text or "") for each in found.iter("filter"))
    for role in ("sightline_tenant", "sightline_tenant_without_content"):
        grants = [each.text or "" for each in found.iterfind(f"roles/{role}/grants/query")]
        of_data = [grant for grant in grants if " ON `" in grant]
        tables = {grant.rpartition("`.`")[2].rstrip("`") for grant in of_data}
        assert declared.tables().keys() <= tables <= {*declared.tables(), *tenants.views()}
        assert not any("1st" in grant or "a.b" in grant for grant in grants)
        assert not any(grant.endswith(".*") for grant in grants if "SELECT" in grant)


def test_without_content_no_column_of_it_is_granted() -> None:
    """Neither by its table, nor by a view of it; all other columns are."""
    with_content, without = (tenants.grants("otel", content=content) for content in (True, False))
    assert "SELECT ON `otel`.`otel_traces`" in with_content
    (of_spans,) = [grant for grant in without if grant.endswith("`otel_traces`")]
    (of_scores,) = [grant for grant in without if grant.endswith("`scores`")]
    assert "`ResourceAttributes`" in of_spans
    assert "`Events.Name`" in of_spans
    assert "`TraceHash`" in of_scores
    for hidden in ("`SpanAttributes`", "`Events.Attributes`", "`Explanation`", "`Body`", "`LogAttributes`"):
        assert not any(hidden in grant for grant in without)
    assert len(with_content) == len(without) + len(tenants.CONTENT_VIEWS)


@pytest.mark.parametrize(
    ("table", "refused"),
    [
        ("system.tables", "total_rows"),
        ("system.columns", "data_compressed_bytes"),
        ("system.databases", "path"),
        ("system.parts", "name"),
        ("information_schema.tables", "table_name"),
        ("sightline_access.owned_traces_of_otel", "Tenant"),
    ],
)
def test_a_tenant_is_told_how_tables_are_made_and_not_how_large_they_are(table: str, refused: str) -> None:
    """A forged piece of the tree adds a name, so it cannot hide one."""
    functions = Functions(lambda *_: b"")  # no function is in these trees
    tree = f"COLUMN id: 1, alias: x, column_name: name, y, column_name: {refused}, source_id: 3\n"
    tree += f"TABLE id: 3, table_name: {table}\n"
    with pytest.raises(QueryRejected, match="not for the reader role"):
        resolved_tree.check(tree, functions, frozenset({"otel"}), lenient=False, of_tenant=True)
    named = "COLUMN id: 1, column_name: name, source_id: 3\nTABLE id: 3, table_name: system.tables\n"
    resolved_tree.check(named, functions, frozenset({"otel"}), lenient=False, of_tenant=True)


def test_two_callers_never_share_the_names_of_statements_and_sessions() -> None:
    """Whatever a tenant is called, and whether it reads content; no label needs an escape in the engine."""
    callers = [
        Caller(role, tenant, content)
        for role in Role
        for tenant in ("", "a", "b", "hidden", "a_hidden", "ü ' \\")
        for content in (True, False)
    ]
    labels = [caller.label for caller in callers]
    assert len(set(labels)) == len(labels)
    assert all(re.fullmatch(r"\w+", label, re.ASCII) for label in labels)
