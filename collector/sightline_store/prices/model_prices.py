"""What tokens cost: each provider and model name that is called is looked up once and becomes rows of `model_prices`.

Prices come from the user's own file, else from the genai-prices package (`price_book`). SQL joins them
when asked (`llm_calls_priced`, `embeddings_priced`), so a corrected price re-prices history: when the package or the
file changes, every name is looked up again and its rows are replaced as a whole. Rows that were entered by hand (their
Basis is '') are left as they are. A model without a known price gets one row without prices: its cost is NULL and shown
as unknown.

`refresh(client)` looks up what is new, `listing(client)` has the prices of every name that was called.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from importlib import resources
from typing import Any

from sightline_store.client import Client
from sightline_store.prices import price_book, prices_file
from sightline_store.prices.price_book import Period, Rate
from sightline_store.prices.prices_file import PricesFile
from sightline_store.questions import queries

# Raised when the rules of look-up change: then every name is looked up again.
_RULES = 4
_RATE_FIELDS = (
    "input",
    "cache_read",
    "cache_write",
    "cache_write_1h",
    "input_audio",
    "output",
    "output_audio",
    "reasoning",
    "request",
)
_COLUMNS = [
    "PriceKey",
    "ServiceTier",
    "ValidFrom",
    "InputUsdPerMtok",
    "CacheReadUsdPerMtok",
    "CacheWriteUsdPerMtok",
    "CacheWrite1hUsdPerMtok",
    "InputAudioUsdPerMtok",
    "OutputUsdPerMtok",
    "OutputAudioUsdPerMtok",
    "ReasoningUsdPerMtok",
    "RequestUsd",
    "SecondUsd",
    "Rates",
    "PricedModel",
    "Note",
    "Source",
    "Basis",
    "UpdatedAt",
]
_UNKNOWN = Period(valid_from=price_book.SINCE_EVER, rate=Rate(), source="")


def refresh(client: Client) -> list[str]:
    """Look up the names without rows, and those whose rows were looked up in another package or file.

    Cheap where nothing is new: two small queries, and the package is not imported. Returns the keys that got a price.

    Raises:
        StoreError: the store is away or refuses.
        PricesFileError: the user's file can't be used; nothing is changed then.
    """
    own, basis = _own_prices(client)
    stored = {
        (str(row["PriceKey"]), str(row["ServiceTier"])): str(row["Basis"])
        for row in client.query_rows(_statement("price_basis"))
    }
    called = [(str(row["PriceKey"]), str(row["ServiceTier"])) for row in client.query_rows(_statement("called_names"))]
    names = [name for name in called if name not in stored]
    names += [name for name, stored_basis in stored.items() if stored_basis not in {"", basis}]
    now, rows, priced = datetime.now(UTC), [], set()
    for key, tier in names:
        name_rows = price_rows(key, tier, own=own, local_usd_per_s=client.settings.local_usd_per_s, basis=basis, at=now)
        rows += name_rows or [_row((key, tier), _UNKNOWN, ("", ""), (basis, now))]
        priced |= {key} if name_rows else set()
    client.insert_rows("model_prices", _COLUMNS, rows)
    return sorted(priced)


def price_rows(
    key: str,
    service_tier: str = "",
    *,
    own: PricesFile | None = None,
    local_usd_per_s: float = 0.0,
    basis: str = "",
    at: datetime | None = None,
) -> list[list[Any]]:
    """Rows of `model_prices` for one provider/model and service tier; none where no price is known.

    Args:
        key: provider and model as the typed tables have them.
        service_tier: '' for the standard one.
        own: prices that win over the package from their first date on.
        local_usd_per_s: what a second of a call costs that is computed on machines of one's own.
        basis: what they are looked up in.
        at: moment of the look-up; rows of the same moment hold together.
    """
    quote = price_book.quote(key, service_tier)
    own_periods = own.periods(key, service_tier) if own else ()
    package_periods = (
        period for period in quote.periods if not own_periods or period.valid_from < own_periods[0].valid_from
    )
    periods = (*package_periods, *own_periods)
    if not any(period.rate.is_known or period.specials for period in periods):
        return []
    moment = at or datetime.now(UTC)
    return [
        _row((key, service_tier), period, (quote.model or key, quote.note), (basis, moment), local_usd_per_s)
        for period in periods
    ]


def listing(client: Client) -> list[dict[str, Any]]:
    """Every name that was called and its price now, names without a price first.

    Columns: price_key, service_tier, known (bool), valid_from, input, cache_read, cache_write, output (USD per million
    tokens, None unknown), special_rates (number), priced_model, note, source, calls, last_seen.
    """
    return queries.price_list(client)


def _own_prices(client: Client) -> tuple[PricesFile | None, str]:
    basis = f"genai-prices {price_book.package_version()} r{_RULES}"
    if client.settings.local_usd_per_s:
        basis += f", {client.settings.local_usd_per_s:g} USD/s"
    path = client.settings.prices_file
    if path is None:
        return None, basis
    own, text = prices_file.read(path)
    return own, f"{basis} + {path.name} {hashlib.sha256(text.encode()).hexdigest()[:12]}"


def _row(
    key: tuple[str, str],
    period: Period,
    labels: tuple[str, str],
    look_up: tuple[str, datetime],
    local_usd_per_s: float = 0.0,
) -> list[Any]:
    """A row of `model_prices`; `labels` are PricedModel and Note, `look_up` is its Basis and moment."""
    second = local_usd_per_s if period.source == price_book.LOCAL else None
    specials = [
        (special.above_input, special.from_s, special.to_s, *_floats(special.rate)) for special in period.specials
    ]
    return [*key, period.valid_from, *_floats(period.rate), second, specials, *labels, period.source, *look_up]


def _floats(rate: Rate) -> Iterator[float | None]:
    values: Iterable[Decimal | None] = (getattr(rate, name) for name in _RATE_FIELDS)
    return (None if value is None else float(value) for value in values)


def _statement(name: str) -> str:
    return (resources.files("sightline_store.sql") / "prices" / f"{name}.sql").read_text(encoding="utf-8")
