"""A store that answers the questions of pages with given rows and remembers what it was asked, for pages in AppTest."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any
from unittest.mock import patch

from streamlit.testing.v1 import AppTest

from sightline_store.questions import asking, catalog
from sightline_store.questions.conditions import sql_text

Rows = list[dict[str, Any]]
_LISTS = ("notes", "priced_as", "systems", "embeddings", "judges", "judge_notes")


class AskedStore:
    """Answers by a question's name; what no answer is given for has no rows.

    Args:
        answers: name of a question to its rows, or to a function of its parameters.
    """

    def __init__(self, answers: Mapping[str, Rows | Callable[[Mapping[str, Any]], Rows]] | None = None) -> None:
        self.answers: dict[str, Rows | Callable[[Mapping[str, Any]], Rows]] = {
            "filter_values": [{"tenants": ["acme", "globex"], "models": ["gpt-4o"], "routes": ["/v1/chat"]}],
            "labels": [{name: [] for name in _LISTS}],
            "data_since": [{"first_ms": None}],
            "freshness": [{"spans": 0, "newest_ms": 0, "now_ms": 0}],
            "price_changes": [{}],
            **(answers or {}),
        }
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self._names = {asking.sql(name).partition("\n")[0]: name for name in catalog.names()}
        self._names[sql_text("rollups/coverage.sql").partition("\n")[0]] = "rollups"  # there are none
        self._names[sql_text("rollups/price_changes.sql").partition("\n")[0]] = "price_changes"

    def query_rows(self, sql: str, params: Mapping[str, Any] | None = None) -> Rows:
        """Answer a question; its first line tells which."""
        name = self._names[sql.partition("\n")[0]]
        self.asked.append((name, dict(params or {})))
        answer = self.answers.get(name, [])
        return answer(params or {}) if callable(answer) else answer

    def params(self, name: str) -> list[dict[str, Any]]:
        """The parameters of each time that a question was asked."""
        return [params for asked, params in self.asked if asked == name]


def shown(page: str, store: AskedStore, **address: str) -> AppTest:
    """Run a page (its module's name) over a store, with the parameters of its address."""
    app = AppTest.from_function(_script, kwargs={"page": page})
    for name, value in address.items():
        app.query_params[name] = value
    with (
        patch("sightline_dashboards.source.client", lambda: store),
        patch("sightline_dashboards.navigation.link"),  # leads to pages that the whole application knows
        patch("sightline_dashboards.views.sidebar.show"),  # the views of the person who runs the tests
    ):
        app.run(timeout=60)
    assert not app.exception
    assert "panel failed" not in texts(app)
    return app


def _script(page: str) -> None:
    import importlib

    from sightline_dashboards import navigation

    navigation.remember({})
    importlib.import_module(f"sightline_dashboards.pages.{page}").render()


def texts(app: AppTest) -> str:
    """Everything that a page wrote as HTML."""
    return "\n".join(element.proto.body for element in _all(app) if type(element).__name__ == "Html")


def charts_of(app: AppTest) -> list[Any]:
    """The charts of a page."""
    return [element for element in _all(app) if type(getattr(element, "proto", None)).__name__ == "VegaLiteChart"]


def data(app: AppTest, key: str) -> dict[str, Any]:
    """What one of the project's own elements was given."""
    found = [
        element.proto
        for element in _all(app)
        if type(element).__name__ == "UnknownElement" and element.proto.id.endswith(f"-{key}")
    ]
    assert len(found) == 1, f"{len(found)} elements with the key {key}"
    loaded: dict[str, Any] = json.loads(found[0].json or found[0].bytes)
    return loaded


def cells(app: AppTest, key: str) -> list[list[str]]:
    """The cells of a table, a row each."""
    return [row["cells"] for row in data(app, key)["rows"]]


def _all(app: AppTest) -> list[Any]:
    return list(app.main)
