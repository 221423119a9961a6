"""What the cards say: windows in, cards out. Pure.

A change is coloured only where it is certain that it is for the better or the worse: scores and shares whose 95 %
intervals do not touch, times and cost from 5 % on where both windows have 100 requests or more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sightline_dashboards import formats
from sightline_dashboards.elements import Card
from sightline_store.queries import Estimate, Overview, estimate

_WORTH_COLOUR = 0.05
_ENOUGH = 100

Rows = Sequence[Mapping[str, Any]]
Spark = Sequence[float | None]


def overview_cards(
    now: Overview, before: Overview, loss: Rows, sparks: Mapping[str, Spark], *, since: str
) -> list[Card]:
    """Return the overview's seven cards.

    Args:
        now: the window.
        before: the window of the same length before it.
        loss: rows of `queries.loss`.
        sparks: values over the window by name: ttft, total, errors, cost, faithfulness, retrieval_hit_at_5, spans.
        since: what the changes are against, in words.
    """
    enough = min(now.requests, before.requests) >= _ENOUGH
    cards = [
        _card(
            "TTFT p95",
            formats.duration(now.ttft_p95_ms),
            "latency",
            _lower_is_better(now.ttft_p95_ms, before.ttft_p95_ms, enough),
            f"p50 {formats.duration(now.ttft_p50_ms)}",
            spark=sparks["ttft"],
        ),
        _card(
            "Total p95",
            formats.duration(now.total_p95_ms),
            "latency",
            _lower_is_better(now.total_p95_ms, before.total_p95_ms, enough),
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
            formats.money(now.cost_per_1k_usd),
            "cost",
            _lower_is_better(now.cost_per_1k_usd, before.cost_per_1k_usd, enough),
            _priced(now),
            spark=sparks["cost"],
        ),
        _score_card(
            "Groundedness",
            "quality",
            now.faithfulness,
            before.faithfulness,
            spark=sparks["faithfulness"],
            failed=now.faithfulness_failed,
        ),
        _score_card("Retrieval hit@5", "retrieval", now.hit_at_5, before.hit_at_5, spark=sparks["retrieval_hit_at_5"]),
    ]
    cards = [Card(**{**card.__dict__, "hint": f"Change against {since}"}) for card in cards]
    return [*cards, _lost_card(loss, sparks["spans"])]


def cost_cards(now: Overview, before: Overview) -> list[Card]:
    """Return the cost page's cards. More spending is neither good nor bad by itself; more a request is bad."""
    enough = min(now.requests, before.requests) >= _ENOUGH
    unclear = {name: formats.change(getattr(now, name), getattr(before, name), better="unclear") for name in _VOLUMES}
    return [
        _card(
            "Known cost",
            formats.money(now.cost_usd),
            "cost",
            unclear["cost_usd"],
            f"{formats.count(now.llm_calls)} model calls",
        ),
        _card(
            "Cost / 1k requests",
            formats.money(now.cost_per_1k_usd),
            "cost",
            _lower_is_better(now.cost_per_1k_usd, before.cost_per_1k_usd, enough),
            f"{formats.count(now.requests)} requests",
        ),
        _card(
            "Cost unknown",
            formats.share(now.unpriced_share),
            "cost",
            None,
            f"{formats.share_of(now.unpriced_calls, now.llm_calls)} calls",
        ),
        _card(
            "Tokens in",
            formats.compact(now.input_tokens),
            "cost",
            unclear["input_tokens"],
            _each(now, now.input_tokens),
        ),
        _card(
            "Tokens out",
            formats.compact(now.output_tokens),
            "cost",
            unclear["output_tokens"],
            _each(now, now.output_tokens),
        ),
    ]


def pipeline_cards(fresh: Mapping[str, Any], loss: Rows, *, since: str) -> list[Card]:
    """Return the pipeline page's cards.

    Args:
        fresh: the row of `queries.freshness`.
        loss: rows of `queries.loss`.
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
            "stored more often than numbered",
            "▲ doubled" if doubled else "",
            "bad" if doubled else "neutral",
        ),
        Card(
            "Processes",
            formats.count(processes),
            "pipeline",
            f"of {formats.count(services)} service{'' if services == 1 else 's'}",
        ),
        Card(
            "Newest span", formats.age((fresh["now_ms"] - fresh["newest_ms"]) / 1e3), "pipeline", "by the store's clock"
        ),
        Card("In the store", formats.compact(fresh["spans"]), "pipeline", f"spans since {since}"),
    ]


_VOLUMES = ("cost_usd", "input_tokens", "output_tokens")


def _priced(now: Overview) -> str:
    if not now.llm_calls:
        return "no model call"
    return (
        f"{formats.share(now.unpriced_share)} of calls unpriced"
        if now.unpriced_calls
        else f"{formats.money(now.cost_usd)} in all"
    )


def _each(now: Overview, tokens: int | None) -> str:
    return f"{formats.compact(tokens / now.llm_calls)} a call" if tokens is not None and now.llm_calls else ""


def _card(
    label: str, value: str, page: str, change: formats.Change | None, note: str = "", *, spark: Spark = ()
) -> Card:
    return Card(label, value, page, note, change.text if change else "", change.tone if change else "neutral", spark)


def _lower_is_better(now: float | None, before: float | None, enough: bool) -> formats.Change | None:
    large = now is not None and before is not None and abs(now - before) >= _WORTH_COLOUR * abs(before)
    return formats.change(now, before, better="lower" if large and enough else "unclear")


def _error_change(now: Overview, before: Overview) -> formats.Change | None:
    apart = _apart(estimate(now.error_rate, None, now.requests), estimate(before.error_rate, None, before.requests))
    return formats.change(now.error_rate, before.error_rate, better="lower" if apart else "unclear")


def _score_card(label: str, page: str, now: Estimate, before: Estimate, *, spark: Spark, failed: int = 0) -> Card:
    change = formats.change(now.mean, before.mean, better="higher" if _apart(now, before) else "unclear")
    note = f"{formats.count(now.n)} judged" if now.n else "nothing judged yet"
    note += f", {formats.count(failed)} failed" if failed else ""
    return _card(label, formats.estimate(now.mean, now.half_width), page, change, note, spark=spark)


def _apart(now: Estimate, before: Estimate) -> bool:
    """Whether two intervals do not touch."""
    if now.low is None or now.high is None or before.low is None or before.high is None:
        return False
    return now.low > before.high or now.high < before.low


def _lost_card(loss: Rows, spark: Spark) -> Card:
    emitted, stored = sum(row["emitted"] for row in loss), sum(row["stored_spans"] for row in loss)
    lost = sum(row["lost"] for row in loss)
    if not emitted:
        recent = sum(row.get("recent_spans", 0) for row in loss)
        note = "told when their minute is over" if recent else "no process numbers its spans"
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
