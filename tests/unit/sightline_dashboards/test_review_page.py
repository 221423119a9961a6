"""The page Review: whose answers wait, and which sentences are ticked; and lists that have pages."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from asked_store import AskedStore, Rows, shown, texts
from streamlit.testing.v1 import AppTest

from sightline_store.contents.traces import Conversation

TRACE = "ab" * 16
WAITING: dict[str, Any] = {
    "trace_id": TRACE, "span_id": "cd" * 8, "service": "api", "name": "POST /chat", "asked_ms": 1_700_000_000_000,
    "tenant_name": "acme", "groundedness": 0.2, "spread": 0.0, "complaints": 0, "complaint": "", "reviewers": [],
    "waiting": 1,
    "sampled": 1,
}  # fmt: skip
SCORE = {
    "name": "groundedness", "value": 0.2, "judge": "offline", "judge_version": "lexical-2", "label": "",
    "explanation": "- It runs. It was added in 1999. (20% of its words)\n+ See the docs. (90% of its words)",
}  # fmt: skip
HELD = {TRACE: Conversation(question="How?", answer="It runs [1]. It was added in 1999 [2]. See the docs.")}


@contextmanager
def _reviewing(store: AskedStore) -> Iterator[AppTest]:
    """The page of a browser in which somebody may enter a name."""

    def script() -> None:
        from sightline_dashboards import navigation
        from sightline_dashboards.pages import review

        navigation.remember({})
        review.render()

    with (
        patch("sightline_dashboards.source.client", lambda: store),
        patch("sightline_store.questions.written.conversations", lambda *_: HELD),
    ):
        yield AppTest.from_function(script).run(timeout=60)


def test_sentences_that_a_judge_doubts_are_ticked() -> None:
    """All that its statement spans, and no others."""
    store = AskedStore({"people/review_queue": [WAITING], "trace_scores": [SCORE]})
    with _reviewing(store) as app:
        app.text_input(key="reviewer").input("Ann").run()
        assert not app.exception
        assert [box.value for box in app.checkbox] == [True, True, False]


def test_what_one_reviewer_passes_over_still_waits_for_another_in_the_same_browser() -> None:
    """Answers that were read are those of a name."""
    with _reviewing(AskedStore({"people/review_queue": [WAITING]})) as app:
        app.text_input(key="reviewer").input("Ann").run()
        app.button(key=f"next_{TRACE}").click().run()
        assert "No judged answer of this window waits for you" in texts(app)
        app.text_input(key="reviewer").input("Bob").run()
        assert app.button(key=f"next_{TRACE}")
        assert not app.exception


def test_the_answer_that_is_read_stays_when_another_comes_before_it() -> None:
    """A lower score may arrive while somebody ticks sentences; the order holds for the next answer."""
    waiting = [WAITING]
    with _reviewing(AskedStore({"people/review_queue": lambda _: waiting, "trace_scores": [SCORE]})) as app:
        app.text_input(key="reviewer").input("Ann").run()
        waiting.insert(0, {**WAITING, "trace_id": "ef" * 16, "groundedness": 0.1})
        app.checkbox(key=f"wrong_{TRACE}_0").uncheck().run()
        assert [box.value for box in app.checkbox] == [False, True, False]
        app.button(key=f"next_{TRACE}").click().run()
        assert app.button(key=f"next_{'ef' * 16}")
        assert not app.exception


def test_a_page_behind_the_last_one_shows_the_first() -> None:
    """Where the window moved on and the list got shorter."""

    def rows(made: list[dict[str, Any]]) -> Callable[[Mapping[str, Any]], Rows]:
        return lambda params: made[params["offset"] : params["offset"] + params["limit"]]

    session = {
        "session_id": "s", "tenant_name": "acme", "requests": 1, "failed": 0, "users": [], "first_ms": 0,
        "last_ms": 0, "ttft_p50_ms": None, "total_p50_ms": 1.0, "trace_id": TRACE, "span_id": "cd" * 8,
        "started_ms": 0, "service": "api", "name": "POST /chat",
    }  # fmt: skip
    made = [{**session, "session_id": f"s{number}", "matching": 60} for number in range(60)]
    store = AskedStore({"people/sessions": rows(made)})
    app = shown("sessions", store)
    assert "60 sessions, page 1 of 2" in texts(app)
    with (
        patch("sightline_dashboards.source.client", lambda: store),
        patch("sightline_dashboards.navigation.link"),
    ):
        assert "60 sessions, page 2 of 2" in texts(app.button(key="sessions_next").click().run())
        del made[3:]
        assert "page 1 of 2" in texts(app.run())
    assert [params["offset"] for params in store.params("people/sessions")] == [0, 0, 50, 50, 0]
