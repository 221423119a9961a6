"""The lists of what a reader may use, and what the resolved tree is searched for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline_node.readers import engine_roles, resolved_tree, roles, statement_judge
from sightline_node.readers.reader_allowed import allowed
from sightline_node.readers.reader_functions import Functions
from sightline_store.errors import QueryRejected

_ENGINE = [
    {"name": "lower", "alias_to": "", "is_aggregate": 0, "case_insensitive": 1, "higher_order": 0},
    {"name": "lcase", "alias_to": "lower", "is_aggregate": 0, "case_insensitive": 1, "higher_order": 0},
    {"name": "sum", "alias_to": "", "is_aggregate": 1, "case_insensitive": 1, "higher_order": 0},
    {"name": "arrayMap", "alias_to": "", "is_aggregate": 0, "case_insensitive": 0, "higher_order": 1},
    {"name": "file", "alias_to": "", "is_aggregate": 0, "case_insensitive": 0, "higher_order": 0},
    {"name": "lowerFromTheFuture", "alias_to": "", "is_aggregate": 0, "case_insensitive": 0, "higher_order": 0},
]


def _ask(sql: str, _params: Mapping[str, str], _format: str) -> bytes:
    if "combinators" in sql:
        return b'{"name": "If"}\n{"name": "OrNull"}'
    if "SQLUserDefined" in sql:
        return b""
    return "\n".join(json.dumps(row) for row in _ENGINE).encode()


@pytest.fixture
def functions() -> Functions:
    """Of an engine that has six functions."""
    return Functions(_ask)


def test_a_function_that_nobody_decided_about_is_refused(functions: Functions) -> None:
    """A newer engine's function is closed until it stands in a list; aliases and combinators count as their base."""
    assert functions.verdict("lowerFromTheFuture") is False
    assert functions.verdict("file") is False
    assert functions.verdict("nobodys") is None
    for name in ("lower", "LOWER", "lcase", "sum", "sumIf", "sumOrNullIf", "lambda"):
        assert functions.verdict(name) is True, name


def test_bare_names_count_where_a_function_may_be_handed_over(functions: Functions) -> None:
    """Only closed names are of interest, and only to functions that take functions."""
    assert functions.is_closed_name("file")
    assert not functions.is_closed_name("lower")
    assert not functions.is_closed_name("a_column")
    assert functions.takes_functions("arrayMap")
    assert functions.takes_functions("a_lambda_of_the_statement")
    assert not functions.takes_functions("lower")


def test_every_list_has_reasons_and_leaves_out_what_reaches_out() -> None:
    """What reads files, addresses or other people's statements stands in no list."""
    lists = allowed()
    assert len(lists.functions) > 1000
    assert not lists.functions & {"file", "sleep", "hostName", "formatRow", "flameGraph", "getMacro", "aiGenerate"}
    assert not lists.table_functions & {"file", "url", "s3", "remote", "executable", "merge", "python", "input"}
    assert not lists.table_engines & {"File", "URL", "S3", "Kafka", "Distributed", "Merge", "MySQL", "Executable"}
    assert not lists.system_tables & {"processes", "query_log", "named_collections", "errors", "stack_trace"}
    assert not lists.output_formats & {"Protobuf", "Template", "CapnProto"}
    assert not {name for name in lists.settings if "schema_registry" in name or name.startswith("format_schema")}
    assert not lists.settings & {"input_format_values_interpret_expressions", "input_format_record_errors_file_path"}


def test_a_setting_of_a_driver_is_taken_and_an_unknown_one_refused() -> None:
    """async_insert changes nothing about a SELECT; a new setting may change anything."""
    assert roles.objection("async_insert", "1") == ""
    assert roles.objection("log_comment", "admin-x") != ""
    assert roles.objection("setting_from_the_future", "1") != ""


def test_readers_leave_a_quarter_of_the_engines_memory() -> None:
    """Two statements at once leave a quarter to INSERTs; none gets more than a GiB; aggregation goes to disk before."""
    limits = roles.reader_limits(2 * 1024**3)
    assert limits["max_memory_usage"] == str(768 * 1024**2)
    assert limits["max_bytes_before_external_group_by"] == limits["max_bytes_before_external_sort"]
    assert limits["max_bytes_before_external_sort"] == str(384 * 1024**2)
    assert roles.reader_limits(64 * 1024**3)["max_memory_usage"] == str(1024**3)


def test_users_xml_keeps_names_apart_from_grants() -> None:
    """A database's name cannot end its quotes, neither SQL's nor XML's."""
    text = engine_roles.users_xml(["a`b", "<c>&"])
    assert "GRANT SELECT, dictGet ON `a\\`b`.*" in text
    assert "`&lt;c&gt;&amp;`.*" in text
    ElementTree.fromstring(text)


_TREE = """QUERY id: 0
  PROJECTION
    LIST id: 1, nodes: 1
      FUNCTION id: 2, {alias}function_name: {name}, function_type: ordinary, result_type: String
  JOIN TREE
    TABLE id: 3, alias: __table1, table_name: {table}
"""
_DATABASES = frozenset({"otel"})


def test_a_resolved_tree_passes_or_names_what_is_closed(functions: Functions) -> None:
    """Functions, tables of other databases, closed tables of system and columns that tell the folder."""
    resolved_tree.check(_TREE.format(alias="", name="lower", table="otel.spans"), functions, _DATABASES, lenient=False)
    for name, table in (
        ("file", "otel.spans"),
        ("lowerFromTheFuture", "otel.spans"),
        ("lower", "other.spans"),
        ("lower", "`other`.`spans`"),
        ("lower", "system.processes"),
    ):
        with pytest.raises(QueryRejected):
            resolved_tree.check(_TREE.format(alias="", name=name, table=table), functions, _DATABASES, lenient=False)
    paths = _TREE.format(alias="", name="lower", table="system.tables") + "COLUMN id: 4, column_name: data_paths, x"
    with pytest.raises(QueryRejected, match="data_paths"):
        resolved_tree.check(paths, functions, _DATABASES, lenient=False)


@given(
    alias=st.lists(
        st.sampled_from(
            [
                "function_name: ",
                "lower",
                ", function_type: ",
                "ordinary",
                "\n",
                "FUNCTION id: 9, ",
                "table_name: otel.x",
                "x",
                ", ",
            ]
        ),
        max_size=12,
    ).map("".join)
)
def test_no_alias_hides_a_closed_function(alias: str) -> None:
    """Whatever its author writes in front of it, the real line is found."""
    tree = _TREE.format(alias=f"alias: {alias}, ", name="file", table="otel.spans")
    with pytest.raises(QueryRejected):
        resolved_tree.check(tree, Functions(_ask), _DATABASES, lenient=False)


def test_a_name_that_must_be_a_table_once_must_be_one() -> None:
    """After FROM it must be a table, behind IN it may be a column: the first holds, whichever comes last."""
    for order in ((True, False), (False, True)):
        findings = statement_judge.Findings({}, "otel")
        walk = statement_judge.Walk(findings, None, None)  # type: ignore[arg-type]  # neither is asked for a table
        for is_required in order:
            walk._table(["spans"], frozenset(), is_required=is_required)
        assert findings.tables == {("otel", "spans"): True}
