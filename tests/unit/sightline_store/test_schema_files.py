"""The shipped SQL: ordered, split, and spelled with the library's names."""

from __future__ import annotations

import re
from importlib import resources

import pytest

from sightline import semconv
from sightline_node.settings import NodeSettings
from sightline_store.conventions import aliases, canonical, dialects
from sightline_store.schema import migrate
from sightline_store.settings import StoreSettings


def test_migrations_are_numbered_without_gaps() -> None:
    """001, 002, … and every file has statements that create, only if absent."""
    migrations = migrate.migrations()
    assert [migration.version for migration in migrations] == list(range(1, len(migrations) + 1))
    for migration in migrations:
        assert migration.statements
        for statement in migration.statements:
            assert re.match(r"CREATE .*IF NOT EXISTS", statement), statement[:80]


def test_views_are_written_out_of_the_alias_table() -> None:
    """sql/ddl/009_canonical.sql is what `python -m sightline_store.conventions.canonical` writes."""
    assert canonical.FILE.read_text(encoding="utf-8") == canonical.ddl()


def test_a_comment_put_better_is_no_changed_file() -> None:
    """A store is refused for a changed statement, not for what is said about it."""
    text = "-- One row a call.\nCREATE TABLE calls\n(\n    -- ms\n    DurationMs Float64\n);\n"
    assert migrate.checksum_of(text.replace("One row a call", "A call")) == migrate.checksum_of(text)
    assert migrate.checksum_of(text.replace("    -- ms\n", "")) == migrate.checksum_of(text)
    assert migrate.checksum_of(text.replace("Float64", "Float32")) != migrate.checksum_of(text)


def test_statements_are_split_at_line_ends_only() -> None:
    """A `;` inside a line or a comment line does not split."""
    assert migrate.split_statements("-- a; b\nSELECT ';';\n\n-- only a comment\n") == ["SELECT ';'"]


def test_attribute_names_in_sql_are_the_librarys() -> None:
    """Every quoted name of ours and of GenAI in sql/ stands in semconv.py, or in the alias table."""
    known = {value for value in vars(semconv).values() if isinstance(value, str)} | aliases.spellings()
    known |= {value for values in dialects.KINDS.values() for value in values}
    folder = resources.files("sightline_store.sql")
    texts = [
        entry.read_text()
        for part in ("ddl", "queries")
        for entry in folder.joinpath(part).iterdir()
        if entry.name.endswith(".sql")
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
