"""The Overview's cost, the bars below it and the Cost page tell the same money."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from convention_spans import START_NS, Spans, insert_into

from sightline_dashboards import spending
from sightline_store.client import Client
from sightline_store.prices import model_prices
from sightline_store.questions import queries
from sightline_store.questions.asking import Filters

START = datetime.fromtimestamp(START_NS / 1e9, UTC)


@pytest.fixture(scope="module")
def client(emptied: Callable[..., Client]) -> Client:
    """A client of tables with calls of models and of embedding models, some without a price."""
    client, spans = emptied(), Spans()
    for number in range(30):
        trace, minutes = 100 + number, number * 60_000.0
        tenant = {"tenant.id": f"t{number % 2}", "gen_ai.provider.name": "openai"}
        root = spans.add({"sightline.stage": "request", **tenant}, trace=trace, after_ms=minutes)
        for operation, model in (
            ("embeddings", "text-embedding-3-small"),
            ("embeddings", "our-embedding"),
            ("chat", ("gpt-4o-mini", "gpt-4o", "our-model")[number % 3]),
        ):
            tokens = {"gen_ai.usage.input_tokens": 1000 + 7 * number}
            if operation == "chat":
                tokens["gen_ai.usage.output_tokens"] = 100 + number
            attributes = {"gen_ai.operation.name": operation, "gen_ai.request.model": model, **tokens, **tenant}
            spans.add(attributes, trace=trace, parent=root, after_ms=minutes + 1, ms=5)
    insert_into(client)(spans.request.SerializeToString())
    model_prices.refresh(client)
    return client


@pytest.mark.parametrize("narrowed", [{}, {"tenant": "t1"}, {"model": "gpt-4o"}, {"model": "text-embedding-3-small"}])
def test_card_bars_and_tables_add_up(client: Client, narrowed: dict[str, str]) -> None:
    """In buckets or not: one sum, of which what has no price is no part."""
    filters = Filters(start=START, end=START + timedelta(hours=1), **narrowed)  # type: ignore[arg-type]
    bucket_s = filters.bucket_s(40)
    now = queries.overview(client, filters)
    embedded = queries.embedding_spend(client, filters, bucket_s=bucket_s)
    models = queries.spend_over_time(client, filters, bucket_s=bucket_s)
    spent = spending.spending(now, embedded)
    bars = [row["cost_usd"] for row in spending.over_time(models, embedded)]
    table = queries.spend_by(client, filters) + spending.embeddings_row(embedded)
    assert spent.usd is not None
    assert spending.known_sum(bars) == pytest.approx(spent.usd, rel=1e-9)
    assert spending.known_sum([row["cost_usd"] for row in table]) == pytest.approx(spent.usd, rel=1e-9)
    assert spent.unpriced_calls == sum(row["unpriced_calls"] for row in table)
    whole = queries.embedding_spend(client, filters)
    assert spending.spending(now, whole).usd == pytest.approx(spent.usd, rel=1e-9)
    assert [(row["name"], row["calls"]) for row in spending.by_name(embedded)] == [
        (row["name"], row["calls"]) for row in whole
    ]


def test_the_demos_summary_tells_the_same(client: Client) -> None:
    """Its cost is that of all calls."""
    filters = Filters(start=START, end=START + timedelta(hours=1))
    spent = spending.spending(queries.overview(client, filters), queries.embedding_spend(client, filters))
    assert spent.embedding_usd
    assert queries.demo_summary(client, START)["cost_usd"] == pytest.approx(spent.usd, rel=1e-9)
