"""What Grafana and its ClickHouse data source make of the SQL of a panel, before ClickHouse sees it.

Source: https://github.com/grafana/clickhouse-datasource (the table of macros in its README),
https://grafana.com/docs/grafana/latest/dashboards/variables/variable-syntax/
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

_VARIABLE = re.compile(r"\$\{(\w+)(?::(\w+))?\}")
_MACRO = re.compile(r"\$__(\w+)(?:\(([^()]*)\))?")


@dataclass(frozen=True)
class Range:
    """The range of time that a dashboard shows, and the interval that Grafana chooses for a panel."""

    start: datetime
    end: datetime
    interval_s: int


def filled(sql: str, variables: Mapping[str, str | None], shown: Range) -> str:
    """The SQL as it is sent.

    Args:
        sql: of a panel or a variable.
        variables: name to chosen value; None is `All` of a variable whose own value for all is `''`.
        shown: the range of time.

    Raises:
        KeyError: a variable or a macro that is not known.
    """
    chosen = _VARIABLE.sub(lambda match: _value(variables[match[1]], match[2]), sql)
    return _MACRO.sub(lambda match: _MACROS[match[1]](shown, match[2] or ""), chosen)


def _value(value: str | None, form: str | None) -> str:
    if value is None:
        return "''"  # a dashboard's own value for all is put in as it is
    assert form == "sqlstring", "a value of a variable in SQL needs its quotes"
    return "'" + value.replace("'", "''") + "'"


def _moment(moment: datetime) -> str:
    return f"toDateTime({int(moment.timestamp())})"


def _moment_ms(moment: datetime) -> str:
    return f"fromUnixTimestamp64Milli({int(moment.timestamp() * 1000)})"


_MACROS: dict[str, Callable[[Range, str], str]] = {
    "fromTime": lambda shown, _: _moment(shown.start),
    "toTime": lambda shown, _: _moment(shown.end),
    "fromTime_ms": lambda shown, _: _moment_ms(shown.start),
    "toTime_ms": lambda shown, _: _moment_ms(shown.end),
    "timeFilter": lambda shown, column: f"{column} >= {_moment(shown.start)} AND {column} <= {_moment(shown.end)}",
    "timeFilter_ms": lambda shown, column: (
        f"{column} >= {_moment_ms(shown.start)} AND {column} <= {_moment_ms(shown.end)}"
    ),
    "timeInterval": lambda shown, column: (
        f"toStartOfInterval(toDateTime({column}), INTERVAL {shown.interval_s} second)"
    ),
    "interval_s": lambda shown, _: str(max(shown.interval_s, 1)),
}
