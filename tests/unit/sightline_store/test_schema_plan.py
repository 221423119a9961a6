"""What an upgrade would change, by what a store has: pure."""

from __future__ import annotations

import dataclasses

import pytest
import store_version_9

from sightline_store.ddl import Kind
from sightline_store.errors import SchemaError
from sightline_store.schema import declared, definitions, plan
from sightline_store.schema.plan import Action
from sightline_store.schema.state import State, StoredObject

ENGINES = {Kind.VIEW: "View", Kind.MATERIALIZED_VIEW: "MaterializedView", Kind.TABLE: "Null"}
FUNCTIONS = {name: item.render() for name, item in declared.objects().items() if item.kind is Kind.FUNCTION}
NEWEST = declared.migrations()[-1].version


def _stored(name: str, engine: str, comment: str = "", rows: int = 0, create: str = "") -> StoredObject:
    return StoredObject(
        name, engine, "uuid", comment, rows, create or f"CREATE TABLE {name} (a String) ENGINE = {engine}"
    )


def _current(rows: int = 0) -> State:
    """A store as `migrate` leaves it."""
    objects = {name: _stored(name, "MergeTree", rows=rows) for name in declared.tables()}
    for name, item in declared.objects().items():
        if item.kind is not Kind.FUNCTION:
            objects[name] = _stored(name, ENGINES[item.kind], declared.mark(name))
    versions = {migration.version: migration.checksum for migration in declared.migrations()}
    return State(versions, objects, dict(FUNCTIONS))


def _with(state: State, *objects: StoredObject) -> State:
    return dataclasses.replace(state, objects=state.objects | {item.name: item for item in objects})


def _made(state: State) -> plan.Plan:
    return plan.make(state, FUNCTIONS)


def test_an_empty_store_gets_everything() -> None:
    """All migrations and objects, in an order that can be run; only what is absent is made."""
    made = _made(State({}, {}, {}))
    assert made.migrations == declared.migrations()
    assert [change.name for change in made.changes] == list(declared.objects())
    assert made.stops_inserts
    assert not made.has_rows
    assert len([line for line in made.lines() if line.startswith("--")]) == len(made.migrations) + len(made.changes)


def test_a_store_that_is_up_to_date_changes_nothing() -> None:
    """The plan is false and has no lines."""
    made = _made(_current(rows=5))
    assert not made
    assert made.lines() == []
    assert made.has_rows


def test_a_function_and_a_plain_view_are_replaced_while_rows_come() -> None:
    """They are replaced in one step each: no INSERT has to wait."""
    state = _with(_current(), _stored("span_contents", "View", "sightline 0000000000000000"))
    state.functions["sightlineCostUsd"] = "CREATE FUNCTION sightlineCostUsd AS x -> x"
    made = _made(state)
    assert [(change.action, change.name) for change in made.changes] == [
        (Action.REPLACE, "sightlineCostUsd"),
        (Action.REPLACE, "span_contents"),
    ]
    assert not made.stops_inserts


def test_what_nobody_declares_is_dropped_only_where_sightline_made_it() -> None:
    """A mark or a name of version 9; somebody's own views and tables stay, marked tables that keep rows too."""
    made = _made(
        _with(
            _current(),
            _stored("former", "View", "sightline 0000000000000000"),
            _stored("spans_seen", "Null"),
            _stored("own_view", "MaterializedView"),
            _stored("own_table", "Null"),
            _stored("marked_rows", "MergeTree", "sightline 0000000000000000", rows=1),
        )
    )
    assert {(change.action, change.name) for change in made.changes} == {
        (Action.DROP, "former"),
        (Action.DROP, "spans_seen"),
    }


def test_a_closed_table_is_opened_again() -> None:
    """An upgrade was interrupted: the plan says so, and INSERTs wait until it has gone on."""
    create = "CREATE TABLE otel.otlp_traces (a String, CONSTRAINT sightline_upgrade CHECK 0) ENGINE = `Null`"
    made = _made(_with(_current(), _stored("otlp_traces", "Null", "closed", create=create)))
    assert made.reopens == ("otlp_traces",)
    assert made.changes == ()
    assert made.stops_inserts
    assert made.lines() == ["-- open otlp_traces to INSERTs again: an upgrade was interrupted"]


def test_a_closed_null_table_that_is_declared_no_longer_is_dropped() -> None:
    """Also where an interrupted upgrade has closed it: then its comment says that, and not who made it."""
    create = "CREATE TABLE otel.former (a String, CONSTRAINT sightline_upgrade CHECK 0) ENGINE = `Null`"
    made = _made(_with(_current(), _stored("former", "Null", "closed", create=create)))
    assert [(change.action, change.name) for change in made.changes] == [(Action.DROP, "former")]


def test_rows_about_the_store_itself_are_no_data() -> None:
    """Claims of a janitor and notes of definitions are nothing that a snapshot would save; a price is."""
    notes = [_stored(name, "MergeTree", rows=3) for name in declared.BOOKKEEPING]
    assert not _made(_with(_current(), *notes)).has_rows
    assert _made(_with(_current(), *notes, _stored("model_prices", "MergeTree", rows=1))).has_rows


def test_a_rebuild_that_is_not_complete_is_in_the_plan() -> None:
    """By the table of its steps, which is there as long."""
    made = _made(_with(_current(), _stored(definitions.steps_table("llm_calls"), "MergeTree", rows=1)))
    assert made.rebuilding == ("llm_calls",)
    assert not made


def test_a_clusters_tables_are_left_alone() -> None:
    """`cluster-ddl` made them, with other targets: replacing views as on one server would lose rows."""
    made = _made(_with(State({}, {}, {}), _stored("otel_traces", "Distributed")))
    assert made.is_cluster
    assert not made


def test_a_table_in_the_place_of_a_view_is_refused() -> None:
    """It may hold somebody's rows."""
    with pytest.raises(
        SchemaError, match="has a table price_book with ENGINE = MergeTree where Sightline makes a view"
    ):
        _made(_with(_current(), _stored("price_book", "MergeTree")))


def test_a_store_whose_tables_are_stored_as_before_is_upgraded() -> None:
    """A migration's text from before is known by its checksum, and nothing is left to do for it."""
    current = {migration.version: migration.checksum for migration in declared.migrations()}
    for version, earlier in declared.EARLIER.items():
        assert current[version] not in earlier
        for checksum in earlier:
            assert plan.pending(current | {version: checksum}) == ()


def test_version_9_is_the_oldest_that_is_upgraded() -> None:
    """Its checksums are those of that version's own files; one version less, and one changed file, are refused."""
    nine = {migration.version: migration.checksum for migration in store_version_9.migrations()}
    assert nine == declared.BASELINE
    assert plan.pending(nine) == declared.migrations()
    with pytest.raises(SchemaError, match=r"version 8, and this Sightline upgrades from version 9 on: start the store"):
        plan.pending({version: checksum for version, checksum in nine.items() if version < 9})
    with pytest.raises(SchemaError, match="version 4 of the store's tables is not the one that Sightline published"):
        plan.pending(nine | {4: "0000000000000000"})
    with pytest.raises(SchemaError, match=rf"versions up to {NEWEST}: install the newer sightline-platform"):
        plan.pending(nine | {NEWEST + 1: "0000000000000000"})
    with pytest.raises(SchemaError, match=r"sql/tables/010_otel_traces\.sql was changed after it had been applied"):
        plan.pending(nine | {10: "0000000000000000"})
