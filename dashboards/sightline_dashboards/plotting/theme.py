"""Colours: the fixed one of each stage and series, and the two themes that Streamlit is started with.

Stage and series colours are those of Okabe and Ito, which people with colour-blindness can tell apart; red is kept for
errors.
Source: M. Okabe and K. Ito, Color Universal Design (2008), https://jfly.uni-koeln.de/color/
"""

from __future__ import annotations

from typing import Final

STAGES: Final = (
    "guard", "cache", "embed", "search", "rerank", "prompt", "queue", "model", "delivery", "tool", "agent", "rest",
)  # fmt: skip
"""The stages in the order in which a request goes through them. "delivery" is from the model's first chunk to the first
token that the user has, where no stage covers it; "rest" is what no stage covers before."""

STAGE_COLOURS: Final[dict[str, str]] = {
    "guard": "#CC79A7",
    "cache": "#F0E442",
    "embed": "#56B4E9",
    "search": "#0072B2",
    "rerank": "#009E73",
    "prompt": "#8C8C8C",
    "queue": "#D55E00",
    "model": "#E69F00",
    "tool": "#882255",
    "agent": "#44AA99",
    "delivery": "#999933",
    "rest": "#BDC1C7",
    "request": "#6E7781",
    "workflow": "#6E7781",
    "": "#A3AAB3",
}
"""Colour of a stage; "" is a span of no stage. Three beyond Okabe and Ito's eight are from Paul Tol's muted set."""

_BLUE, _SKY, _OTHERS = "#0072B2", "#56B4E9", ("#E69F00", "#009E73", "#CC79A7")
SERIES: Final = {
    "light": (_BLUE, *_OTHERS, _SKY, "#D55E00", "#8C8C8C", "#F0E442"),
    "dark": (_SKY, *_OTHERS, _BLUE, "#D55E00", "#8C8C8C", "#F0E442"),
}
"""Colours of other series, in order of use, in each theme: the blue that stands out on its background comes first."""

BAND_OPACITY: Final = {"light": 0.18, "dark": 0.26}
BRUSH_COLOURS: Final = _SKY, _BLUE
"""Inside and outline of what is dragged over."""
EMPTY_COLOUR: Final = "#D55E00"
ERROR_COLOUR: Final = "#D1242F"
MARK_COLOUR: Final = "#7D8590"
"""Of marks of changes: it stands out on both themes, and is no series' colour."""

_RADIUS, _FONT_SIZE_PX = "6px", 14
_LIGHT = {
    "primary_color": "#0072B2",
    "background_color": "#FFFFFF",
    "secondary_background_color": "#F5F6F8",
    "text_color": "#1C2128",
    "border_color": "#E1E4E8",
    "link_color": "#005A8C",
}
_DARK = {
    "primary_color": "#56B4E9",
    "background_color": "#101216",
    "secondary_background_color": "#181B21",
    "text_color": "#E4E7EB",
    "border_color": "#2A2F37",
    "link_color": "#7CC4EE",
}
_SIDEBAR = {
    "light": {"background_color": "#F5F6F8", "secondary_background_color": "#E9EBEF"},
    "dark": {"background_color": "#0B0D10", "secondary_background_color": "#181B21"},
}


def streamlit_options() -> dict[str, object]:
    """The theme as Streamlit options; both themes are given, so the browser's setting decides."""
    options: dict[str, object] = {
        "theme.showWidgetBorder": True,
        "theme.baseRadius": _RADIUS,
        "theme.baseFontSize": _FONT_SIZE_PX,
    }
    for name, colours in (("light", _LIGHT), ("dark", _DARK)):
        options |= {f"theme.{name}.{_camel(key)}": colour for key, colour in colours.items()}
        options |= {f"theme.{name}.sidebar.{_camel(key)}": colour for key, colour in _SIDEBAR[name].items()}
    return options


def stage_colour(stage: str) -> str:
    """Colour of a stage; one that is not known looks like a span of no stage."""
    return STAGE_COLOURS.get(stage, STAGE_COLOURS[""])


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(part.capitalize() for part in others)
