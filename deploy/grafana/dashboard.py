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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from sightline_store.questions import queries

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
}
"""Parameters of questions, as Grafana and the data source fill them in."""
_COLUMNS: Final = 24
_PARAMETER = re.compile(r"\{(\w+):(?:[^{}']|'[^']*')+\}")
_TIME: Final = "toDateTime(bucket, 'UTC') AS time"

Kind = Literal["stat", "timeseries", "table"]


@dataclass(frozen=True, kw_only=True)
class Panel:
    """A panel.

    Attributes:
        title: what it shows.
        kind: of Grafana's panels.
        question: that it asks.
        columns: of the answer, as SQL with an alias.
        width: of the 24 columns of the grid.
        height: in rows of the grid.
        unit: of its numbers, by Grafana's name.
        units: column to unit, where they differ.
        label: column that names the series.
        stacked: whether the series are stacked.
        bounds: least and greatest value of the axis.
    """

    title: str
    kind: Kind
    question: str
    columns: Sequence[str]
    width: int
    height: int = 8
    unit: str = "short"
    units: Mapping[str, str] = field(default_factory=dict)
    label: str = ""
    stacked: bool = False
    bounds: tuple[float, float] | None = None


ROWS: Final[Mapping[str, Sequence[Panel]]] = {
    "The window": (
        Panel(
            title="Requests, times, cost and scores",
            kind="stat",
            question="overview",
            columns=(
                "requests AS Requests", "errors / requests AS Failed", "ttft_p50_ms AS `TTFT p50`",
                "ttft_p95_ms AS `TTFT p95`", "total_p50_ms AS `Total p50`", "total_p95_ms AS `Total p95`",
                "cost_usd AS `Known cost`", "unpriced_calls AS `Calls without a cost`", "groundedness AS Groundedness",
                "faithfulness AS Faithfulness",
            ),
            width=24,
            height=4,
            units={
                "Failed": "percentunit", "TTFT p50": "ms", "TTFT p95": "ms", "Total p50": "ms", "Total p95": "ms",
                "Known cost": "currencyUSD", "Groundedness": "percentunit", "Faithfulness": "percentunit",
            },
        ),
    ),
    "Requests": (
        Panel(
            title="Requests and errors",
            kind="timeseries",
            question="latency_over_time",
            columns=(_TIME, "requests", "errors"),
            width=8,
        ),
        Panel(
            title="Time to the first token",
            kind="timeseries",
            question="latency_over_time",
            columns=(_TIME, "ttft_p50_ms AS p50", "ttft_p95_ms AS p95", "ttft_p99_ms AS p99"),
            width=8,
            unit="ms",
        ),
        Panel(
            title="Total time",
            kind="timeseries",
            question="latency_over_time",
            columns=(_TIME, "total_p50_ms AS p50", "total_p95_ms AS p95", "total_p99_ms AS p99"),
            width=8,
            unit="ms",
        ),
        Panel(
            title="Time to the first token, by stage (means, which sum to it)",
            kind="timeseries",
            question="ttft_over_time",
            columns=(_TIME, "stage", "mean_ms"),
            width=14,
            unit="ms",
            label="stage",
            stacked=True,
        ),
        Panel(
            title="Stages",
            kind="table",
            question="stage_summary",
            columns=("stage", "p50_ms AS p50", "p95_ms AS p95", "p99_ms AS p99", "spans", "errors", "flagged"),
            width=10,
            units={"p50": "ms", "p95": "ms", "p99": "ms"},
        ),
        Panel(
            title="Failed requests, by type",
            kind="table",
            question="errors_by_type",
            columns=(
                "error_type", "requests", "tenants", "fromUnixTimestamp64Milli(last_ms, 'UTC') AS last",
                "trace_id AS newest_trace",
            ),
            width=24,
            height=6,
        ),
    ),
    "Tokens and cost": (
        Panel(
            title="Tokens, by model",
            kind="timeseries",
            question="spend_over_time",
            columns=(_TIME, "toString(model_name) AS model", "input_tokens AS `in`", "output_tokens AS `out`"),
            width=8,
            label="model",
            stacked=True,
        ),
        Panel(
            title="Known cost, by model",
            kind="timeseries",
            question="spend_over_time",
            columns=(_TIME, "toString(model_name) AS model", "cost_usd"),
            width=8,
            unit="currencyUSD",
            label="model",
            stacked=True,
        ),
        Panel(
            title="Spending, by model",
            kind="table",
            question="spend_by",
            columns=(
                "name AS model", "calls", "unpriced_calls AS unpriced", "input_tokens", "output_tokens", "cost_usd",
            ),
            width=8,
            units={"cost_usd": "currencyUSD"},
        ),
    ),
    "Retrieval": (
        Panel(
            title="Searches that found nothing, and that failed",
            kind="timeseries",
            question="retrieval_over_time",
            columns=(_TIME, "empty / nullIf(counted, 0) AS nothing", "errors / searches AS failed"),
            width=8,
            unit="percentunit",
        ),
        Panel(
            title="Score of the best passage",
            kind="timeseries",
            question="retrieval_over_time",
            columns=(_TIME, "top_score_p10 AS p10", "top_score_p50 AS p50", "top_score_p90 AS p90"),
            width=8,
            unit="none",
        ),
        Panel(
            title="Searches, by index",
            kind="table",
            question="retrieval_by_index",
            columns=(
                "collection", "index_version", "embedding", "searches", "empty", "errors", "top_score_p50 AS top_score",
                "p95_ms AS p95",
            ),
            width=8,
            units={"p95": "ms", "top_score": "none"},
        ),
    ),
    "Groundedness": (
        Panel(
            title="Scores of answers, by the time of asking",
            kind="timeseries",
            question="scores_over_time",
            columns=(_TIME, "name", "mean"),
            width=12,
            unit="percentunit",
            label="name",
            bounds=(0, 1),
        ),
        Panel(
            title="The lowest answers on the score ${score}",
            kind="table",
            question="score_list",
            columns=(
                "fromUnixTimestamp64Milli(asked_ms, 'UTC') AS asked", "tenant_name AS tenant", "value", "judge",
                "explanation", "trace_id",
            ),
            width=12,
            units={"value": "none"},
        ),
    ),
    "Pipeline": (
        Panel(
            title="Age of the newest span",
            kind="stat",
            question="freshness",
            columns=("(now_ms - newest_ms) / 1000 AS `Newest span`", "spans AS `Queryable spans`"),
            width=6,
            units={"Newest span": "s"},
        ),
        Panel(
            title="Queryable spans, by service",
            kind="timeseries",
            question="ingest_over_time",
            columns=(_TIME, "service", "spans"),
            width=18,
            label="service",
            stacked=True,
        ),
        Panel(
            title="Spans numbered against spans stored",
            kind="table",
            question="loss",
            columns=(
                "service", "instances", "emitted", "stored_spans AS stored", "lost", "doubled",
                "recent_spans AS recent",
            ),
            width=12,
        ),
        Panel(
            title="Spans received, shipped, queryable, sampled out",
            kind="table",
            question="collected",
            columns=(
                "service", "received_spans AS received", "shipped_spans AS shipped", "queryable_spans AS queryable",
                "sampled_out_spans AS sampled_out",
            ),
            width=12,
        ),
    ),
}  # fmt: skip
"""Row to its panels, from the left and then down."""

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
    kept = [line for line in queries.sql(question).splitlines() if line.strip() and not line.lstrip().startswith("--")]
    asked = _PARAMETER.sub(lambda match: _PARAMETERS[match[1]], "\n".join(f"    {line}" for line in kept))
    order = "\nORDER BY time" if columns[0] == _TIME else ""
    return f"SELECT {', '.join(columns)}\nFROM\n(\n{asked}\n){order}"


def describe(question: str) -> str:
    """What a question answers, in its own words: the comment above it."""
    lines = []
    for line in queries.sql(question).splitlines():
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
