"""What tokens cost: each provider and model name seen is looked up once and becomes dated rows of `model_prices`.

Prices come from the genai-prices package. SQL joins them when asked, so a corrected price re-prices history. A model
that nobody knows gets no row: its cost is NULL and shown as unknown.

Source: https://github.com/pydantic/genai-prices
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

from sightline_store.client import Client

_COLUMNS = [
    "PriceKey",
    "ValidFrom",
    "InputUsdPerMtok",
    "CacheReadUsdPerMtok",
    "CacheWriteUsdPerMtok",
    "OutputUsdPerMtok",
    "Source",
]
_SINCE_EVER = datetime(2000, 1, 1, tzinfo=UTC)


def refresh(client: Client) -> list[str]:
    """Add prices for the models seen that have none yet; return the keys that got one."""
    seen = client.query_rows(
        "SELECT DISTINCT PriceKey FROM llm_calls WHERE PriceKey NOT IN (SELECT PriceKey FROM model_prices)"
    )
    rows = [row for key in (str(r["PriceKey"]) for r in seen) for row in price_rows(key)]
    client.insert_rows("model_prices", _COLUMNS, rows)
    return sorted({str(row[0]) for row in rows})


def price_rows(key: str) -> list[list[Any]]:
    """Rows of `model_prices` for one provider/model; none where the model is unknown.

    Prices in USD per million tokens. Tiered prices are entered with their base tier. Prices that hold at certain
    times of day only are left out.
    """
    provider_id, _, model_ref = key.partition("/")
    if not provider_id or not model_ref:
        return []
    from genai_prices import data_snapshot  # noqa: PLC0415  (about 0.3 s and 30 MB: paid when a model is looked up)

    try:
        _, model = data_snapshot.get_snapshot().find_provider_model(model_ref, None, provider_id, None)
    except LookupError:
        return []
    prices = model.prices if isinstance(model.prices, list) else None
    if prices is None:
        return [_row(key, _SINCE_EVER, model.prices)]
    rows = []
    for conditional in prices:
        start = getattr(conditional.constraint, "start_date", None)
        if conditional.constraint is None or isinstance(start, date):
            valid_from = datetime.combine(start, time(), UTC) if start else _SINCE_EVER
            rows.append(_row(key, valid_from, conditional.prices))
    return rows


def _row(key: str, valid_from: datetime, price: Any) -> list[Any]:
    names: Iterable[str] = ("input_mtok", "cache_read_mtok", "cache_write_mtok", "output_mtok")
    return [key, valid_from, *(_base(getattr(price, name, None)) for name in names), "genai-prices"]


def _base(price: Any) -> float | None:
    base = getattr(price, "base", price)
    return float(base) if isinstance(base, Decimal | int | float) else None
