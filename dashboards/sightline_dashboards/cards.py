"""The cards of the pages: two windows in, cards out. Pure.

A change is coloured only where it is certain that it is for the better or the worse: scores and shares whose 95 %
intervals do not touch, times and cost from 5 % on where both windows have 100 requests or more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sightline_dashboards import formats
from sightline_dashboards.elements import Card
from sightline_dashboards.spending import Spending
from sightline_store.questions.estimates import Estimate, estimate
from sightline_store.questions.queries import Overview

_MIN_CHANGE = 0.05
_MIN_REQUESTS = 100

Rows = Sequence[Mapping[str, Any]]
Spark = Sequence[float | None]


def overview_cards(
    now: Overview,
    before: Overview,
    spent: tuple[Spending, Spending],
    loss: Rows,
    sparks: Mapping[str, Spark],
    *,
    since: str,
) -> list[Card]:
    """Return the overview's seven cards.

    Args:
        now: the window.
        before: the window of the same length before it.
        spent: what each of the two cost.
        loss: rows of `queries.loss`.
        sparks: values over the window by name: ttft, total, errors, cost, groundedness, faithfulness,
            retrieval_hit_at_5, spans.
        since: what the changes are against, in words.
    """
    enough_requests = min(now.requests, before.requests) >= _MIN_REQUESTS
    cards = [
        _card(
            "TTFT p95"
            if now.ttft_definition in ("", "delivered")
            else f"{formats.first_token_name(now.ttft_definition)} p95",
            formats.duration(now.ttft_p95_ms),
            "latency",
            # Times of two definitions have no difference.
            _lower_is_better(now.ttft_p95_ms, before.ttft_p95_ms, enough_requests)
            if now.ttft_definition == before.ttft_definition
            else None,
            f"p50 {formats.duration(now.ttft_p50_ms)}",
            spark=sparks["ttft"],
            hint=formats.first_token_note(now.ttft_definition, now.ttft_others).rstrip("."),
        ),
        _card(
            "Total p95",
            formats.duration(now.total_p95_ms),
            "latency",
            _lower_is_better(now.total_p95_ms, before.total_p95_ms, enough_requests),
            f"p50 {formats.duration(now.total_p50_ms)}",
            spark=sparks["total"],
        ),
        _card(
            "Errors",
            formats.share(now.error_rate),
            "traces",
            _error_change(now, before),
            formats.share_of(now.errors, now.requests),
            spark=sparks["errors"],
        ),
        _card(
            "Cost / 1k requests",
            formats.money(spent[0].usd_per_1k),
            "cost",
            _lower_is_better(spent[0].usd_per_1k, spent[1].usd_per_1k, enough_requests),
            _price_note(spent[0]),
            spark=sparks["cost"],
            hint=_cost_split(spent[0]),
        ),
        _groundedness_card(now, before, sparks),
        _score_card("Retrieval hit@5", "retrieval", now.hit_at_5, before.hit_at_5, spark=sparks["retrieval_hit_at_5"]),
    ]
    against = f"Change against {since}"
    cards = [replace(card, hint=f"{card.hint}. {against}" if card.hint else against) for card in cards]
    return [*cards, _lost_card(loss, sparks["spans"])]


def cost_cards(now: Overview, before: Overview, spent: tuple[Spending, Spending]) -> list[Card]:
    """Return the cost page's cards. More spending is neither good nor bad by itself; more a request is bad.

    Args:
        now: the window.
        before: the window of the same length before it.
        spent: what each of the two cost.
    """
    enough_requests = min(now.requests, before.requests) >= _MIN_REQUESTS
    volume_changes = {
        name: formats.change(getattr(now, name), getattr(before, name), better="unclear") for name in _VOLUMES
    }
    now_spent, before_spent = spent
    embeddings_note = f", {formats.count(now_spent.embedding_calls)} embeddings" if now_spent.embedding_calls else ""
    return [
        _card(
            "Known cost",
            formats.money(now_spent.usd),
            "cost",
            formats.change(now_spent.usd, before_spent.usd, better="unclear"),
            f"{formats.count(now_spent.model_calls)} model calls{embeddings_note}",
            hint=_cost_split(now_spent),
        ),
        _card(
            "Cost / 1k requests",
            formats.money(now_spent.usd_per_1k),
            "cost",
            _lower_is_better(now_spent.usd_per_1k, before_spent.usd_per_1k, enough_requests),
            f"{formats.count(now.requests)} requests",
            hint=_cost_split(now_spent),
        ),
        _card(
            "Cost unknown",
            formats.share(now_spent.unpriced_share),
            "cost",
            None,
            f"{formats.share_of(now_spent.unpriced_calls, now_spent.calls)} calls",
            hint=f"{formats.share_of(now_spent.unpriced_model_calls, now_spent.model_calls)} model calls"
            + (
                f", {formats.share_of(now_spent.unpriced_embedding_calls, now_spent.embedding_calls)} embeddings"
                if embeddings_note
                else ""
            ),
        ),
        _card(
            "Tokens in",
            formats.compact(now.input_tokens),
            "cost",
            volume_changes["input_tokens"],
            _per_call(now, now.input_tokens),
        ),
        _card(
            "Tokens out",
            formats.compact(now.output_tokens),
            "cost",
            volume_changes["output_tokens"],
            _per_call(now, now.output_tokens),
        ),
    ]


def pipeline_cards(fresh: Mapping[str, Any], loss: Rows, sampling: Mapping[str, Any], *, since: str) -> list[Card]:
    """Return the pipeline page's cards; one is about late spans where tail sampling is at work.

    Args:
        fresh: the row of `queries.freshness`.
        loss: rows of `queries.loss`.
        sampling: the row of `queries.tail_sampling`.
        since: the moment of the oldest span, in words.
    """
    emitted, doubled = sum(row["emitted"] for row in loss), sum(row["doubled"] for row in loss)
    services, processes = len(loss), sum(row["instances"] for row in loss)
    return [
        _lost_card(loss, ()),
        Card(
            "Spans doubled",
            formats.count(doubled) if emitted else formats.UNKNOWN,
            "pipeline",
            "stored more than once",
            "▲ doubled" if doubled else "",
            "bad" if doubled else "neutral",
        ),
        *([_late_card(sampling)] if sampling["sampled_out_spans"] or sampling["late_spans"] else []),
        Card(
            "Processes",
            formats.count(processes),
            "pipeline",
            f"of {formats.count(services)} service{'' if services == 1 else 's'}",
            hint="Those that number their spans: the library does so",
        ),
        Card(
            "Newest span", formats.age((fresh["now_ms"] - fresh["newest_ms"]) / 1e3), "pipeline", "by the store's clock"
        ),
        Card("In the store", formats.compact(fresh["spans"]), "pipeline", f"queryable spans since {since}"),
    ]


_VOLUMES = ("input_tokens", "output_tokens")


def _price_note(spent: Spending) -> str:
    if not spent.calls:
        return "no model call"
    if spent.unpriced_model_calls:
        return f"{formats.share(spent.unpriced_share)} of calls unpriced"
    if spent.unpriced_embedding_calls:
        return f"{formats.money(spent.usd)} + embeddings"
    return f"{formats.money(spent.usd)} in all"


def _cost_split(spent: Spending) -> str:
    """Return the cost of models and of embeddings apart; '' where there are only models."""
    if not spent.embedding_calls:
        return ""
    unpriced = spent.unpriced_embedding_calls
    text = f"Models {formats.money(spent.model_usd)}, embeddings {formats.money(spent.embedding_usd)}"
    if spent.embedding_usd is None or not unpriced:
        return text
    return f"{text} and {formats.count(unpriced)} calls without a price"


def _per_call(now: Overview, tokens: int | None) -> str:
    return f"{formats.compact(tokens / now.llm_calls)} a call" if tokens is not None and now.llm_calls else ""


def _card(
    label: str,
    value: str,
    page: str,
    change: formats.Change | None,
    note: str = "",
    *,
    spark: Spark = (),
    hint: str = "",
) -> Card:
    tone = change.tone if change else "neutral"
    return Card(label, value, page, note, change.text if change else "", tone, spark, hint)


def _lower_is_better(now: float | None, before: float | None, enough_requests: bool) -> formats.Change | None:
    large = now is not None and before is not None and abs(now - before) >= _MIN_CHANGE * abs(before)
    return formats.change(now, before, better="lower" if large and enough_requests else "unclear")


def _error_change(now: Overview, before: Overview) -> formats.Change | None:
    disjoint = _intervals_disjoint(
        estimate(now.error_rate, None, now.requests), estimate(before.error_rate, None, before.requests)
    )
    return formats.change(now.error_rate, before.error_rate, better="lower" if disjoint else "unclear")


def _score_card(label: str, page: str, now: Estimate, before: Estimate, *, spark: Spark, failed: int = 0) -> Card:
    change = formats.change(now.mean, before.mean, better="higher" if _intervals_disjoint(now, before) else "unclear")
    note = f"{formats.count(now.n)} judged" if now.n else "nothing judged yet"
    note += f", {formats.count(failed)} failed" if failed else ""
    return _card(label, formats.estimate(now.mean, now.half_width), page, change, note, spark=spark)


def _groundedness_card(now: Overview, before: Overview, sparks: Mapping[str, Spark]) -> Card:
    """Groundedness, RAGAS's faithfulness beside it; that alone, under its own name, where only it was judged."""
    if now.faithfulness.n and not now.groundedness.n:
        card = _score_card(
            "Faithfulness (RAGAS)",
            "quality",
            now.faithfulness,
            before.faithfulness,
            spark=sparks["faithfulness"],
            failed=now.faithfulness_failed,
        )
        return replace(card, hint="No judge gave a groundedness")
    card = _score_card(
        "Groundedness",
        "quality",
        now.groundedness,
        before.groundedness,
        spark=sparks["groundedness"],
        failed=now.groundedness_failed,
    )
    if not now.faithfulness.n:
        return card
    beside = formats.estimate(now.faithfulness.mean, now.faithfulness.half_width)
    return replace(card, note=f"RAGAS {beside}", hint=f"{card.note}. RAGAS faithfulness {beside}")


def _intervals_disjoint(now: Estimate, before: Estimate) -> bool:
    """Whether two intervals do not touch."""
    if now.low is None or now.high is None or before.low is None or before.high is None:
        return False
    return now.low > before.high or now.high < before.low


def _late_card(sampling: Mapping[str, Any]) -> Card:
    late, received = sampling["late_spans"], sampling["received_spans"]
    return Card(
        "Spans late",
        formats.count(late),
        "pipeline",
        f"{formats.share(late / received)} of those received"
        if late and received
        else "all arrived in time for sampling",
        hint="Spans that arrived after tail sampling had decided on their trace",
    )


def _lost_card(loss: Rows, spark: Spark) -> Card:
    emitted, stored = sum(row["emitted"] for row in loss), sum(row["stored_spans"] for row in loss)
    lost = sum(row["lost"] for row in loss)
    if not emitted:
        recent = sum(row.get("recent_spans", 0) for row in loss)
        note = "counted when their minute is over" if recent else "no process numbers its spans"
        return Card("Spans lost", formats.UNKNOWN, "pipeline", note, spark=spark)
    return Card(
        "Spans lost",
        formats.count(lost),
        "pipeline",
        f"{formats.count(stored)} of {formats.count(emitted)} stored",
        "▲ missing" if lost else "",
        "bad" if lost else "neutral",
        spark,
        "Spans that their processes numbered, against those stored",
    )
