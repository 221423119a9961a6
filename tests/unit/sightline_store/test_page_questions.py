"""The benchmark of the questions asks each one that a page asks."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
ASKED = re.compile(r"\b(?:queries|request_lists|written|drift_runs|judges|people|changes|tuning)\.([a-z_]+)\(")
# Not questions: what they return is made in Python.
NOT_ASKED = {"agreement"}
# Timed together, as request_lists.traces and people.sessions: pages ask for the questions of a list beside its totals.
PARTS = {"found_requests", "with_totals", "found_sessions", "with_session_totals"}


def test_every_question_of_a_page_is_timed() -> None:
    """A page that asks something new without the benchmark knowing it fails here."""
    pages = [*(ROOT / "dashboards" / "sightline_dashboards").rglob("*.py")]
    asked = {name for page in pages for name in ASKED.findall(page.read_text(encoding="utf-8"))} - NOT_ASKED - PARTS
    timed = set(
        re.findall(
            r"\b(?:queries|request_lists|written|drift_runs|judges|people|changes|tuning)\.([a-z_]+)\b",
            (ROOT / "benchmarks" / "page_questions.py").read_text(),
        )
    )
    assert asked
    assert asked <= timed
