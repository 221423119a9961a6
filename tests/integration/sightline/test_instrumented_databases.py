"""SQL databases under ``instrument()``: SQLAlchemy on SQLite, the PostgreSQL drivers on a real server."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from client_peers import Postgres
from instrument_trial import CALLER, SECRET, needs, trial


@pytest.fixture(scope="module")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A PostgreSQL."""
    if Postgres.missing():
        pytest.skip(f"!!! SKIPPED: {Postgres.missing()}")
    with Postgres(tmp_path_factory.mktemp("postgres")) as server:
        yield server.url


def use_sqlalchemy() -> None:
    """Statements with parameters, and one that fails."""
    import sqlalchemy

    with sqlalchemy.create_engine("sqlite://").begin() as connection:
        connection.execute(sqlalchemy.text("create table notes (note text)"))
        connection.execute(sqlalchemy.text("insert into notes values (:note)"), {"note": SECRET})
        with contextlib.suppress(sqlalchemy.exc.OperationalError):
            connection.execute(sqlalchemy.text("select * from nowhere"))


@needs("sqlalchemy", "opentelemetry-instrumentation-sqlalchemy", below={"sqlalchemy": (2, 1)})
def test_sqlalchemy_statements_are_client_spans_of_the_caller() -> None:
    """The statement with its placeholders, never the values; a failed one is an error."""
    done = trial(use_sqlalchemy, "sqlalchemy")
    statements = [span for span in done.spans if "db.statement" in span.attributes]
    assert [(span.attributes["db.statement"].split()[0], span.kind, span.parent) for span in statements] == [
        ("create", "CLIENT", CALLER),
        ("insert", "CLIENT", CALLER),
        ("select", "CLIENT", CALLER),
    ]
    assert [span.status for span in statements] == ["UNSET", "UNSET", "ERROR"]


def use_psycopg(url: str) -> None:
    """One statement."""
    import psycopg

    with psycopg.connect(url) as connection:
        connection.execute("select %s::text", (SECRET,)).fetchall()


async def use_psycopg_async(url: str) -> None:
    """One statement."""
    import psycopg

    async with await psycopg.AsyncConnection.connect(url) as connection:
        await (await connection.execute("select %s::text", (SECRET,))).fetchall()


def use_psycopg2(url: str) -> None:
    """One statement."""
    import psycopg2

    connection = psycopg2.connect(url)
    with connection.cursor() as cursor:
        cursor.execute("select %s::text", (SECRET,))
    connection.close()


async def use_asyncpg(url: str) -> None:
    """One statement."""
    import asyncpg

    connection = await asyncpg.connect(url)
    await connection.fetch("select $1::text", SECRET)
    await connection.close()


@pytest.mark.parametrize(
    ("library", "act"),
    [
        pytest.param("psycopg", use_psycopg, marks=needs("psycopg", "opentelemetry-instrumentation-psycopg")),
        pytest.param("psycopg", use_psycopg_async, marks=needs("psycopg", "opentelemetry-instrumentation-psycopg")),
        pytest.param(
            "psycopg2", use_psycopg2, marks=needs("psycopg2-binary", "opentelemetry-instrumentation-psycopg2")
        ),
        pytest.param("asyncpg", use_asyncpg, marks=needs("asyncpg", "opentelemetry-instrumentation-asyncpg")),
    ],
)
def test_postgresql_statement_is_a_client_span_of_the_caller(
    library: str, act: Callable[..., Any], postgres_url: str
) -> None:
    """The statement with its placeholder, never the value."""
    (span,) = trial(act, library, told=(postgres_url,)).spans
    assert (span.name, span.kind, span.parent) == ("select", "CLIENT", CALLER)
    assert span.attributes["db.system"] == "postgresql"
    assert span.attributes["db.statement"] in ("select %s::text", "select $1::text")
