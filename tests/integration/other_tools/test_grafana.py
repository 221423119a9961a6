"""Every statement of the Grafana dashboard, as the data source sends it, asked of a real store with a reader's key."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from grafana_queries import Range, filled
from keyed_store import END, HOURS, KeyedStore

from sightline_store.client import Client
from sightline_store.questions import queries
from sightline_store.questions.asking import Filters

_MODEL: dict[str, Any] = json.loads((Path(__file__).parents[3] / "deploy" / "grafana" / "sightline.json").read_text())
_PANELS = {panel["title"]: panel for panel in _MODEL["panels"] if panel["type"] != "row"}
_QUERIED = [variable for variable in _MODEL["templating"]["list"] if variable["type"] == "query"]
_SHOWN = Range(END - timedelta(hours=HOURS), END + timedelta(seconds=1), 300)
_ALL = {"tenant": None, "model": None, "route": None, "score": "faithfulness"}
_OF_ONE = {"tenant": "acme", "model": "extractive-v1", "route": "/v1/chat", "score": "faithfulness"}


@pytest.fixture(scope="module")
def reader(store: KeyedStore) -> Iterator[Client]:
    """A client with a reader's key."""
    client = store.reader()
    yield client
    client.close()


def _rows(client: Client, title: str, variables: dict[str, str | None]) -> list[dict[str, Any]]:
    (target,) = _PANELS[title]["targets"]
    return client.query_rows(filled(target["rawSql"], variables, _SHOWN))


@pytest.mark.parametrize("title", _PANELS)
def test_a_panel_has_data_for_everything_and_for_one_tenant(reader: Client, title: str) -> None:
    """A time series has the column `time` first, then its label; every column with a unit of its own is there."""
    panel = _PANELS[title]
    for variables in (_ALL, _OF_ONE):
        rows = _rows(reader, title, variables)
        assert rows
        if panel["type"] == "timeseries":
            columns = list(rows[0])
            assert columns[0] == "time"
            assert all(isinstance(row["time"], datetime) for row in rows)
            label = panel["fieldConfig"]["defaults"].get("displayName", "")
            assert not label or f"labels.{columns[1]}}}" in label
            for column in columns[2 if label else 1 :]:
                assert any(isinstance(row[column], int | float) for row in rows), column
        for override in panel["fieldConfig"]["overrides"]:
            assert override["matcher"]["options"] in rows[0]


def test_a_value_with_quotes_in_it_breaks_nothing(reader: Client) -> None:
    """It is a text that nothing has."""
    hostile = {**_ALL, "tenant": "o'acme\" OR 1=1"}
    (told,) = _rows(reader, "Requests, times, cost and scores", hostile)
    assert told["Requests"] == 0
    assert _rows(reader, "Stages", hostile) == []


@pytest.mark.parametrize("variable", _QUERIED, ids=lambda variable: variable["name"])
def test_a_variable_offers_the_values_of_the_window(reader: Client, variable: dict[str, Any]) -> None:
    """One column of texts, each of which a panel can be narrowed to."""
    rows = reader.query_rows(filled(variable["query"]["rawSql"], {}, _SHOWN))
    offered = [row[variable["name"]] for row in rows]
    assert _OF_ONE[variable["name"]] in offered
    assert offered == sorted(set(offered))


def test_the_panels_say_what_the_pages_say(reader: Client) -> None:
    """The window's numbers, for everything and for one tenant, and its first tokens stage by stage."""
    for variables in (_ALL, _OF_ONE):
        narrowed = {name: variables[name] or "" for name in ("tenant", "model", "route")}
        window = Filters(start=_SHOWN.start, end=_SHOWN.end, **narrowed)
        (told,) = _rows(reader, "Requests, times, cost and scores", variables)
        asked = queries.overview(reader, window)
        assert (told["Requests"], told["TTFT p95"], told["Known cost"]) == (
            asked.requests,
            asked.ttft_p95_ms,
            asked.cost_usd,
        )
    title = "Time to the first token, by stage (means, which sum to it)"
    shown = {(int(row["time"].timestamp()), row["stage"]): row["mean_ms"] for row in _rows(reader, title, _OF_ONE)}
    stacked = queries.stage_stack_over_time(reader, window, bucket_s=_SHOWN.interval_s)
    assert shown == {(row["bucket"], row["stage"]): pytest.approx(row["mean_ms"]) for row in stacked}
