"""What the list of traces is narrowed to when something on a chart is clicked. Pure.

Each takes the fields of what was clicked and returns parameters of the page of traces. The bucket of time is added by
`plots`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from sightline_dashboards.plotting.charts import NOT_NAMED
from sightline_dashboards.spending import EMBEDDINGS
from sightline_dashboards.timeline.ranges import TimeRange
from sightline_store.questions import search

Params = dict[str, str]
Clicked = Mapping[str, Any]

_NO_SPANS: Final = frozenset({"delivery", "rest"})
"""Parts of the time to first token that are no stage of a span."""
_SORTABLE: Final = frozenset({"groundedness", "faithfulness"})


def slowest(clicked: Clicked) -> Params:
    """The requests of a moment, the slowest first token first."""
    del clicked
    return {"sort": "ttft"}


def of_stage(clicked: Clicked) -> Params:
    """The requests with a span of a stage, the slowest first token first."""
    stage = str(clicked.get("stage") or clicked.get("Of") or "")
    return {"sort": "ttft"} | ({"q": search.equals("stage", stage)} if stage and stage not in _NO_SPANS else {})


def of_model(clicked: Clicked) -> Params:
    """The requests of a model, the dearest first; embeddings stand for all models."""
    model = str(clicked.get("Of") or "")
    return {"sort": "cost"} | ({"model": model} if model not in {"", NOT_NAMED, EMBEDDINGS} else {})


def of_service(clicked: Clicked) -> Params:
    """The requests that a service was asked."""
    service = str(clicked.get("Of") or "")
    return {"q": search.equals("service", service)} if service not in {"", NOT_NAMED} else {}


def of_outcome(clicked: Clicked) -> Params:
    """The failed requests, where these were clicked."""
    return {"failed": "1"} if clicked.get("Of") == "failed" else {}


def of_budget(clicked: Clicked) -> Params:
    """The requests of a budget's owner, where that is a tenant or a user; the dearest first."""
    owner = str(clicked.get("Budget") or "").partition(",")[0]
    kind, _, name = owner.partition(" ")
    if kind == "tenant" and name:
        return {"sort": "cost", "tenant": name}
    return {"sort": "cost"} | ({"q": search.equals("user", name)} if kind == "user" and name else {})


def searched(clicked: Clicked) -> Params:
    """The requests that searched."""
    del clicked
    return {"q": search.equals("stage", "search")}


def scored(name: str) -> Callable[[Clicked], Params]:
    """The requests that have a score, the lowest first where the list can be sorted by it."""
    if name in _SORTABLE:
        return lambda _: {"sort": name}
    narrowed = f"{search.SCORE}{name}<=1"
    try:
        search.parse(narrowed)
    except search.SearchError:  # a name that the language has no word for
        return lambda _: {}
    return lambda _: {"q": narrowed}


def of_run(clicked: Clicked) -> Params:
    """The requests that a run compared with those before."""
    start, end = clicked.get("from_ms"), clicked.get("to_ms")
    if start is None or end is None:
        return {}
    first, last = (datetime.fromtimestamp(float(ms) / 1e3, UTC) for ms in (start, end))
    return TimeRange(fixed=(first, last)).params()
