"""Refuses a Kafka table on disk: chDB 4.4.0 cannot open a data folder again that contains one.

A database of ENGINE = Memory is not stored in the folder and may contain Kafka tables; `sightline-store kafka start`
uses one. This guards against a mistake of an admin, not against an attack.
"""

from __future__ import annotations

from itertools import islice

from sightline_node import sql_lexer
from sightline_node.execution.engine import Engine, Statement
from sightline_node.http.request import rejected
from sightline_store.quoting import quote_string

_CREATING = frozenset({"CREATE", "ATTACH", "REPLACE"})
_ENGINE = "Kafka"
_MAX_WORDS = 100_000
_NOT_A_NAME = frozenset({"IF", "NOT", "EXISTS"})


def check(statement: Statement, database: str, engine: Engine) -> None:
    """Refuse a statement that makes a Kafka table on disk. Blocks for a millisecond if it makes any.

    Args:
        statement: any.
        database: the one that unqualified names mean.
        engine: knows the engine of the database.

    Raises:
        QueryRejected: 400, it makes a Kafka table in a database that is kept on disk.
    """
    words = list(islice(sql_lexer.tokens(statement.sql), _MAX_WORDS))
    if not words or words[0].text.upper() not in _CREATING:
        return
    if not _has_kafka_engine(words) and not _is_as_kafka_table(words, database, engine):
        return
    place = _database(words) or database or "default"
    sql = "SELECT count() FROM system.databases WHERE engine != 'Memory' AND name = "
    if engine.query_value(sql + quote_string(place)) != "0":
        raise rejected(
            400,
            36,
            f"A Kafka table in the database {place} would keep the engine from opening this data folder again. Make it "
            f"in a database in memory (CREATE DATABASE {place}_kafka ENGINE = Memory), which a restart empties, as "
            "`sightline-store kafka start` does",
            "BAD_ARGUMENTS",
        )


def _has_kafka_engine(words: list[sql_lexer.Token]) -> bool:
    for at, token in enumerate(words):
        if token.kind == "word" and token.text.upper() == "ENGINE":
            rest = [word for word in words[at + 1 : at + 3] if word.text != "="]
            if rest and rest[0].text.strip('`"') == _ENGINE:
                return True
    return False


def _is_as_kafka_table(words: list[sql_lexer.Token], database: str, engine: Engine) -> bool:
    """Whether the table is made AS a Kafka table, without an ENGINE of its own."""
    for at, token in enumerate(words):
        if token.kind == "word" and token.text.upper() == "AS":
            place, name = _path(words, at + 1)
            sql = "SELECT count() FROM system.tables WHERE engine = 'Kafka' AND database = "
            sql += f"{quote_string(place or database or 'default')} AND name = {quote_string(name)}"
            if name and not any(word.text.upper() == "ENGINE" for word in words) and engine.query_value(sql) != "0":
                return True
    return False


def _database(words: list[sql_lexer.Token]) -> str:
    """The database in the name after TABLE or VIEW; '' for none."""
    at = next((n for n, word in enumerate(words) if word.text.upper() in {"TABLE", "VIEW"}), len(words)) + 1
    while at < len(words) and words[at].text.upper() in _NOT_A_NAME:
        at += 1
    return _path(words, at)[0]


def _path(words: list[sql_lexer.Token], at: int) -> tuple[str, str]:
    """Database and table of the name that begins at a word; '' for a part that is absent."""
    names = [word.text.strip('`"') if word.kind in {"word", "quoted"} else "" for word in words[at : at + 3]]
    if len(names) == 3 and words[at + 1].text == ".":
        return names[0], names[2]
    return "", names[0] if names else ""
