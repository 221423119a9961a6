"""Write `sightline.json`, the dashboard for Grafana, from the shipped questions: `python deploy/grafana/dashboard.py`.

Each panel asks a question of `sightline_store.questions`, as a page does, through the official data source
(grafana-clickhouse-datasource, version 4). In place of its parameters stand the data source's macros and Grafana's
variables, so no SQL is written twice; a test runs every statement, and fails when the file is not up to date.

Source: https://grafana.com/grafana/plugins/grafana-clickhouse-datasource/,
https://grafana.com/docs/grafana/latest/dashboards/build-dashboards/view-dashboard-json-model/
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from panels import ROWS, TIME, Panel

from sightline_store.questions import asking

FILE: Final = Path(__file__).with_name("sightline.json")
TYPE: Final = "grafana-clickhouse-datasource"
_SOURCE: Final = {"type": TYPE, "uid": "${datasource}"}
_ALL: Final = "''"
"""Value of a variable for all: Grafana puts it in as it is, and the questions take an empty text for all."""
_PARAMETERS: Final = {
    "from": "$__fromTime_ms",
    "to": "$__toTime_ms",
    "bucket_s": "$__interval_s",
    "tenant": "${tenant:sqlstring}",
    "model": "${model:sqlstring}",
    "route": "${route:sqlstring}",
    "name": "${score:sqlstring}",
    "by": "'model'",
    "limit": "20",
    "max_requests": "3000",
    "content": "1",
}
"""Parameters of questions, as Grafana and the data source fill them in."""
_COLUMNS: Final = 24
_PARAMETER = re.compile(r"\{(\w+):(?:[^{}']|'[^']*')+\}")
_VARIABLES: Final = {
    "tenant": ("Tenant", "Tenant", "requests"),
    "model": ("Model", "if(ResponseModel != '', ResponseModel, RequestModel)", "llm_calls"),
    "route": ("Route", "Route", "requests"),
}
"""Variable to its label, and to the column and table whose values are offered."""
_SCORES: Final = ("groundedness", "faithfulness", "answer_relevancy", "context_precision", "context_recall")


def statement(question: str, columns: Sequence[str]) -> str:
    """The SQL of a panel: a question without comments, with Grafana's macros and variables for its parameters.

    Raises:
        KeyError: the question has a parameter that a dashboard cannot fill in.
    """
    kept = [line for line in asking.sql(question).splitlines() if line.strip() and not line.lstrip().startswith("--")]
    asked = _PARAMETER.sub(lambda match: _PARAMETERS[match[1]], "\n".join(f"    {line}" for line in kept))
    order = "\nORDER BY time" if columns[0] == TIME else ""
    return f"SELECT {', '.join(columns)}\nFROM\n(\n{asked}\n){order}"


def describe(question: str) -> str:
    """What a question answers, in its own words: the comment above it."""
    lines = []
    for line in asking.sql(question).splitlines():
        if not line.startswith("--"):
            break
        lines.append(line.removeprefix("--").strip())
    return " ".join(lines)


def dashboard() -> dict[str, Any]:
    """The dashboard's JSON model."""
    return {
        "title": "Sightline",
        "uid": "sightline",
        "description": "Where the answers of an AI backend spend their time, their tokens and their truth.",
        "tags": ["sightline", "ai"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "timezone": "",
        "time": {"from": "now-6h", "to": "now"},
        "refresh": "1m",
        "annotations": {"list": []},
        "links": [],
        "templating": {"list": list(_variables())},
        "panels": list(_panels()),
    }


def text() -> str:
    """The text of `FILE`."""
    return json.dumps(dashboard(), indent=2, ensure_ascii=False) + "\n"


def _variables() -> Iterator[dict[str, Any]]:
    yield {"name": "datasource", "label": "Data source", "type": "datasource", "query": TYPE, "refresh": 1, "hide": 0}
    for name, (label, column, table) in _VARIABLES.items():
        sql = (
            f"SELECT DISTINCT toString({column}) AS {name} FROM {table}\n"  # noqa: S608  (of the constants above)
            f"WHERE $__timeFilter(Timestamp) AND {name} != '' ORDER BY {name} LIMIT 500"
        )
        yield {
            "name": name,
            "label": label,
            "type": "query",
            "datasource": _SOURCE,
            "definition": sql,
            "query": {"editorType": "sql", "rawSql": sql},
            "refresh": 2,
            "sort": 1,
            "multi": False,
            "includeAll": True,
            "allValue": _ALL,
            "current": {"text": "All", "value": "$__all"},
        }
    yield {
        "name": "score",
        "label": "Score",
        "type": "custom",
        "query": ",".join(_SCORES),
        "options": [{"text": each, "value": each, "selected": each == _SCORES[0]} for each in _SCORES],
        "current": {"text": _SCORES[0], "value": _SCORES[0]},
        "multi": False,
        "includeAll": False,
    }


def _panels() -> Iterator[dict[str, Any]]:
    number, y = 0, 0
    for title, panels in ROWS.items():
        number += 1
        yield {
            "id": number,
            "type": "row",
            "title": title,
            "collapsed": False,
            "gridPos": {"x": 0, "y": y, "w": _COLUMNS, "h": 1},
            "panels": [],
        }
        x, y, tallest = 0, y + 1, 0
        for panel in panels:
            if x + panel.width > _COLUMNS:
                x, y, tallest = 0, y + tallest, 0
            number += 1
            yield _panel(panel, number, {"x": x, "y": y, "w": panel.width, "h": panel.height})
            x, tallest = x + panel.width, max(tallest, panel.height)
        y += tallest


def _panel(panel: Panel, number: int, place: Mapping[str, int]) -> dict[str, Any]:
    defaults: dict[str, Any] = {"unit": panel.unit}
    if panel.label:
        series = f"${{__field.labels.{panel.label}}}"
        has_one_number = len(panel.columns) == 3  # behind the time and the label
        defaults["displayName"] = series if has_one_number else f"{series} ${{__field.name}}"
    if panel.bounds:
        defaults["min"], defaults["max"] = panel.bounds
    if panel.kind == "timeseries":
        defaults["custom"] = {
            "drawStyle": "line",
            "lineWidth": 1,
            "fillOpacity": 40 if panel.stacked else 5,
            "showPoints": "auto",
            "spanNulls": False,
            "stacking": {"mode": "normal" if panel.stacked else "none", "group": "A"},
        }
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": describe(panel.question),
        "datasource": _SOURCE,
        "gridPos": dict(place),
        "fieldConfig": {
            "defaults": defaults,
            "overrides": [
                {"matcher": {"id": "byName", "options": name}, "properties": [{"id": "unit", "value": unit}]}
                for name, unit in panel.units.items()
            ],
        },
        "options": _options(panel),
        "targets": [
            {
                "refId": "A",
                "datasource": _SOURCE,
                "editorType": "sql",
                "queryType": "timeseries" if panel.kind == "timeseries" else "table",
                "format": 0 if panel.kind == "timeseries" else 1,
                "rawSql": statement(panel.question, panel.columns),
            }
        ],
    }


def _options(panel: Panel) -> dict[str, Any]:
    if panel.kind == "timeseries":
        return {
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
            "tooltip": {"mode": "multi", "sort": "desc"},
        }
    if panel.kind == "table":
        return {"showHeader": True, "cellHeight": "sm"}
    return {
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "textMode": "value_and_name",
        "colorMode": "none",
        "graphMode": "none",
        "justifyMode": "auto",
        "orientation": "auto",
    }


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
    sys.stdout.write(f"{FILE.name} is written\n")
