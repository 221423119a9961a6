"""The shipped questions for people at a command line: their names, what they answer, and their parameters."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from importlib import resources
from typing import Any

from sightline_store.moments import sql_moment
from sightline_store.questions import asking, conditions, queries, search

_PLACE = re.compile(r"\{(\w+):((?:[^{}']|'[^']*')+)\}")
# The value of a parameter that is left out: the last day, all of the traffic.
_WINDOW = timedelta(days=1)
_DEFAULTS = {
    "tenant": "", "model": "", "route": "", "search": "", "sort": "time", "descending": "1", "only_errors": "0",
    "limit": "20", "offset": "0", "bucket_s": "3600", "max_requests": "10000", "by": "model", "name": "faithfulness",
    "since_s": "86400", "only_unscored": "1", "strategy": "stratified", "seed": "0", "topic_trace_ids": "",
    "content": "1", "service": "", "slower_than_ms": "1000", "duration": "ttft",
    "sampled_searches": str(queries.SAMPLED_SEARCHES),
    **{name: str(limit) for name, limit in conditions.limits().items()},
}  # fmt: skip


def names() -> list[str]:
    """Every question, by name: the path of its file below `sql/queries`, for example `spend_by` or `drift/size`."""
    with resources.as_file(resources.files("sightline_store.sql").joinpath("queries")) as folder:
        return sorted(file.relative_to(folder).with_suffix("").as_posix() for file in folder.rglob("*.sql"))


def text(name: str) -> str:
    """The SQL of a question; raises ValueError where there is none of that name."""
    if name not in names():
        raise ValueError(f"there is no question {name!r}: `sightline-store query` lists them")
    return asking.sql(name)


def places(sql: str) -> dict[str, str]:
    """Parameter to its ClickHouse type; `search` is a text of `questions/search.py`."""
    found = {match[1]: match[2].strip() for match in _PLACE.finditer(sql)}
    return found | ({"search": "Search"} if conditions.MARK in sql else {})


def listing() -> str:
    """One line a question: its name, what it answers, its parameters."""
    lines = []
    for name in names():
        sql = text(name)
        lines.append(f"{name:24} {sql.splitlines()[0].removeprefix('--').strip()}\n{'':24} {' '.join(places(sql))}\n")
    return "".join(lines)


def prepared(name: str, pairs: Iterable[str], now: datetime | None = None) -> tuple[str, dict[str, Any]]:
    """A question's SQL and its parameters: those given as NAME=VALUE, and a default for what was left out.

    Where a question takes several values (`Array`), they stand with commas between them.

    Raises:
        ValueError: no such question, a pair without `=`, a parameter that it does not take, or one that is left out and
            has no default.
    """
    sql = text(name)
    wanted = places(sql)
    given = {}
    for pair in pairs:
        key, sign, value = pair.partition("=")
        if not sign:
            raise ValueError(f"parameter {pair!r}: write NAME=VALUE")
        if key not in wanted:
            raise ValueError(f"{name} takes {', '.join(wanted) or 'no parameters'}, not {key}")
        given[key] = value
    end = now or datetime.now(UTC)
    start = sql_moment(end - _WINDOW)
    defaults = {**_DEFAULTS, "from": start, "since": start, "to": sql_moment(end)}
    params = {key: given.get(key, defaults.get(key)) for key in wanted}
    missing = [key for key, value in params.items() if value is None]
    if missing:
        raise ValueError(f"{name} needs {', '.join(missing)}: write --param {missing[0]}=VALUE")
    narrowed = conditions.condition(search.parse(str(params.pop("search", ""))))
    typed = {key: _typed(wanted[key], value) for key, value in params.items() if value is not None}
    return narrowed.put_into(sql), typed | narrowed.params


def _typed(kind: str, value: str) -> str | list[str] | list[int]:
    if not kind.startswith("Array("):
        return value
    items = [item.strip() for item in value.split(",") if item.strip()]
    return [int(item) for item in items] if "Int" in kind else items
