"""A text into a `Statement`. Pure.

Reads what the schema's files hold and what ClickHouse prints as create_table_query. Anything else is refused, so a file
that this package would misread fails its tests instead of a store.

Source: https://clickhouse.com/docs/sql-reference/statements/create and .../alter
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sightline_store.ddl import references
from sightline_store.ddl.statement import Alteration, Column, Engine, Kind, Statement
from sightline_store.ddl.tokens import Token, commas, depths, split, tokens, without_comments
from sightline_store.errors import DdlError

_CLAUSES = {
    "ENGINE": "engine",
    "PARTITION BY": "partition_by",
    "PRIMARY KEY": "primary_key",
    "ORDER BY": "order_by",
    "SAMPLE BY": "sample_by",
    "TTL": "ttl",
    "SETTINGS": "settings",
    "COMMENT": "comment",
    "EMPTY": "empty",
    "TO": "target",
    "AS": "as",
    "DEFINER": "modifiers",
    "SQL SECURITY": "modifiers",
}
_BEHIND_A_TYPE = frozenset(
    {"DEFAULT", "MATERIALIZED", "ALIAS", "EPHEMERAL", "CODEC", "COMMENT", "TTL", "STATISTICS", "PRIMARY", "SETTINGS"}
)
_DEFAULTS = frozenset({"DEFAULT", "MATERIALIZED", "ALIAS", "EPHEMERAL"})
_NOT_COLUMNS = frozenset({"INDEX", "PROJECTION", "CONSTRAINT", "PRIMARY"})
_ACTIONS = (
    "ADD COLUMN", "DROP COLUMN", "MODIFY COLUMN", "RENAME COLUMN", "ADD INDEX", "DROP INDEX", "MODIFY SETTING",
    "MODIFY TTL", "REMOVE TTL", "MODIFY ORDER BY",
)  # fmt: skip


def parse(text: str) -> Statement:
    """Read one statement.

    Raises:
        DdlError: it is none of the statements that the schema is made of.
    """
    statements = split(text)
    if len(statements) != 1:
        raise DdlError(text, f"expected one statement, not {len(statements)}")
    try:
        return _Parser(without_comments(statements[0])).statement()
    except (IndexError, ValueError) as exc:
        raise DdlError(text, str(exc) or "it ends too early") from exc


def parse_all(text: str) -> list[Statement]:
    """Read the statements of a file.

    Raises:
        DdlError: one of them is none of those that the schema is made of.
    """
    return [parse(statement) for statement in split(text)]


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._all = list(tokens(text))
        self._at = 0

    def statement(self) -> Statement:
        if self._skip("ALTER TABLE"):
            return self._alter()
        if self._skip("DROP TABLE"):
            condition = "IF EXISTS" if self._skip("IF EXISTS") else ""
            database, name = self._path()
            return Statement(Kind.DROP, name, database, self._cluster(), condition)
        self._expect("CREATE")
        condition = "OR REPLACE" if self._skip("OR REPLACE") else ""
        kind = next((kind for kind in Kind if self._skip(kind.value)), None)
        if kind is None or kind in {Kind.ALTER, Kind.DROP}:
            raise ValueError(f"expected TABLE, MATERIALIZED VIEW, VIEW or FUNCTION, not {self._here().text}")
        if self._skip("IF NOT EXISTS"):
            condition = "IF NOT EXISTS"
        database, name = self._path()
        made: dict[str, object] = {"kind": kind, "name": name, "database": database, "condition": condition}
        if self._skip("UUID"):
            self._at += 1
        made["cluster"] = self._cluster()
        if kind is Kind.FUNCTION:
            self._expect("AS")
            return Statement(**made, lambda_=self._rest())  # type: ignore[arg-type]
        return self._create(made)

    def _create(self, made: dict[str, object]) -> Statement:
        clauses: dict[str, object] = {}
        while self._at < len(self._all):
            if self._here().text == "(":
                clauses |= self._columns(self._group())
                continue
            word = next((word for word in _CLAUSES if self._skip(word)), None)
            if word is None:
                raise ValueError(f"{self._here().text} is not understood here")
            field = _CLAUSES[word]
            if field == "as":
                clauses |= self._select_or_like()
            elif field == "target":
                clauses["target_database"], clauses["target"] = self._path()
            elif field == "empty":
                clauses["is_empty"] = True
            elif field == "modifiers":
                given = f"{word} {self._clause()}"
                clauses["modifiers"] = f"{clauses['modifiers']} {given}" if "modifiers" in clauses else given
            else:
                clauses[field] = _READ.get(field, str)(self._clause())
        return Statement(**made, **clauses)  # type: ignore[arg-type]

    def _select_or_like(self) -> dict[str, object]:
        """Another table's name, or the SELECT to the end of the statement but for a COMMENT."""
        if self._here().keyword not in {"SELECT", "WITH"} and self._here().text != "(":
            return {"like": self._path()[1]}
        end = len(self._all)
        if self._all[end - 2].keyword == "COMMENT" and self._all[end - 1].kind == "string":
            end -= 2
        found: dict[str, object] = {"select": self._text[self._here().start : self._all[end - 1].end]}
        if end < len(self._all):
            found["comment"] = _string(self._all[-1].text)
        self._at = len(self._all)
        return found

    def _columns(self, pieces: Sequence[Token]) -> dict[str, object]:
        columns, others = [], []
        for part in commas(pieces):
            if part[0].keyword in _NOT_COLUMNS and len(part) > 2:
                others.append(self._between(part))
            else:
                columns.append(self._column(part))
        return {"columns": tuple(columns), "indexes": tuple(others)}

    def _column(self, part: Sequence[Token]) -> Column:
        name, rest = part[0].name, part[1:]
        if not name:
            raise ValueError(f"expected a column's name, not {part[0].text}")
        ends = [at for at, (token, depth) in enumerate(depths(rest)) if depth == 0 and token.keyword in _BEHIND_A_TYPE]
        kind, behind = (rest[: ends[0]], rest[ends[0] :]) if ends else (rest, [])
        default = ""
        if behind and behind[0].keyword in _DEFAULTS:
            stop = ends[1] - ends[0] if len(ends) > 1 else len(behind)
            default, behind = self._between(behind[:stop]), behind[stop:]
        return Column(name, references.type_text(kind), default, self._between(behind))

    def _alter(self) -> Statement:
        condition = "IF EXISTS" if self._skip("IF EXISTS") else ""
        database, name = self._path()
        cluster = self._cluster()
        alterations: list[Alteration] = []
        groups: list[list[Token]] = []
        for part in commas(self._all[self._at :]):
            if groups and self._action(part) == "":  # a setting more: its comma is no command's
                groups[-1] += [Token("mark", ",", part[0].start, part[0].start), *part]
            else:
                groups.append(part)
        for group in groups:
            alterations.append(self._alteration(group))
        return Statement(Kind.ALTER, name, database, cluster, condition, alterations=tuple(alterations))

    def _action(self, part: Sequence[Token]) -> str:
        words = [token.keyword for token in part[:3]]
        return next((action for action in _ACTIONS if words[: len(action.split())] == action.split()), "")

    def _alteration(self, part: list[Token]) -> Alteration:
        action, text = self._action(part), self._between(part)
        if not action:
            raise ValueError(f"ALTER TABLE ... {text} is not understood: use {', '.join(_ACTIONS)}")
        rest = part[len(action.split()) :]
        words = [token.keyword for token in rest[:3]]
        if words[:2] == ["IF", "EXISTS"]:
            rest = rest[2:]
        elif words == ["IF", "NOT", "EXISTS"]:
            rest = rest[3:]
        if action in {"ADD COLUMN", "MODIFY COLUMN"}:
            after = ""
            if rest[-1].keyword == "FIRST":
                rest, after = rest[:-1], "FIRST"
            elif len(rest) > 2 and rest[-2].keyword == "AFTER":
                rest, after = rest[:-2], rest[-1].name
            return Alteration(action, text, column=self._column(rest), name=rest[0].name, after=after)
        if action == "RENAME COLUMN":
            return Alteration(action, text, name=rest[0].name, new_name=rest[2].name)
        if action in {"DROP COLUMN", "ADD INDEX", "DROP INDEX"}:
            return Alteration(action, text, name=rest[0].name)
        return Alteration(action, text)

    def _clause(self) -> str:
        """The text up to the next clause's keyword."""
        start = self._at
        for at, (_, depth) in enumerate(depths(self._all[start:]), start):
            if depth == 0 and at > start and self._is_clause(at):
                break
            self._at = at + 1
        return self._between(self._all[start : self._at])

    def _is_clause(self, at: int) -> bool:
        words = [token.keyword for token in self._all[at : at + 2]]
        return any(words[: len(word.split())] == word.split() for word in _CLAUSES)

    def _group(self) -> Sequence[Token]:
        """The tokens in the brackets that open here."""
        start = self._at
        for at, (token, depth) in enumerate(depths(self._all[start:]), start):
            if at > start and depth == 0 and token.text == ")":
                self._at = at + 1
                return self._all[start + 1 : at]
        raise ValueError("a bracket is not closed")

    def _cluster(self) -> str:
        if not self._skip("ON CLUSTER"):
            return ""
        self._at += 1
        return self._all[self._at - 1].name or self._all[self._at - 1].text.strip("'")

    def _path(self) -> tuple[str, str]:
        name = self._name()
        if self._at < len(self._all) and self._here().text == ".":
            self._at += 1
            return name, self._name()
        return "", name

    def _name(self) -> str:
        name = self._here().name
        if not name:
            raise ValueError(f"expected a name, not {self._here().text}")
        self._at += 1
        return name

    def _rest(self) -> str:
        start, self._at = self._at, len(self._all)
        return self._between(self._all[start:])

    def _between(self, pieces: Sequence[Token]) -> str:
        return self._text[pieces[0].start : pieces[-1].end] if pieces else ""

    def _here(self) -> Token:
        return self._all[self._at]

    def _skip(self, words: str) -> bool:
        wanted = words.split()
        if [token.keyword for token in self._all[self._at : self._at + len(wanted)]] != wanted:
            return False
        self._at += len(wanted)
        return True

    def _expect(self, words: str) -> None:
        if not self._skip(words):
            raise ValueError(f"expected {words}, not {self._here().text}")


def _engine(text: str) -> Engine:
    name, bracket, rest = text.lstrip("= ").partition("(")
    return Engine(name.strip().strip("`"), rest.rstrip()[:-1].strip() if bracket else "")


def _settings(text: str) -> tuple[tuple[str, str], ...]:
    return tuple(references.assignments(text))


def _string(text: str) -> str:
    return text[1:-1].replace("\\'", "'").replace("''", "'").replace("\\\\", "\\")


_READ: dict[str, Callable[[str], object]] = {"engine": _engine, "settings": _settings, "comment": _string}
