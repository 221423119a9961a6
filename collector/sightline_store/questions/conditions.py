"""The terms of a search as a condition in SQL. Pure.

Each term is one text of `sql/parts/search`, with its places renamed and its operator exchanged; what the reader wrote
travels beside the statement as parameters and never becomes a part of it. Terms that columns answer come first; words
and attributes, which stand in raw spans only, are looked for in the newest `MAX_READ` requests that hold those, as far
as they are among the newest `MAX_BEHIND` of the window: as far as the search reaches. Behind its reach words are still
looked for in the names of sessions and users.

Of facts of requests (`rollups.facts`) the same terms are asked by other texts, those of `sql/parts/search/facts`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import cache
from importlib import resources
from textwrap import indent
from typing import Any, Final

from sightline_store.conventions import contents
from sightline_store.questions.search import SCORE, Kind, Term

MAX_READ: Final = 10_000
"""Requests whose raw spans a search reads at most."""
MAX_BEHIND: Final = 30_000
"""Newest requests of the window, of whatever tenant, among which those are."""

MARK: Final = "-- condition: search"
"""The line of a question at which its condition stands."""

_INCLUDE = re.compile(r"^( *)-- include: (\w+\.sql)\n", re.MULTILINE)
_MARK = re.compile(r"^( *)-- condition: (\w+)\n", re.MULTILINE)
_PLACE = re.compile(r"\{(value|key|number|spellings|bit):")
_OPERATOR = " > {number:"
_WHOLE_ID = re.compile(r"[0-9a-fA-F]{16,32}")
"""Words that can only be a trace id, for which no text is read."""
_PART_OF_ID = re.compile(r"[0-9a-fA-F]+")
"""Words with which a trace id may begin."""
_OF_FACTS = frozenset({"cost", "failed", "model", "score", "stage", "tokens"})
"""Terms that facts have columns of their own for."""
_READ = "bitTest(transform(TraceHash, search_hits.1, search_hits.2, toUInt16(0)), 0) "
"""Of a request that was read: what was not is not known to be without a word."""


@dataclass(frozen=True)
class Condition:
    """What a question about requests is narrowed to.

    Attributes:
        sql: to stand at the mark of `matching_requests.sql`; '' narrows to nothing.
        hits: to stand at the mark of a question's WITH; '' where no raw span is read.
        params: by the names of their places.
    """

    sql: str = ""
    hits: str = ""
    params: dict[str, Any] = field(default_factory=dict)

    def put_into(self, text: str) -> str:
        """A question with this condition at its marks."""
        return filled(text, {"search": self.sql, "hits": self.hits}) if self.sql else text


@cache
def sql_text(file: str) -> str:
    """A text below `sql`; instead of a line `-- include: FILE`, that file of `sql/parts`."""
    text = resources.files("sightline_store.sql").joinpath(file).read_text(encoding="utf-8")
    return _INCLUDE.sub(lambda match: indent(sql_text(f"parts/{match[2]}"), match[1]), text)


def filled(text: str, by_mark: dict[str, str]) -> str:
    """A text with others at their marks, each indented as its mark is."""

    def put(match: re.Match[str]) -> str:
        return indent(by_mark[match[2]], match[1]) if match[2] in by_mark else match[0]

    return _MARK.sub(put, text)


class Raw(Enum):
    """What is done about terms that stand in raw spans.

    READ looks for them, LEFT_OUT does without them, and BEHIND asks what is behind the reach of a search: whether they
    are a part of the name of the session or the user.
    """

    READ = "read"
    LEFT_OUT = "left out"
    BEHIND = "behind"


def condition(terms: Sequence[Term], *, raw: Raw = Raw.READ, of_facts: bool = False) -> Condition:
    """Return the condition that all terms hold.

    Args:
        terms: of `search.parse`.
        raw: what is done about terms that stand in raw spans. `BEHIND` only where `reaches_names`.
        of_facts: ask facts of requests. Only where `facts_have` the terms, and not with `READ` of such ones.
    """
    if of_facts:
        return _of_facts(terms, raw)
    params: dict[str, Any] = {}
    columns, spans, masks = "", "", ""
    numbered = list(enumerate(terms, start=1))
    few = "".join(f"AND {_placed('score', term, number, params)}" for number, term in numbered if _chooses_few(term))
    for number, term in numbered:
        if not reads_spans(term):
            part = _placed(_column_part(term), term, number, params)
            columns += f"AND {_not(term)}{filled(part, {'among': few})}"
        elif raw is not Raw.LEFT_OUT:
            ways = ["trace"] if may_begin_id(term) else []
            ways += [_names_part(term)] if term.kind is Kind.WORDS else []
            ways += ["found"] if raw is Raw.READ else []
            held = "OR ".join(_placed(way, term, number, params) for way in ways)
            held = f"({held})" if len(ways) > 1 else held
            if raw is Raw.BEHIND:
                columns += f"AND {held}"
                continue
            spans += f"AND {_READ}AND NOT {held}" if term.negated and term.kind is not Kind.COMPARES else f"AND {held}"
            masks += f"+ {1 << number} * {_placed(_mask_part(term), term, number, params)}"
    if not spans:
        return Condition(columns, "", params)
    hits = filled(_part("hits"), {"read": filled(_part("read_requests"), {"columns": columns}), "masks": masks})
    return Condition(columns + spans, hits, params | limits())


def _of_facts(terms: Sequence[Term], raw: Raw) -> Condition:
    params: dict[str, Any] = {}
    text = ""
    for number, term in enumerate(terms, start=1):
        if reads_spans(term):
            text += f"AND {_placed(_names_part(term), term, number, params)}" if raw is Raw.BEHIND else ""
            continue
        name = _column_part(term)
        part = _placed(f"facts/{name}" if name in _OF_FACTS else name, term, number, params)
        text += f"AND {_not(term)}{part}"
    return Condition(text, "", params)


def limits() -> dict[str, int]:
    """The parameters that say how far a search of raw spans reaches."""
    return {"max_read": MAX_READ, "max_behind": MAX_BEHIND}


def reads_spans(term: Term) -> bool:
    """Whether a term is looked for in raw spans."""
    return term.is_attribute or (term.kind is Kind.WORDS and not _WHOLE_ID.fullmatch(term.value))


def may_begin_id(term: Term) -> bool:
    """Whether trace ids are read for a term: they are hex digits, and long."""
    return term.kind is Kind.WORDS and bool(_PART_OF_ID.fullmatch(term.value))


def joins(terms: Iterable[Term]) -> bool:
    """Whether terms are looked up in other tables than that of requests, where facts have columns."""
    return any(not reads_spans(term) and _column_part(term) in _OF_FACTS - {"failed"} for term in terms)


def facts_have(terms: Iterable[Term]) -> bool:
    """Whether facts of requests tell of terms, or of none of them: they have no trace ids."""
    return not any(may_begin_id(term) or (term.kind is Kind.EQUALS and term.key == "trace") for term in terms)


def reaches_names(terms: Iterable[Term]) -> bool:
    """Whether a request may hold all terms behind the reach of a search: words alone, and wanted ones."""
    return all(term.kind is Kind.WORDS and not term.negated for term in terms if reads_spans(term))


def prefix_pattern(prefixes: Iterable[str]) -> str:
    """A regular expression of the attributes PREFIX.N…."""
    return "^(" + "|".join(re.escape(prefix) for prefix in prefixes) + r")\."


def _placed(name: str, term: Term, number: int, params: dict[str, Any]) -> str:
    """A part of `sql/parts/search` for one term; its parameters are added to `params`."""
    text = _part(name)
    if term.kind is Kind.COMPARES:
        text = text.replace(_OPERATOR, f" {term.wanted_operator} {{number:")
    values: dict[str, Any] = {
        "value": term.value, "key": term.key.removeprefix(SCORE), "number": term.number, "bit": number,
    }  # fmt: skip
    if "{spellings:" in text:
        values["spellings"] = _spellings(term.value)
        params |= {"text_keys": _text_keys(), "text_prefixes": _text_prefixes()}
    for place in dict.fromkeys(_PLACE.findall(text)):
        params[f"search_{number}_{place}"] = values[place]
    return _PLACE.sub(lambda match: f"{{search_{number}_{match[1]}:", text)


def _chooses_few(term: Term) -> bool:
    """Whether most traces do not hold a term: where one has to, what other tables tell is looked up of no others."""
    return term.kind is Kind.COMPARES and term.key.startswith(SCORE)


def _not(term: Term) -> str:
    return "NOT " if term.negated and term.kind is not Kind.COMPARES else ""


def _part(name: str) -> str:
    return sql_text(f"parts/search/{name}.sql")


def _column_part(term: Term) -> str:
    if term.kind is Kind.FAILED:
        return "failed"
    if term.kind is Kind.WORDS:
        return "trace"
    return "score" if term.key.startswith(SCORE) else term.key


def _names_part(term: Term) -> str:
    """Words in the names of sessions and users, in upper or lower case; ASCII is found without Unicode's rules."""
    return "ids_ascii" if term.value.isascii() else "ids"


def _mask_part(term: Term) -> str:
    if term.kind is Kind.WORDS:
        return "mask_words"
    return "mask_attribute" if term.kind is Kind.EQUALS else "mask_attribute_number"


def _spellings(words: str) -> list[str]:
    """The words as they stand in a text, and as they stand in a text that JSON holds."""
    return list(dict.fromkeys([words, *(json.dumps(words, ensure_ascii=escaped)[1:-1] for escaped in (False, True))]))


@cache
def _text_keys() -> list[str]:
    """Attributes with questions and answers, but for passages, tools and system instructions."""
    columns = ("Input", "Output", "Query", "Conversation")
    keys = dict.fromkeys(key for column in columns for key in contents.CONTENT[column] if ".0." not in key)
    return [key for key in keys if key != contents.DATABASE_QUERY and key not in contents.ANSWER_CALLS]


@cache
def _text_prefixes() -> str:
    """Regular expression of the attributes of messages with a number in their names."""
    return prefix_pattern([*contents.MESSAGE_PREFIXES["Input"], *contents.MESSAGE_PREFIXES["Output"]])
