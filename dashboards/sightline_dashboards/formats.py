"""Numbers as the pages speak them: 3 significant digits, a unit always, thousands separated.

Pure functions of numbers to text. None and NaN are "unknown", never 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

UNKNOWN = "unknown"
_SMALLEST_PLAIN = 1e-4  # below it the format `g` writes an exponent
Tone = Literal["good", "bad", "neutral"]


def significant(value: float, digits: int = 3) -> str:
    """Return a number with `digits` significant digits and thousands separated: 0.0421, 3.14, 412, 1,230."""
    if value == 0:
        return "0"
    if _SMALLEST_PLAIN <= abs(value) < 10**digits - 0.5:  # as all others, and several times faster
        return f"{value:#.{digits}g}".rstrip(".")
    decimals = digits - 1 - math.floor(math.log10(abs(value)))
    rounded = round(value, decimals)
    if rounded != 0:  # 9.996 rounds up to a number with one digit more before the point
        decimals = digits - 1 - math.floor(math.log10(abs(rounded)))
    return f"{rounded:,.{max(0, decimals)}f}"


def count(value: float | None) -> str:
    """Return a whole number in full: 184,220."""
    return UNKNOWN if _unknown(value) else f"{round(value or 0):,}"


def compact(value: float | None) -> str:
    """Return a large number shortly: 940, 12.3 k, 24.2 M."""
    if _unknown(value) or value is None:
        return UNKNOWN
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size * 0.9995:
            return f"{significant(value / size)} {unit}"
    return f"{value:.0f}" if float(value).is_integer() else significant(value)


def duration(ms: float | None) -> str:
    """Return milliseconds as ms below 1 s and as s above: 0.42 ms, 412 ms, 2.31 s, 12.5 min."""
    if _unknown(ms) or ms is None:
        return UNKNOWN
    if abs(ms) < 999.5:
        return f"{_trimmed(significant(ms)) if abs(ms) < 1 else significant(ms)} ms"
    if abs(ms) < 120_000:
        return f"{significant(ms / 1e3)} s"
    if abs(ms) < 7_200_000:
        return f"{significant(ms / 6e4)} min"
    return f"{significant(ms / 3.6e6)} h"


def money(usd: float | None) -> str:
    """Return US dollars: $1.82, $1,240, $0.00026. Below a cent with 2 significant digits more than the zeros."""
    if _unknown(usd) or usd is None:
        return UNKNOWN
    if usd == 0:
        return "$0"
    sign, size = ("-" if usd < 0 else ""), abs(usd)
    if size >= 999.5:
        return f"{sign}${size:,.0f}"
    if size >= 0.0095:
        return f"{sign}${size:,.2f}" if size >= 0.995 else f"{sign}${significant(size)}"
    return f"{sign}${significant(size, 2)}"


def share(value: float | None) -> str:
    """Return a share between 0 and 1 in percent: 0.4 %, 12.5 %, 100 %."""
    if _unknown(value) or value is None:
        return UNKNOWN
    if 0 < abs(value) < 0.0001:
        return "<0.01 %"
    return f"{_trimmed(significant(value * 100))} %"


def share_of(part: float, whole: float) -> str:
    """Return a share with its base: 12 of 840."""
    return f"{count(part)} of {count(whole)}"


def estimate(mean: float | None, half_width: float | None) -> str:
    """Return a score with its interval, both to the digit that the interval allows: 0.91 ±0.02."""
    if _unknown(mean) or mean is None:
        return UNKNOWN
    if _unknown(half_width) or half_width is None or half_width == 0:
        return f"{mean:.2f}"
    decimals = min(3, max(2, -math.floor(math.log10(half_width))))
    return f"{mean:.{decimals}f} ±{half_width:.{decimals}f}"


def score(value: float | None) -> str:
    """Return one score: 0.93."""
    return UNKNOWN if _unknown(value) else f"{value:.2f}"


def age(seconds: float | None) -> str:
    """Return how long ago something was: just now, 4 s ago, 12 min ago, 3 h ago, 2 days ago."""
    if _unknown(seconds) or seconds is None:
        return UNKNOWN
    if seconds < 1.5:
        return "just now"
    for size, unit in ((86400, "days"), (3600, "h"), (60, "min"), (1, "s")):
        if seconds >= size * (2 if unit == "days" else 1):
            return f"{seconds / size:.0f} {unit} ago"
    return "just now"


def shortened(text: str, length: int = 12) -> str:
    """Return the beginning of an id or a text, with an ellipsis where something was cut."""
    return text if len(text) <= length else text[: length - 1] + "…"


def first_line(text: str, length: int = 90) -> str:
    """Return the first line of a text that holds anything, shortened."""
    lines = (line.strip() for line in text[:10_000].splitlines())
    return shortened(next((line for line in lines if line), ""), length)


@dataclass(frozen=True)
class Change:
    """How a number moved against the window before."""

    text: str
    tone: Tone


def change(now: float | None, before: float | None, *, better: Literal["lower", "higher", "unclear"]) -> Change | None:
    """Return the relative change: ▲8 %, ▼3 %, = below half a percent; None where either side is unknown.

    Args:
        now: the value in this window.
        before: the value in the window of the same length before it.
        better: which direction is good; "unclear" where the difference may be noise or is no matter of good and bad.
    """
    if now is None or before is None or _unknown(now) or _unknown(before):
        return None
    if before == 0:
        return Change("=", "neutral") if now == 0 else Change("▲ from 0", "bad" if better == "lower" else "neutral")
    relative = (now - before) / abs(before)
    if abs(relative) < 0.005:
        return Change("=", "neutral")
    arrow = "▲" if relative > 0 else "▼"
    size = f"{arrow}{abs(relative) + 1:.1f}x" if relative > 9.995 else f"{arrow}{abs(relative) * 100:.0f} %"
    if better == "unclear":
        return Change(size, "neutral")
    return Change(size, "good" if (relative < 0) == (better == "lower") else "bad")


def _unknown(value: float | None) -> bool:
    return value is None or math.isnan(value)


def _trimmed(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text


_FIRST_TOKENS = {
    "delivered": ("First token", "Measured where the answer leaves for the user."),
    "first_token": ("Model's first token", "Measured where the application calls the model: the user has it later."),
    "first_chunk": (
        "Model's first chunk",
        "The first chunk of the model's stream, which may be empty: the first token comes then or later.",
    ),
}


def first_token_name(definition: str) -> str:
    """Return what a time to first token of this definition (`requests.TtftDefinition`) is the time of."""
    return _FIRST_TOKENS.get(definition, _FIRST_TOKENS["delivered"])[0]


def first_token_note(definition: str, others: int) -> str:
    """Return what times to first token of this definition mean, and how many requests are not among them.

    Args:
        definition: 'delivered', 'first_token' or 'first_chunk'; '' where there is no such time.
        others: requests that have a time of another definition.
    """
    if definition not in _FIRST_TOKENS:
        return "No request recorded a first token."
    left_out = f" {count(others)} requests that recorded another moment are not among them." if others else ""
    return _FIRST_TOKENS[definition][1] + left_out


def first_token(ms: float | None, definition: str) -> str:
    """Return one request's time to first token, as the least that it can be where only the model's stream was timed."""
    return duration(ms) if ms is None or definition == "delivered" else f"≥ {duration(ms)}"
