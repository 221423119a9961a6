# ruff: noqa: S608 - every piece of the SQL is this package's own; values travel as parameters.
"""Which conventions the stored spans use, and which keys of their generative spans nobody reads.

`sightline-store conventions` prints `Report.lines`, and the Pipeline page lists the keys. A generative span is one with
a convention or a kind; each of its attributes and events is read (`known_keys.py`), known to hold nothing that
Sightline shows, or listed. A frequent key in the list wants a line in `aliases.py` or `contents.py`; after that,
`sightline-store rebuild` brings a column into rows that are already there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sightline_store.conventions import aliases, canonical, dialects, known_keys
from sightline_store.conventions.columns import SPELLINGS_MAX
from sightline_store.moments import sql_moment
from sightline_store.questions.asking import Asks
from sightline_store.quoting import quote_string, string_array

_WEIGHT = (
    "if(SpanAttributes['sightline.sampling.weight'] = '', 1, "
    "toFloat64OrZero(SpanAttributes['sightline.sampling.weight']))"
)
"""How many spans a row stands for."""

_DECIDING_COLUMNS = ("stage", "operation", "kind", "entity", "vector_search", "system")
"""Columns without whose keys no span has a kind: see `canonical.canonical_select`."""

_KEYS = 10_000
"""The most different keys that are looked at."""


@dataclass(frozen=True)
class ConventionShare:
    """The spans of a convention; '' is spans of none, such as those of web servers."""

    convention: str
    spans: int
    share: float
    """Of all spans, 0 to 1."""


@dataclass(frozen=True)
class UnknownKey:
    """An attribute, or an event ("event NAME"), of generative spans that nobody reads. Numbers inside it are N."""

    key: str
    spans: int
    scopes: tuple[str, ...]
    """Names of the instrumentation scopes that write it, at most 4."""
    example: str
    """A value of it, at most 80 characters; '' for an event."""


@dataclass(frozen=True)
class Report:
    """The last `since_s` seconds."""

    since_s: int
    spans: int
    conventions: tuple[ConventionShare, ...]
    unknown: tuple[UnknownKey, ...]

    def lines(self) -> list[str]:
        """The report as text."""
        lines = [f"{self.spans} spans in the last {self.since_s / 3600:g} h"]
        lines += [f"  {part.share:7.1%}  {part.spans:10}  {part.convention or '(none)'}" for part in self.conventions]
        lines.append("keys that nobody reads:" if self.unknown else "every key is read")
        lines += [
            f"  {key.spans:10}  {key.key} = {key.example!r}  ({', '.join(scope or '?' for scope in key.scopes)})"
            for key in self.unknown
        ]
        return lines


def report(client: Asks, *, since_s: int = 86_400, limit: int = 50) -> Report:
    """Ask the stored spans of the last `since_s` seconds; `limit` is the most keys to list.

    Spans that were sampled out are counted by the weight of those that were kept.

    Raises:
        StoreUnavailable: try again.
    """
    window = "Timestamp >= now64(9) - toIntervalSecond({since_s:UInt64})"
    params = {"since_s": since_s}
    (total,) = client.query_rows(f"SELECT toUInt64(round(sum({_WEIGHT}))) AS n FROM otel_traces WHERE {window}", params)
    canonical_spans = canonical.canonical_select("otel_traces", window, extra_column="SpanAttributes")
    rows = client.query_rows(
        f"SELECT toString(Convention) AS convention, toUInt64(round(sum({_WEIGHT}))) AS n "
        f"FROM ({canonical_spans}) WHERE Convention != '' "
        "GROUP BY convention ORDER BY n DESC, convention",
        params,
    )
    spans = int(total["n"])
    counted = [(str(row["convention"]), int(row["n"])) for row in rows]
    without = spans - sum(n for _, n in counted)
    if without > 0:
        counted.append(("", without))
    return Report(
        since_s,
        spans,
        tuple(ConventionShare(convention, n, n / spans if spans else 0.0) for convention, n in counted),
        _unread(client, _generative(canonical_spans), params, limit),
    )


def unread_keys(
    client: Asks, start: datetime, end: datetime, *, limit: int = 20, max_spans: int = 20_000
) -> tuple[UnknownKey, ...]:
    """Return the keys that nobody reads among generative spans of a window, the most frequent ones first.

    At most `max_spans` such spans are looked at: those that the store comes to first.

    Raises:
        StoreUnavailable: try again.
    """
    window = "Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')}"
    canonical_spans = canonical.canonical_select(
        "otel_traces", f"{window} AND {_may_be_generative()}", extra_column="SpanAttributes"
    )
    params = {"from": sql_moment(start), "to": sql_moment(end), "max_spans": max_spans}
    return _unread(client, f"{_generative(canonical_spans)} LIMIT {{max_spans:UInt64}}", params, limit)


def _generative(canonical_spans: str) -> str:
    return f"SELECT ScopeName, SpanAttributes, EventNames FROM ({canonical_spans}) WHERE Convention != '' OR Kind != ''"


def _may_be_generative() -> str:
    """A cheap condition that every generative span fulfils, so that the others of a window are not made canonical."""
    ids = aliases.spelling_ids()
    deciding = {aliases.column_number(name) for name in _DECIDING_COLUMNS}
    keys = dict.fromkeys(key for key, id_ in ids.items() if id_ // SPELLINGS_MAX in deciding)
    keys |= dict.fromkeys(dialects.CONVENTIONS)
    scopes = quote_string(f"^({'|'.join(map(re.escape, dialects.SCOPES))})")
    return (
        f"(hasAny(mapKeys(SpanAttributes), {string_array(keys)}) OR match(ScopeName, {scopes}) "
        "OR arrayExists(key -> startsWith(key, 'gen_ai.'), mapKeys(SpanAttributes)))"
    )


def _unread(client: Asks, generative_spans: str, params: Mapping[str, object], limit: int) -> tuple[UnknownKey, ...]:
    """The keys of generative spans that `known_keys` does not know."""
    rows = client.query_rows(
        "SELECT replaceRegexpAll(key, '[.][0-9]+\\\\b', '.N') AS key_name, toUInt64(round(sum(weight))) AS spans, "
        "groupUniqArray(4)(scope) AS scopes, any(example) AS example FROM ("
        "SELECT toString(ScopeName) AS scope, "
        "arrayJoin(arrayDistinct(arrayConcat("
        "CAST(mapKeys(SpanAttributes), 'Array(String)'), "
        f"arrayMap(name -> concat('{known_keys.EVENT}', name), CAST(EventNames, 'Array(String)'))))) AS key, "
        f"left(SpanAttributes[key], 80) AS example, {_WEIGHT} AS weight "
        f"FROM ({generative_spans})) "
        f"GROUP BY key_name ORDER BY spans DESC, key_name LIMIT {_KEYS}",
        params,
    )
    unknown = [
        UnknownKey(str(row["key_name"]), int(row["spans"]), tuple(sorted(row["scopes"])), str(row["example"]))
        for row in rows
        if not known_keys.is_known(str(row["key_name"]))
    ]
    return tuple(unknown[:limit])
