"""What tokens cost: each provider and model name seen is looked up once and becomes dated rows of `model_prices`.

Prices come from the user's own file, else from the genai-prices package (`price_book`). SQL joins them
when asked (`llm_calls_priced`, `embeddings_priced`), so a corrected price re-prices history: when the package or the
file changes, every name is looked up again and its rows are replaced as a whole. Rows that somebody entered by hand
(their Basis is '') are left as they are. A model that nobody knows gets one row without prices: its cost is NULL and
shown as unknown.

For a command line: `listing(client)` tells what is known and what is not, `refresh(client)` looks up what is new.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from importlib import resources
from typing import Any

from sightline_store.client import Client
from sightline_store.errors import PricesFileError
from sightline_store.prices import price_book, prices_file
from sightline_store.prices.price_book import Period, Rate
from sightline_store.prices.prices_file import PricesFile
from sightline_store.questions import queries

_log = logging.getLogger("sightline.prices")

# Raised when the rules of look-up change: then every name is looked up again.
_RULES = 2
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
    "Rates",
    "PricedModel",
    "Note",
    "Source",
    "Basis",
    "UpdatedAt",
]
_UNKNOWN = Period(valid_from=price_book.SINCE_EVER, rate=Rate(), source="")
_reported: set[str] = set()  # Errors of the file that were logged: once each.


def refresh(client: Client) -> list[str]:
    """Look up the names seen that are new, and all of them where the package or the file changed.

    Cheap where nothing is new: two small queries, and the package is not imported. Returns the keys that got a price.

    Raises:
        StoreError: the store is away or refuses.
        PricesFileError: the user's file can't be used; nothing is changed then, and it is logged once.
    """
    own, basis = _own_prices(client)
    known = {
        (str(row["PriceKey"]), str(row["ServiceTier"])): str(row["Basis"])
        for row in client.query_rows(_statement("prices_known"))
    }
    wanted = [(str(row["PriceKey"]), str(row["ServiceTier"])) for row in client.query_rows(_statement("prices_seen"))]
    wanted = [key for key in wanted if key not in known]
    wanted += [key for key, looked_up_in in known.items() if looked_up_in not in {"", basis}]
    now, rows, priced = datetime.now(UTC), [], set()
    for key, tier in wanted:
        made = price_rows(key, tier, own=own, basis=basis, at=now)
        rows += made or [_row((key, tier), _UNKNOWN, ("", ""), (basis, now))]
        priced |= {key} if made else set()
    client.insert_rows("model_prices", _COLUMNS, rows)
    return sorted(priced)


def price_rows(
    key: str, service_tier: str = "", *, own: PricesFile | None = None, basis: str = "", at: datetime | None = None
) -> list[list[Any]]:
    """Rows of `model_prices` for one provider/model and service tier; none where no price is known.

    Args:
        key: provider and model as spans tell them.
        service_tier: '' for the standard one.
        own: prices that win over the package from their first date on.
        basis: what they are looked up in.
        at: moment of the look-up; rows of the same moment hold together.
    """
    quote = price_book.quote(key, service_tier)
    mine = own.periods(key, service_tier) if own else ()
    periods = (*(each for each in quote.periods if not mine or each.valid_from < mine[0].valid_from), *mine)
    if not any(period.rate.is_known or period.specials for period in periods):
        return []
    moment = at or datetime.now(UTC)
    return [_row((key, service_tier), period, (quote.model or key, quote.note), (basis, moment)) for period in periods]


def listing(client: Client) -> list[dict[str, Any]]:
    """Every name seen and what is known of its price now, the unknown ones first.

    Columns: price_key, service_tier, known (bool), valid_from, input, cache_read, cache_write, output (USD per million
    tokens, None unknown), special_rates (number), priced_model, note, source, calls, last_seen.
    """
    return queries.price_list(client)


def check_file(client: Client) -> int:
    """Read SIGHTLINE_PRICES_FILE; returns the number of its entries, 0 without one. Raises PricesFileError."""
    path = client.settings.prices_file
    return 0 if path is None else len(prices_file.read(path)[0].entries)


def _own_prices(client: Client) -> tuple[PricesFile | None, str]:
    basis = f"genai-prices {price_book.package_version()} r{_RULES}"
    path = client.settings.prices_file
    if path is None:
        return None, basis
    try:
        own, text = prices_file.read(path)
    except PricesFileError as exc:
        if str(exc) not in _reported:
            _reported.add(str(exc))
            _log.error("prices stay as they are: %s", exc)
        raise
    return own, f"{basis} + {path.name} {hashlib.sha256(text.encode()).hexdigest()[:12]}"


def _row(key: tuple[str, str], period: Period, told: tuple[str, str], looked_up: tuple[str, datetime]) -> list[Any]:
    specials = [(each.above_input, each.from_s, each.to_s, *_floats(each.rate)) for each in period.specials]
    return [*key, period.valid_from, *_floats(period.rate), specials, *told, period.source, *looked_up]


def _floats(rate: Rate) -> Iterator[float | None]:
    values: Iterable[Decimal | None] = (getattr(rate, name) for name in _RATE_FIELDS)
    return (None if value is None else float(value) for value in values)


def _statement(name: str) -> str:
    return (resources.files("sightline_store.sql") / f"{name}.sql").read_text(encoding="utf-8")
