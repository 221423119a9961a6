"""What a window cost, of models and embeddings together."""

from typing import Any

import pytest

from sightline_dashboards import spending


def _row(bucket: int, name: str, usd: float | None, **more: Any) -> dict[str, Any]:
    told = {"calls": 2, "unpriced_calls": 0 if usd is not None else 2, "input_tokens": 10, "price_key": f"p/{name}"}
    return {"bucket": bucket, "name": name, "cost_usd": usd, "unknown_because": "no price is known", **told, **more}


EMBEDDED = [_row(0, "small", 0.25), _row(0, "house", None), _row(60, "small", 0.5), _row(120, "house", None)]


def test_unknown_parts_make_no_zero() -> None:
    """What is known is summed; where nothing is known the sum is unknown."""
    assert spending.known_sum([]) is None
    assert spending.known_sum([None, None]) is None
    assert spending.known_sum([None, 0.5, 0.0]) == 0.5
    assert spending.known_sum([0.0]) == 0.0


def test_embedding_models_are_one_series() -> None:
    """A bucket without a known price stays unknown, and the bars of one series sum to the row of a table."""
    models = [{"bucket": 0, "model_name": "m", "cost_usd": 1.0, "calls": 1}]
    rows = spending.over_time(models, EMBEDDED)
    assert [(row["bucket"], row["model_name"], row["cost_usd"]) for row in rows] == [
        (0, "m", 1.0),
        (0, "embeddings", 0.25),
        (60, "embeddings", 0.5),
        (120, "embeddings", None),
    ]
    (row,) = spending.embeddings_row(EMBEDDED)
    assert (row["cost_usd"], row["calls"], row["unpriced_calls"]) == (0.75, 8, 4)
    assert spending.embeddings_row([]) == []


def test_buckets_of_a_model_are_put_together() -> None:
    """The most expensive first; an unknown cost has its reason."""
    small, house = spending.by_name(EMBEDDED)
    assert (small["name"], small["cost_usd"], small["calls"], small["unpriced_calls"]) == ("small", 0.75, 4, 0)
    assert (house["name"], house["cost_usd"], house["input_tokens"]) == ("house", None, 20)
    assert (house["unknown_because"], house["price_key"]) == ("no price is known", "p/house")
    assert small["unknown_because"] == ""


@pytest.mark.parametrize("requests", [0, 4])
def test_no_requests_have_no_cost_each(requests: int) -> None:
    """Cost of a thousand requests is unknown without one."""
    spent = spending.Spending(
        requests=requests,
        model_calls=0,
        unpriced_model_calls=0,
        model_usd=None,
        embedding_calls=4,
        unpriced_embedding_calls=0,
        embedding_usd=0.5,
    )
    assert spent.usd == 0.5
    assert spent.usd_per_1k == (125.0 if requests else None)
    assert spent.unpriced_share == 0.0
