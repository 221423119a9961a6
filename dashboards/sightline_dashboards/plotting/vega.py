"""Charts as specifications of Vega-Lite: plain dictionaries over named rows. Pure.

They are written out, and not built by a library of classes: that took longer than the questions of most pages.
Source: https://vega.github.io/vega-lite/docs/spec.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sightline_store.questions.asking import Row

Spec = dict[str, Any]
Rows = Sequence[Mapping[str, Any]]
HEIGHT_PX: Final = 240
"""Height of a chart that has a panel for itself."""
_SCHEMA: Final = "https://vega.github.io/schema/vega-lite/v6.json"


@dataclass(frozen=True)
class Chart:
    """Layers over each other, the first at the bottom.

    Attributes:
        layers: made by `layer`.
        data: name to rows; every name is one that the layers name.
        params: selections, each of the layer that its `views` name.
        height: px.
    """

    layers: tuple[Spec, ...]
    data: Mapping[str, Sequence[Row]]
    params: tuple[Spec, ...] = ()
    height: int = HEIGHT_PX

    def to_dict(self) -> Spec:
        """Return the specification; its rows are in `datasets`."""
        return {
            "$schema": _SCHEMA,
            "height": self.height,
            "layer": list(self.layers),
            "params": list(self.params),
            "datasets": dict(self.data),
        }


def layer(data: str, mark: str, encoding: Spec, *, name: str = "", only: str = "", **looks: Any) -> Spec:
    """Return one layer.

    Args:
        data: name of its rows.
        mark: area, bar, line, point, rect, rule or text.
        encoding: channel to field.
        name: by which a selection names it.
        only: expression over `datum` that holds for the rows that are drawn; '' draws all.
        looks: properties of the mark.
    """
    made: Spec = {"data": {"name": data}, "mark": {"type": mark, **looks}, "encoding": encoding}
    if name:
        made["name"] = name
    if only:
        made["transform"] = [{"filter": only}]
    return made


def number(field: str, **more: Any) -> Spec:
    """Return a channel that shows a number."""
    return {"field": field, "type": "quantitative", **more}


def text(field: str, **more: Any) -> Spec:
    """Return a channel that shows a text."""
    return {"field": field, "type": "nominal", **more}


def moment(field: str, **more: Any) -> Spec:
    """Return a channel that shows a moment."""
    return {"field": field, "type": "temporal", **more}


def value_axis(*, ticks: int, labels: str = "") -> Spec:
    """Return an axis of numbers without a title; `labels` is the expression of a label, '' the number itself."""
    return {"title": None, "tickCount": ticks, **({"labelExpr": labels} if labels else {})}
