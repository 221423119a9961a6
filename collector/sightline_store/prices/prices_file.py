"""A user's own prices: `SIGHTLINE_PRICES_FILE`, a CSV, TOML or JSON file that wins over the package.

One entry a price, with the same fields in each format; prices are USD per million tokens, what is left out is unknown
(cached tokens then cost what input costs):

    provider, model       names as spans have them, in any spelling; `*` and `?` match any text, any character
    from                  date (2026-06-01) or moment (2026-06-01T12:00:00Z) from which the price holds; left out: ever
    input, output, cache_read, cache_write, cache_write_1h, input_audio, output_audio, reasoning
    request               USD for each call
    above_input_tokens    the price holds for calls with more input tokens than this, beside the entry without it
    service_tier          flex, priority, batch, …; left out: the standard tier

CSV has the names in its first line; TOML has a `[[price]]` for each; JSON is a list of objects, or an object whose
`prices` is one. Calls before the first date of a file's entry keep the package's price.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from sightline_store.errors import PricesFileError
from sightline_store.moments import iso_moment
from sightline_store.prices.model_names import provider_id
from sightline_store.prices.price_book import SINCE_EVER, STANDARD_TIERS, Period, Rate, SpecialRate

_PRICES = tuple(field.name for field in fields(Rate))
_NAMES = ("provider", "model", "from", *_PRICES, "above_input_tokens", "service_tier")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One price of the file; see the module for its fields."""

    provider: str
    model: str
    service_tier: str
    valid_from: datetime
    above_input: int
    rate: Rate
    line: int


@dataclass(frozen=True)
class PricesFile:
    """The entries of a file, as they stand in it."""

    entries: tuple[Entry, ...]

    def periods(self, key: str, service_tier: str = "") -> tuple[Period, ...]:
        """Prices of `provider/model`, in order of time.

        An entry with the name itself wins over a pattern, a longer pattern over a shorter one.
        An entry without a service tier says nothing of calls in another tier.
        """
        provider, _, model = key.lower().partition("/")
        tier = _tier(service_tier)
        names = {provider, provider_id(provider)}
        matching = [
            entry
            for entry in self.entries
            if entry.service_tier == tier
            and (entry.provider in names or any(fnmatchcase(name, entry.provider) for name in names))
            and fnmatchcase(model, entry.model)
        ]
        if not matching:
            return ()
        best = max(map(_rank, matching))
        chosen = [entry for entry in matching if _rank(entry) == best]
        return tuple(_period(start, chosen) for start in sorted({entry.valid_from for entry in chosen}))


def parse(text: str, suffix: str, name: str = "prices file") -> PricesFile:
    """Read a file's text.

    Args:
        text: its content.
        suffix: `.csv`, `.toml` or `.json`.
        name: what to call it in errors.

    Raises:
        PricesFileError: with the line and the field that are wrong.
    """
    readers = {".csv": _csv, ".toml": _toml, ".json": _json}
    if suffix.lower() not in readers:
        raise PricesFileError(name, 0, "", f"its name ends in {suffix!r}; needs .csv, .toml or .json")
    entries: list[Entry] = []
    for line, raw in readers[suffix.lower()](text, name):
        entry = _entry(raw, line, name)
        identity = (entry.provider, entry.model, entry.service_tier, entry.valid_from, entry.above_input)
        for other in entries:
            if identity == (other.provider, other.model, other.service_tier, other.valid_from, other.above_input):
                raise PricesFileError(
                    name, line, "model", f"{entry.model} has the same price date in line {other.line}"
                )
        entries.append(entry)
    made = PricesFile(tuple(entries))
    for entry in entries:
        twin = (entry.provider, entry.model, entry.service_tier, entry.valid_from, -1)
        if entry.above_input >= 0 and not any(
            twin == (e.provider, e.model, e.service_tier, e.valid_from, e.above_input) for e in entries
        ):
            raise PricesFileError(
                name,
                entry.line,
                "above_input_tokens",
                "needs an entry for fewer tokens: the same one without this field",
            )
    return made


def read(path: Path) -> tuple[PricesFile, str]:
    """Read a file; returns its prices and its text. Raises PricesFileError, also where it can't be read."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as exc:
        raise PricesFileError(str(path), 0, "", f"SIGHTLINE_PRICES_FILE can't be read: {exc}") from exc
    return parse(text, path.suffix, str(path)), text


def _csv(text: str, name: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    rows = csv.reader(io.StringIO(text), strict=True)
    header: list[str] | None = None
    try:
        for row in rows:
            if not any(cell.strip() for cell in row) or row[0].lstrip().startswith("#"):
                continue
            cells = [cell.strip() for cell in row]
            if header is None:
                header = [cell.lower() for cell in cells]
                _check_names(header, rows.line_num, name)
            elif len(cells) != len(header):
                raise PricesFileError(name, rows.line_num, "", f"has {len(cells)} fields, the first line {len(header)}")
            else:
                yield rows.line_num, {field: cell for field, cell in zip(header, cells, strict=True) if cell}
    except csv.Error as exc:
        raise PricesFileError(name, rows.line_num, "", str(exc)) from exc
    if header is None:
        raise PricesFileError(name, 1, "", f"is empty; needs a first line such as {','.join(_NAMES[:5])}")


def _toml(text: str, name: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    try:
        # A Decimal of the text, so that 0.15 is 0.15.
        document = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as exc:
        line = re.search(r"at line (\d+)", str(exc))
        raise PricesFileError(name, int(line[1]) if line else 0, "", str(exc)) from exc
    listed = document.pop("price", [])
    if document or not isinstance(listed, list):
        raise PricesFileError(name, 1, next(iter(document), "price"), "is not known; prices are [[price]] tables")
    lines = [n for n, line in enumerate(text.splitlines(), 1) if re.match(r"\s*\[\[\s*price\s*\]\]", line)]
    lines += [0] * (len(listed) - len(lines))
    yield from zip(lines, listed, strict=False)


def _json(text: str, name: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    try:
        document = json.loads(text, parse_float=Decimal)
    except json.JSONDecodeError as exc:
        raise PricesFileError(name, exc.lineno, "", exc.msg) from exc
    listed = document.get("prices") if isinstance(document, dict) else document
    if not isinstance(listed, list):
        raise PricesFileError(name, 1, "prices", 'is not a list; needs [{"provider": …}, …] or {"prices": […]}')
    position, decoder = text.index("["), json.JSONDecoder()
    for raw in listed:
        position = re.compile(r"[\[,\s]*").match(text, position).end()  # type: ignore[union-attr]
        line = text.count("\n", 0, position) + 1
        _, position = decoder.raw_decode(text, position)
        yield line, raw


def _check_names(names: list[str], line: int, name: str) -> None:
    for field in names:
        if field not in _NAMES:
            raise PricesFileError(name, line, field, f"is not known; the fields are {', '.join(_NAMES)}")
    for field in ("provider", "model"):
        if field not in names:
            raise PricesFileError(name, line, field, "is missing")


def _entry(raw: Any, line: int, name: str) -> Entry:
    if not isinstance(raw, Mapping):
        raise PricesFileError(name, line, "", f"is {raw!r}; needs fields such as provider, model and input")
    _check_names(list(raw), line, name)
    for field in ("provider", "model", "service_tier"):
        if not isinstance(raw.get(field, ""), str):
            raise PricesFileError(name, line, field, f"is {raw[field]!r}; needs text")
    provider, model = str(raw["provider"]).strip().lower(), str(raw["model"]).strip().lower()
    for field, text in (("provider", provider), ("model", model)):
        if not text:
            raise PricesFileError(name, line, field, "is empty")
    rate = Rate(**{field: _price(raw.get(field), field, line, name) for field in _PRICES})
    if not rate.is_known:
        raise PricesFileError(name, line, "input", f"{provider}/{model} has no price at all")
    return Entry(
        provider=provider,
        model=model,
        service_tier=_tier(str(raw.get("service_tier", ""))),
        valid_from=_moment(raw.get("from"), line, name),
        above_input=_threshold(raw.get("above_input_tokens"), line, name),
        rate=rate,
        line=line,
    )


def _price(value: Any, field: str, line: int, name: str) -> Decimal | None:
    if value is None:
        return None
    try:
        price = Decimal(str(value)) if not isinstance(value, bool) else Decimal("NaN")
    except InvalidOperation:
        price = Decimal("NaN")
    if not price.is_finite() or price < 0 or not math.isfinite(float(price)):
        raise PricesFileError(name, line, field, f"is {str(value)!r}; needs USD, 0 or more, such as 2.50")
    return price


def _moment(value: Any, line: int, name: str) -> datetime:
    if value is None or value == "":
        return SINCE_EVER
    try:
        moment = iso_moment(value if isinstance(value, date) else str(value))
    except ValueError:
        raise PricesFileError(name, line, "from", f"is {value!r}; needs a date such as 2026-06-01") from None
    if not SINCE_EVER <= moment < datetime(2106, 1, 1, tzinfo=UTC):
        raise PricesFileError(name, line, "from", f"is {value!r}; needs a date between 1970 and 2105")
    return moment


def _threshold(value: Any, line: int, name: str) -> int:
    if value is None:
        return -1
    try:
        number = int(str(value))
    except ValueError:
        number = -1
    if isinstance(value, bool) or number < 0:
        raise PricesFileError(
            name, line, "above_input_tokens", f"is {value!r}; needs a number of tokens such as 200000"
        )
    return number


def _tier(name: str) -> str:
    tier = name.strip().lower()
    return "" if tier in STANDARD_TIERS else tier


def _rank(entry: Entry) -> tuple[int, int]:
    """How well an entry names what it prices: exactly, or by a pattern with so many letters."""
    pattern = f"{entry.provider}/{entry.model}"
    return int(not re.search(r"[*?\[]", pattern)), len(re.sub(r"[*?]", "", pattern))


def _period(start: datetime, entries: list[Entry]) -> Period:
    at_start = [entry for entry in entries if entry.valid_from == start]
    base = next(entry.rate for entry in at_start if entry.above_input < 0)
    above = sorted((entry for entry in at_start if entry.above_input >= 0), key=lambda e: -e.above_input)
    specials = tuple(SpecialRate(above_input=entry.above_input, rate=entry.rate) for entry in above)
    return Period(valid_from=start, rate=base, specials=specials, source="file")
