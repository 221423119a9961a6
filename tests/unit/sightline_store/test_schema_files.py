"""The shipped SQL: ordered, split, and spelled with the library's names."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

import pytest
import store_version_9

from sightline import semconv
from sightline_node.settings import NodeSettings
from sightline_store import ddl
from sightline_store.conventions import aliases, canonical, dialects
from sightline_store.ddl import Kind, references
from sightline_store.schema import declared
from sightline_store.settings import StoreSettings

CHECKSUMS = {
    10: "9764b6e7c5186f82",
    11: "afcb22ec5f5722fb",
    12: "f8f98c3601a85940",
    13: "4cd38fad44ad5068",
    14: "2275bf02a546104f",
    15: "45152ab74e1387b2",
    16: "7dcb06362be21baf",
    17: "523f9ca927ce4147",
    18: "7c6852934fb830dc",
    19: "13fc373c195dc338",
    20: "8d7c9a344c3501b4",
    21: "c47c03cf9f400f4e",
    22: "fc3aa54be1e723c0",
    23: "1633a4e6d48ace35",
    24: "bec35f8b500740c5",
    25: "f3dc76924d9059b4",
    26: "a0b6ceac4b895d80",
    27: "3809fcc2f9db4193",
    28: "dcca1b0cb355c837",
    29: "eef23ec39f294666",
    30: "07989a5799a8d568",
}


def test_migrations_are_numbered_without_gaps() -> None:
    """010, 011, … behind the baseline, and every statement may run again without effect."""
    migrations = declared.migrations()
    first = declared.OLDEST_VERSION + 1
    assert [migration.version for migration in migrations] == list(range(first, first + len(migrations)))
    for migration in migrations:
        assert migration.statements
        for statement in migration.statements:
            text = statement.render()
            if statement.kind is Kind.ALTER:
                parts = [
                    re.match(r"(MODIFY|REMOVE|(ADD|DROP|RENAME) \w+ IF (NOT )?EXISTS)", a.text)
                    for a in statement.alterations
                ]
                assert all(parts), text
            else:
                assert statement.condition in {"IF NOT EXISTS", "IF EXISTS"}, text


def test_migrations_that_were_released_are_not_edited() -> None:
    """The checksums of the files, as stores have recorded them: a change is a new file and a new line here."""
    assert {migration.version: migration.checksum for migration in declared.migrations()} == CHECKSUMS


def test_views_are_written_out_of_the_alias_table() -> None:
    """Each file is what `python -m sightline_store.conventions.canonical` writes, and none is left over."""
    texts = canonical.files()
    for name, text in texts.items():
        assert (canonical.FOLDER / name).read_text(encoding="utf-8") == text, name
    generated = {
        str(path.relative_to(canonical.FOLDER))
        for path in canonical.FOLDER.glob("**/*.sql")
        if "sightline_store.conventions.canonical" in path.read_text(encoding="utf-8").split("\n", 1)[0]
    }
    assert generated == set(texts)


def test_each_object_is_in_a_file_of_its_own_name() -> None:
    """Views, functions and Null tables, each behind what it needs; nothing that they name is missing."""
    objects = declared.objects()
    assert len(objects) >= 60
    made: set[str] = set(declared.tables())
    for name, statement in objects.items():
        needed = {*statement.sources(), statement.target, statement.like} - {""}
        assert needed <= made, name
        made.add(name)
    functions = {name for name, statement in objects.items() if statement.kind is Kind.FUNCTION}
    called = {call for statement in objects.values() for call in references.calls(statement.select + statement.lambda_)}
    assert {call for call in called if call.startswith("sightline")} <= functions


def test_materialized_views_keep_their_names() -> None:
    """Insert deduplication knows rows by them: renamed, a segment whose answer was lost would count twice."""
    former = [statement for migration in store_version_9.migrations() for statement in migration.statements]
    views = {item.name for item in map(ddl.parse, former) if item.kind is Kind.MATERIALIZED_VIEW}
    assert len(views) > 30
    assert views - set(declared.objects()) == set()


def test_functions_in_columns_of_stored_tables_do_not_change() -> None:
    """ClickHouse writes a function's body into a column's DEFAULT: a change needs a migration."""
    functions = [name for name, statement in declared.objects().items() if statement.kind is Kind.FUNCTION]
    used = {name for table in declared.tables().values() for name in table.calls(functions)}
    assert {name: declared.fingerprints()[name] for name in used} == {"sightlineRate": "30df398c2e714206"}


def test_a_comment_or_a_space_is_no_changed_file() -> None:
    """A store is refused for a changed statement, not for what is said about it."""
    text = "-- One row a call.\nCREATE TABLE calls\n(\n    -- ms\n    DurationMs Float64\n);\n"
    assert declared.checksum(text.replace("One row a call", "A call")) == declared.checksum(text)
    assert declared.checksum(text.replace("    -- ms\n", "")) == declared.checksum(text)
    assert declared.checksum(text.replace("Float64", "Float32")) != declared.checksum(text)


def test_a_changed_function_changes_the_views_that_call_it() -> None:
    """ClickHouse writes function bodies into a view: the fingerprint of `llm_calls_priced` covers all that it calls."""
    functions = [name for name, item in declared.objects().items() if item.kind is Kind.FUNCTION]
    view = declared.view("llm_calls_priced")
    assert {"sightlineCostUsd", "sightlineCallOnLine"} <= set(view.calls(functions))
    assert view.fingerprint() != declared.fingerprints()["llm_calls_priced"]


def test_attribute_names_in_sql_are_the_librarys() -> None:
    """Every quoted name of ours and of GenAI in sql/ stands in semconv.py, or in the alias table."""
    known = {value for value in vars(semconv).values() if isinstance(value, str)} | aliases.known_keys()
    known |= {value for values in dialects.KINDS.values() for value in values}
    folder = resources.files("sightline_store.sql")
    texts = [
        entry.read_text()
        for part in ("tables", "functions", "null_tables", "views", "queries")
        for entry in Path(str(folder.joinpath(part))).glob("**/*.sql")
    ]
    names = {name for text in texts for name in re.findall(r"'((?:gen_ai|sightline)\.[a-z0-9_.]+)'", text)}
    own_metrics = {name for name in names if name.startswith("sightline.collector.")}  # the collector names those
    assert names - known - own_metrics == set()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SIGHTLINE_STORE_URL", "127.0.0.1:8123"),
        ("SIGHTLINE_STORE_DATABASE", "a; drop"),
        ("SIGHTLINE_STORE_TIMEOUT_S", "soon"),
    ],
)
def test_store_settings_name_the_variable(name: str, value: str) -> None:
    """What cannot work is refused with the variable's name."""
    with pytest.raises(ValueError, match=name):
        StoreSettings.from_env({name: value})


@pytest.mark.parametrize(
    ("name", "value"), [("SIGHTLINE_STORE_PORT", "99999"), ("SIGHTLINE_STORE_MAX_MEMORY_BYTES", "5")]
)
def test_node_settings_name_the_variable(name: str, value: str) -> None:
    """The same for the embedded node."""
    with pytest.raises(ValueError, match=name):
        NodeSettings.from_env({name: value})
