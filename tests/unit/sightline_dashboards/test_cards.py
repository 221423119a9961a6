"""What the cards say."""

from dataclasses import replace

from sightline_dashboards.cards import cost_cards, overview_cards, pipeline_cards
from sightline_dashboards.spending import spending
from sightline_store.questions.estimates import Estimate
from sightline_store.questions.queries import Overview

NOW = Overview(
    requests=1000,
    errors=40,
    ttft_n=990,
    ttft_p50_ms=300.0,
    ttft_p95_ms=412.0,
    total_p50_ms=1500.0,
    total_p95_ms=2310.0,
    llm_calls=1000,
    unpriced_calls=50,
    input_tokens=900_000,
    output_tokens=90_000,
    cost_usd=1.82,
    groundedness=Estimate(0.91, 0.89, 0.93, 200),
    groundedness_failed=3,
    faithfulness=Estimate(0.84, 0.80, 0.88, 200),
    faithfulness_failed=3,
    hit_at_5=Estimate(0.88, 0.85, 0.91, 400),
)
SPENT = (spending(NOW, []), spending(NOW, []))
LOSS = [{"service": "api", "instances": 2, "emitted": 100, "stored_spans": 98, "lost": 2, "doubled": 0}]
NO_SPARKS: dict[str, list[float | None]] = {
    name: []
    for name in ("ttft", "total", "errors", "cost", "groundedness", "faithfulness", "retrieval_hit_at_5", "spans")
}


def test_overview_has_seven_cards_each_with_a_page() -> None:
    """The first row of the first page."""
    cards = overview_cards(NOW, NOW, SPENT, LOSS, NO_SPARKS, since="the hour before")
    assert [(card.label, card.value, card.page) for card in cards] == [
        ("TTFT p95", "412 ms", "latency"),
        ("Total p95", "2.31 s", "latency"),
        ("Errors", "4 %", "traces"),
        ("Cost / 1k requests", "$1.82", "cost"),
        ("Groundedness", "0.91 ±0.02", "quality"),
        ("Retrieval hit@5", "0.88 ±0.03", "retrieval"),
        ("Spans lost", "2", "pipeline"),
    ]
    assert cards[-1].tone == "bad"
    assert cards[3].note == "5 % of calls unpriced"


def test_small_or_uncertain_changes_are_not_coloured() -> None:
    """Noise gets an arrow and no colour."""
    before = replace(NOW, errors=38, ttft_p95_ms=405.0, groundedness=Estimate(0.90, 0.88, 0.92, 200))
    cards = {card.label: card for card in overview_cards(NOW, before, SPENT, LOSS, NO_SPARKS, since="before")}
    assert {cards[name].tone for name in ("TTFT p95", "Errors", "Groundedness")} == {"neutral"}


def test_clear_changes_are_coloured() -> None:
    """Intervals that do not touch, and times that moved much over many requests."""
    before = replace(NOW, errors=2, ttft_p95_ms=300.0, groundedness=Estimate(0.70, 0.68, 0.72, 200))
    cards = {card.label: card for card in overview_cards(NOW, before, SPENT, LOSS, NO_SPARKS, since="before")}
    assert cards["TTFT p95"].tone == "bad"
    assert cards["Errors"].tone == "bad"
    assert cards["Groundedness"].tone == "good"


def test_unknown_is_never_zero() -> None:
    """No price, no score and no numbered span are unknown."""
    nothing = Estimate(None, None, None, 0)
    now = replace(NOW, cost_usd=None, groundedness=nothing, faithfulness=nothing, hit_at_5=nothing)
    spent = (spending(now, []), SPENT[1])
    cards = {card.label: card for card in overview_cards(now, NOW, spent, [], NO_SPARKS, since="before")}
    for label in ("Cost / 1k requests", "Groundedness", "Retrieval hit@5", "Spans lost"):
        assert cards[label].value == "unknown"
    assert {card.label: card.value for card in cost_cards(now, NOW, spent)}["Known cost"] == "unknown"


def test_cost_is_that_of_models_and_embeddings() -> None:
    """Both pages tell the sum, whose it is, and what has no price."""
    priced = {"calls": 900, "unpriced_calls": 0, "cost_usd": 0.18}
    unknown = {"calls": 50, "unpriced_calls": 50, "cost_usd": None}
    models = replace(NOW, unpriced_calls=0)
    for embedded, cost, note, unpriced in (
        ([priced], "$2.00", "$2.00 in all", "0 of 1,900 calls"),
        ([priced, unknown], "$2.00", "$2.00 + embeddings", "50 of 1,950 calls"),
        ([unknown], "$1.82", "$1.82 + embeddings", "50 of 1,050 calls"),
    ):
        spent = (spending(models, embedded), SPENT[1])
        (card,) = [one for one in overview_cards(models, NOW, spent, LOSS, NO_SPARKS, since="b") if one.page == "cost"]
        assert (card.value, card.note) == (cost, note)
        assert card.hint.startswith(f"Models $1.82, embeddings {'$0.18' if priced in embedded else 'unknown'}")
        told = {one.label: one for one in cost_cards(models, NOW, spent)}
        assert (told["Known cost"].value, told["Cost / 1k requests"].value) == (cost, cost)
        assert told["Cost unknown"].note == unpriced


FRESH = {"spans": 1200, "newest_ms": 10_000, "now_ms": 14_000}
UNSAMPLED = {"received_spans": 900, "sampled_out_spans": 0, "late_spans": 0}


def test_pipeline_cards_show_the_age_of_the_newest_span() -> None:
    """By the store's own clock."""
    cards = pipeline_cards(FRESH, LOSS, UNSAMPLED, since="09:00")
    assert {card.label: card.value for card in cards}["Newest span"] == "4 s ago"


def test_late_spans_have_a_card_where_tail_sampling_is_at_work() -> None:
    """Without sampling no span is late; with it, the card shows zero too, and a share goes with its base."""

    def late(**counts: int) -> list[tuple[str, str]]:
        cards = pipeline_cards(FRESH, LOSS, {**UNSAMPLED, **counts}, since="09:00")
        return [(card.value, card.note) for card in cards if card.label == "Spans late"]

    assert late() == []
    assert late(sampled_out_spans=800) == [("0", "all arrived in time for sampling")]
    assert late(sampled_out_spans=800, late_spans=9) == [("9", "1 % of those received")]
    # Received just before the window, decided on in it.
    assert late(received_spans=0, late_spans=9)[0][0] == "9"


def test_times_of_two_definitions_have_no_difference() -> None:
    """The card says whose first token it is, how many requests have another, and compares like with like only."""
    now = replace(NOW, ttft_definition="first_chunk", ttft_others=7)
    (card, *_) = overview_cards(now, NOW, SPENT, LOSS, NO_SPARKS, since="before")
    assert (card.label, card.change) == ("Model's first chunk p95", "")
    assert "7 requests" in card.hint
    (card, *_) = overview_cards(now, replace(now, ttft_p95_ms=100.0), SPENT, LOSS, NO_SPARKS, since="before")
    assert card.tone == "bad"
