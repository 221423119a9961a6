"""What the pages write around strangers' texts: nothing of it may become markup or a formula."""

from typing import Any
from unittest.mock import patch

import pytest

from sightline_dashboards import panels
from sightline_dashboards.pages.pipeline import emitted_text, late_spans_note
from sightline_dashboards.pages.trace import call_numbers
from sightline_dashboards.trace_detail import payloads
from sightline_dashboards.trace_detail.answer_panel import score_line
from sightline_store.contents.parts import Passage

HOSTILE = "<script>alert(1)</script>\"'&<img src=x onerror=alert(2)>"


def test_passage_card_escapes_title_and_text() -> None:
    """A document is written by strangers."""
    card = payloads.passage_card(Passage(HOSTILE, HOSTILE, 0.7, HOSTILE), 1, HOSTILE)
    assert "<script" not in card
    assert "<img" not in card
    assert "&lt;script&gt;" in card


def test_a_command_in_a_sentence_is_code_and_nothing_else_is_markup() -> None:
    """Notes name commands between backticks; a store's words stand in some of them."""
    told = []
    with patch.object(panels.st, "html", told.append):
        panels.note(f"Run `sightline up`: {HOSTILE}")
        panels.empty_message("`a<b>` and one `")
    assert "Run <code>sightline up</code>: &lt;script&gt;" in told[0]
    assert told[1] == '<p class="sl-empty"><code>a&lt;b&gt;</code> and one `</p>'


def test_score_line_escapes_everything_that_a_judge_wrote() -> None:
    """A judge repeats what it read."""
    score: dict[str, Any] = {
        "name": HOSTILE,
        "value": None,
        "judge": HOSTILE,
        "judge_version": HOSTILE,
        "note": HOSTILE,
        "label": HOSTILE,
        "error_type": HOSTILE,
        "source": HOSTILE,
        "explanation": HOSTILE,
    }
    line = score_line(score)
    assert "<script" not in line
    assert "<img" not in line
    assert "unknown" in line


def test_late_spans_are_shown_with_their_base_and_a_way_out() -> None:
    """How many of how many, and the setting by its name."""
    words = late_spans_note({"received_spans": 9000, "sampled_out_spans": 4000, "late_spans": 90})
    assert words.startswith("90 of 9,000 spans received (1 %) came late")
    assert "SIGHTLINE_COLLECTOR_SAMPLE_WINDOW_S" in words
    assert late_spans_note({"received_spans": 0, "late_spans": 9}).startswith("9 spans came late")


def test_spans_whose_minute_is_not_over_are_not_shown_as_none() -> None:
    """A service that has just begun is not one that numbered nothing."""
    assert emitted_text({"emitted": 0, "recent_spans": 7}) == "not counted yet"
    assert emitted_text({"emitted": 1200, "recent_spans": 7}) == "1,200"
    assert emitted_text({"emitted": 0, "recent_spans": 0}) == "0"


@pytest.mark.parametrize(
    ("rule", "words"), [("total", "proves"), ("larger", "larger than"), ("convention", "not proved"), ("", None)]
)
def test_a_call_says_how_its_tokens_were_decided(rule: str, words: str | None) -> None:
    """Beside the tokens, with their parts; a call without parts has nothing to decide."""
    call: dict[str, Any] = {
        "input_tokens": 1200,
        "output_tokens": 300,
        "cache_read_tokens": 1024 if rule else None,
        "reasoning_tokens": 0,
        "token_rule": rule,
        "cost_usd": 0.01,
        "priced_as": "",
        "longest_stall_ms": None,
        "outcome": "completed",
        "note": "",
    }
    shown = dict(call_numbers(call))
    assert shown["Tokens in → out"] == "1,200 → 300"
    assert shown.get("of them cached") == ("1,024" if rule else None)
    assert "of them reasoning" not in shown
    assert (words in shown["Token rule"]) if words else ("Token rule" not in shown)
