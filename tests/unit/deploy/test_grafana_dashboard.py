"""The Grafana dashboard as a file: up to date, and what Grafana needs to show it."""

from __future__ import annotations

import importlib
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from grafana_queries import Range, filled

_FOLDER = Path(__file__).parents[3] / "deploy" / "grafana"
_MODEL: dict[str, Any] = json.loads((_FOLDER / "sightline.json").read_text())
_PANELS: list[dict[str, Any]] = _MODEL["panels"]
_SHOWN: list[dict[str, Any]] = [panel for panel in _PANELS if panel["type"] != "row"]
_UNITS = {"short", "none", "ms", "s", "percentunit", "currencyUSD"}
"""Grafana's names of the units in use: https://github.com/grafana/grafana, packages/grafana-data/src/valueFormats."""


def _writer() -> ModuleType:
    """The script that writes the file, whose folder is no package."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(_FOLDER)
        return importlib.import_module("dashboard")


def test_the_file_is_up_to_date() -> None:
    """A question that changed changes the dashboard: `python deploy/grafana/dashboard.py` writes it anew."""
    assert (_FOLDER / "sightline.json").read_text() == _writer().text(), "run deploy/grafana/dashboard.py"


def test_ids_and_titles_are_unique() -> None:
    """Grafana finds a panel by its id."""
    assert len({panel["id"] for panel in _PANELS}) == len(_PANELS)
    assert len({panel["title"] for panel in _PANELS}) == len(_PANELS)


def test_panels_fill_the_grid_without_overlap() -> None:
    """Each within the 24 columns, none over another, below the row that it belongs to."""
    taken: dict[tuple[int, int], str] = {}
    for panel in _PANELS:
        place = panel["gridPos"]
        assert place["w"] > 0
        assert place["h"] > 0
        assert 0 <= place["x"] <= 24 - place["w"]
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert (x, y) not in taken, f"{panel['title']} is over {taken[x, y]}"
                taken[x, y] = panel["title"]
    tops = [panel["gridPos"]["y"] for panel in _PANELS]
    assert tops == sorted(tops)


@pytest.mark.parametrize("panel", _SHOWN, ids=lambda panel: panel["title"])
def test_a_panel_has_units_words_and_one_target_of_the_data_source(panel: dict[str, Any]) -> None:
    """Numbers in milliseconds, dollars or shares say so; the description is the question's own."""
    overrides = panel["fieldConfig"]["overrides"]
    units = [panel["fieldConfig"]["defaults"]["unit"]]
    units += [each["value"] for override in overrides for each in override["properties"] if each["id"] == "unit"]
    assert set(units) <= _UNITS
    assert panel["description"].endswith((".", "?"))
    (target,) = panel["targets"]
    assert (
        target["datasource"] == panel["datasource"] == {"type": "grafana-clickhouse-datasource", "uid": "${datasource}"}
    )
    assert target["format"] == (0 if panel["type"] == "timeseries" else 1)


def test_milliseconds_and_dollars_are_shown_as_such() -> None:
    """A column whose name in the question ends in its unit has that unit in the panel."""
    counted = 0
    for panel in (panel for row in _writer().ROWS.values() for panel in row):
        for column in panel.columns:
            expression, _, alias = column.partition(" AS ")
            shown = (alias or expression).strip("`")
            for ending, unit in (("_ms", "ms"), ("_usd", "currencyUSD")):
                if re.fullmatch(rf"\w+{ending}", expression):
                    assert panel.units.get(shown, panel.unit) == unit, f"{panel.title}: {shown}"
                    counted += 1
    assert counted > 10


def test_every_kind_of_what_is_measured_has_a_panel() -> None:
    """What a page of the dashboards is about is here too."""
    words = " ".join(panel["title"].lower() for panel in _SHOWN)
    for wanted in (
        "requests and errors", "time to the first token", "total time", "by stage", "tokens, by model",
        "cost, by model", "found nothing", "best passage", "scores of answers", "numbered against spans stored",
    ):  # fmt: skip
        assert wanted in words


def test_variables_in_sql_are_quoted_and_defined() -> None:
    """A value is put in as a text with its quotes doubled, never as it is."""
    defined = {variable["name"] for variable in _MODEL["templating"]["list"]}
    for panel in _SHOWN:
        sql = panel["targets"][0]["rawSql"]
        assert not re.search(r"\{\w+:[A-Z]", sql), "a parameter of ClickHouse is left"
        for name, form in re.findall(r"\$\{(\w+)(?::(\w+))?\}", sql):
            assert name in defined
            assert form == "sqlstring"
        assert not re.search(r"\$(?!\{|__)", sql)


def test_a_new_parameter_of_a_question_is_noticed() -> None:
    """A dashboard cannot fill in what it does not know."""
    with pytest.raises(KeyError, match="trace_id"):
        _writer().statement("trace_scores", ["name"])


def test_macros_become_what_the_data_source_makes_of_them() -> None:
    """The examples of its README."""
    shown = Range(datetime(2014, 11, 12, 11, 45, 26, 123_000, UTC), datetime(2014, 11, 12, 12, tzinfo=UTC), 20)
    sql = "$__fromTime $__fromTime_ms $__interval_s $__timeInterval(column) $__timeFilter(time) ${t:sqlstring}"
    assert filled(sql, {"t": "o'x"}, shown) == (
        "toDateTime(1415792726) fromUnixTimestamp64Milli(1415792726123) 20 "
        "toStartOfInterval(toDateTime(column), INTERVAL 20 second) "
        "time >= toDateTime(1415792726) AND time <= toDateTime(1415793600) 'o''x'"
    )
    with pytest.raises(KeyError):
        filled("$__unknown(x)", {}, shown)


def test_provisioned_data_source_is_the_one_that_the_dashboard_asks() -> None:
    """Its type and the protocol that the embedded store speaks; the password comes from the environment."""
    text = (_FOLDER / "provisioning" / "datasources" / "sightline.yaml").read_text()
    assert "type: grafana-clickhouse-datasource" in text
    assert "protocol: http" in text
    assert "password: $STORE_READER_KEY" in text
