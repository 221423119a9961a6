"""DDL statements as values: what is read, what is written again, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest
import store_version_9
from hypothesis import given
from hypothesis import strategies as st

from sightline_store import ddl
from sightline_store.ddl import Column, Engine, Kind, Statement
from sightline_store.errors import DdlError
from sightline_store.schema import declared

NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)
QUOTED_NAMES = st.one_of(NAMES, st.sampled_from(["Events.Name", "with space", "a-b", "back`quote"]))
TYPES = st.sampled_from(
    [
        "String", "UInt64", "LowCardinality(String)", "Map(LowCardinality(String), String)", "DateTime64(9)",
        "Array(Tuple(key String, value Tuple(kind Enum8('' = 0, 'a,b' = -1), text String)))", "Nullable(Float64)",
    ]
)  # fmt: skip
DEFAULTS = st.sampled_from(["", "DEFAULT now64(6)", "MATERIALIZED cityHash64(TraceId)", "ALIAS if(a, 'x, y', ')')"])
CODECS = st.sampled_from(["", "CODEC(Delta(8), ZSTD(1))", "COMMENT 'it''s, (odd'"])
COLUMNS = st.builds(Column, QUOTED_NAMES, TYPES, DEFAULTS, CODECS)
TABLES = st.builds(
    Statement,
    kind=st.just(Kind.TABLE),
    name=QUOTED_NAMES,
    database=st.one_of(st.just(""), NAMES),
    condition=st.sampled_from(["", "IF NOT EXISTS", "OR REPLACE"]),
    columns=st.lists(COLUMNS, min_size=1, max_size=4).map(tuple),
    indexes=st.sampled_from([(), ("INDEX i mapKeys(A) TYPE bloom_filter(0.01) GRANULARITY 1", "CONSTRAINT c CHECK 0")]),
    engine=st.sampled_from([Engine("MergeTree"), Engine("ReplacingMergeTree", "UpdatedAt"), Engine("Null")]),
    partition_by=st.sampled_from(["", "toDate(Timestamp)"]),
    order_by=st.sampled_from(["", "(ServiceName, toDateTime(Timestamp))", "version"]),
    ttl=st.sampled_from(["", "NotedAt + INTERVAL 1 DAY", "toDateTime(M) + toIntervalDay(9) GROUP BY S SET F = min(F)"]),
    settings=st.sampled_from([(), (("index_granularity", "8192"), ("storage_policy", "'a, b = c'"))]),
    comment=st.sampled_from([None, "", "sightline 0123", "it's (odd) -- ; \\"]),
)
SELECTS = st.sampled_from(
    [
        "SELECT a, count() AS n\nFROM t WHERE x = 'FROM u' GROUP BY a",
        "WITH (SELECT tuple(*) FROM book) AS b SELECT * FROM (SELECT 1 FROM t JOIN u USING (k))",
        "SELECT trim(BOTH '\"' FROM x) AS y FROM t ARRAY JOIN z",
    ]
)
VIEWS = st.builds(
    Statement,
    kind=st.sampled_from([Kind.VIEW, Kind.MATERIALIZED_VIEW]),
    name=NAMES,
    target=st.one_of(st.just(""), NAMES),
    select=SELECTS,
    comment=st.sampled_from([None, "sightline 0123"]),
)


@given(st.one_of(TABLES, VIEWS))
def test_what_is_written_is_read_as_the_same_statement(statement: Statement) -> None:
    """`parse` takes back all that `render` writes."""
    assert ddl.parse(statement.render()) == statement


@given(TABLES, st.sampled_from(["  ", "\n", " /* ; ' */ ", "\n-- a; comment (\n"]))
def test_comments_and_spaces_change_nothing(statement: Statement, space: str) -> None:
    """Neither what is read nor the fingerprint."""
    text = statement.render()
    spaced = text.replace("\nENGINE", f"{space}\nENGINE")
    assert ddl.parse(spaced) == statement
    assert ddl.parse(spaced).fingerprint() == statement.fingerprint()


@given(TABLES)
def test_the_fingerprint_follows_the_statement_and_not_its_comment(statement: Statement) -> None:
    """A column more is another fingerprint; another COMMENT is not."""
    more = replace(statement, columns=(*statement.columns, Column("one_more", "String")))
    assert more.fingerprint() != statement.fingerprint()
    assert replace(statement, comment="other").fingerprint() == statement.fingerprint()


@given(st.lists(TABLES, max_size=4))
def test_a_file_is_split_into_its_statements(statements: list[Statement]) -> None:
    """A `;` in a string or a comment ends none."""
    text = "".join(f"-- one; more\n{statement.render()};\n\n" for statement in statements)
    assert ddl.parse_all(text) == statements


def test_every_statement_of_this_version_and_of_version_9_is_read() -> None:
    """And is the same again when it is written."""
    texts = [statement for migration in store_version_9.migrations() for statement in migration.statements]
    texts += [statement.render() for statement in declared.statements()]
    assert len(texts) > 150
    for text in texts:
        statement = ddl.parse(text)
        assert ddl.parse(statement.render()) == statement


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("SELECT 1", "expected CREATE"),
        ("CREATE DICTIONARY d (a String)", "expected TABLE"),
        ("CREATE TABLE t (a String", "not closed"),
        ("CREATE TABLE t (a String) ENGINE = Null; DROP TABLE t", "one statement, not 2"),
        ("CREATE TABLE t (a String) NONSENSE", "NONSENSE is not understood"),
        ("ALTER TABLE t UPDATE a = 1 WHERE 1", "not understood"),
        ("CREATE TABLE 7 (a String)", "expected a name"),
        ("", "not 0"),
    ],
)
def test_what_is_not_understood_is_refused(text: str, reason: str) -> None:
    """No statement is taken for another one."""
    with pytest.raises(DdlError, match=reason):
        ddl.parse(text)


def test_what_a_store_prints_is_read() -> None:
    """create_table_query, with its quoted names, its UUID and its database."""
    view = ddl.parse(
        "CREATE MATERIALIZED VIEW otel.v UUID '00000000-0000-0000-0000-000000000001' TO otel.t (`a` String) "
        "DEFINER = `default` SQL SECURITY DEFINER COMMENT 'sightline 1' AS SELECT a FROM otel.s"
    )
    assert (view.name, view.target, view.sources(), view.comment) == ("v", "t", ["s"], "sightline 1")
    assert view.columns == (Column("a", "String"),)
    table = ddl.parse("CREATE TABLE otel.e (`x` UInt64, CONSTRAINT c CHECK 0) ENGINE = `Null` COMMENT 'k'")
    assert table.is_null_table
    assert table.indexes == ("CONSTRAINT c CHECK 0",)


def test_a_nested_column_is_one_array_a_field() -> None:
    """As system.columns has it."""
    table = ddl.parse(
        "CREATE TABLE t (Events Nested (At DateTime64(9), Attributes Map(LowCardinality(String), String)) "
        "CODEC(ZSTD(1)), On Boolean) ENGINE = MergeTree ORDER BY tuple()"
    )
    assert table.stored_columns() == {
        "Events.At": "Array(DateTime64(9))",
        "Events.Attributes": "Array(Map(LowCardinality(String), String))",
        "On": "Bool",
    }


def test_altered_tables_are_as_if_made_so() -> None:
    """Each command that a migration may hold changes the CREATE TABLE."""
    made = ddl.parse(
        "CREATE TABLE IF NOT EXISTS t (a String, b UInt8, INDEX i a TYPE minmax) ENGINE = MergeTree ORDER BY a "
        "TTL d + INTERVAL 1 DAY SETTINGS x = 1"
    )
    altered = ddl.tables_after(
        [
            made,
            ddl.parse("ALTER TABLE t ADD COLUMN IF NOT EXISTS c Float64 DEFAULT 1 AFTER a, DROP COLUMN IF EXISTS b"),
            ddl.parse(
                "ALTER TABLE t ADD COLUMN IF NOT EXISTS first String FIRST, ADD COLUMN IF NOT EXISTS last String"
            ),
            ddl.parse("ALTER TABLE t RENAME COLUMN IF EXISTS c TO d, MODIFY COLUMN d Nullable(Float64)"),
            ddl.parse("ALTER TABLE t ADD INDEX IF NOT EXISTS j d TYPE minmax, DROP INDEX IF EXISTS i"),
            ddl.parse("ALTER TABLE t MODIFY SETTING x = 2, y = 'a, b', MODIFY ORDER BY (a, d), REMOVE TTL"),
        ]
    )["t"]
    assert altered.render() == (
        "CREATE TABLE IF NOT EXISTS t\n(\n    first String,\n    a String,\n    d Nullable(Float64),\n"
        "    last String,\n    INDEX IF NOT EXISTS j d TYPE minmax\n)\n"
        "ENGINE = MergeTree\nORDER BY (a, d)\nSETTINGS x = 2, y = 'a, b'"
    )
    nested = ddl.parse("CREATE TABLE t (a Nested (x UInt8, y Array(String)) CODEC(LZ4)) ENGINE = MergeTree ORDER BY ()")
    modify = ddl.parse("ALTER TABLE t MODIFY COLUMN `a.y` Array(Array(String)) CODEC(Default)")
    assert [column.render() for column in ddl.tables_after([nested, modify])["t"].columns] == [
        "`a.x` Array(UInt8) CODEC(LZ4)",
        "`a.y` Array(Array(String)) CODEC(Default)",
    ]
    with pytest.raises(DdlError, match="no statement before makes the table"):
        ddl.tables_after([ddl.parse("ALTER TABLE t DROP COLUMN IF EXISTS a")])
    with pytest.raises(DdlError, match="which CREATE TABLE does not make"):
        ddl.tables_after([made, ddl.parse("ALTER TABLE t MODIFY COLUMN z String")])
    assert ddl.tables_after([made, ddl.parse("DROP TABLE IF EXISTS t")]) == {}
