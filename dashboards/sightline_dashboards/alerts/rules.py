"""What a rules file says, as pydantic models; `rules_file` finds what single fields cannot show.

The burn rates follow https://sre.google/workbook/alerting-on-slos/ (multiwindow, multi-burn-rate alerts).
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

from sightline_dashboards.alerts.metrics import METRICS, Metric
from sightline_store.moments import duration_s

STORE_AWAY: Final = "store-away"
"""Name of the one rule that is not in the file: the store does not answer."""

_NAME: Final = r"^[a-z0-9][a-z0-9_-]{0,63}$"
_LENGTH: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m)")
_LENGTHS_MS: Final = {"ms": 1.0, "s": 1e3, "m": 6e4}
_LONGEST_S: Final = 366 * 86_400
_MARGIN: Final = 0.05
"""How far on the good side of its threshold a value has to be to count as clear, as a share of the threshold."""


def _seconds(value: Any) -> Any:
    """Seconds of `5m`; 0 stays 0."""
    if value == 0 and not isinstance(value, bool):
        return 0
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no duration: write a number and a unit, such as 30s, 5m, 1h or 7d")  # noqa: TRY004  (pydantic reads ValueError)
    seconds = 0 if re.fullmatch(r"0+\s*[smhdw]", value.strip()) else duration_s(value)
    if seconds > _LONGEST_S:
        raise ValueError(f"{value!r} is too long: 366d at most")
    return seconds


def _milliseconds(value: Any) -> Any:
    match = _LENGTH.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"{value!r} is no time: write a number and a unit, such as 800ms or 2.5s")
    return float(match[1]) * _LENGTHS_MS[match[2]]


def _number(value: Any) -> Any:
    """A number, or a percentage as a share."""
    if isinstance(value, str) and (match := re.fullmatch(r"\s*(-?\d+(?:\.\d+)?)\s*%\s*", value)):
        return float(match[1]) / 100
    if isinstance(value, str | bool):
        raise ValueError(f"{value!r} is no number: write 2500, 0.05 or 5%")  # noqa: TRY004  (as above)
    return value


Seconds = Annotated[int, BeforeValidator(_seconds), PlainSerializer(lambda seconds: f"{seconds}s")]
Milliseconds = Annotated[
    float, BeforeValidator(_milliseconds), Field(gt=0), PlainSerializer(lambda length_ms: f"{length_ms:f}ms")
]
Number = Annotated[float, BeforeValidator(_number), Field(allow_inf_nan=False)]
Name = Annotated[str, Field(pattern=_NAME)]


class Severity(StrEnum):
    """How fast somebody has to look."""

    PAGE = "page"
    TICKET = "ticket"
    INFO = "info"


class Missing(StrEnum):
    """What a window without events means."""

    OK = "ok"
    KEEP = "keep"
    ALERT = "alert"


class Against(StrEnum):
    """What a window is compared with."""

    WINDOW_BEFORE = "window_before"
    WEEK_BEFORE = "week_before"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Filters(_Part):
    """What a metric is narrowed to; '' is all."""

    tenant: str = ""
    model: str = ""
    route: str = ""
    service: str = ""

    def given(self) -> dict[str, str]:
        """Those that narrow."""
        return {name: value for name, value in self.model_dump().items() if value}


class Change(_Part):
    """How a window moved, relative to an earlier one: 50% is half as much again."""

    against: Against
    above: Number | None = None
    below: Number | None = None


class BurnWindow(_Part):
    """Two windows that both have to burn `spent` of the budget of the period, each in proportion to its length."""

    long: Seconds
    short: Seconds
    spent: Annotated[Number, Field(gt=0, le=1)]


_FAST: Final = (
    BurnWindow(long="1h", short="5m", spent="2%"),  # type: ignore[arg-type]  # read by the validators
    BurnWindow(long="6h", short="30m", spent="5%"),  # type: ignore[arg-type]
)
_SLOW: Final = (
    BurnWindow(long="1d", short="2h", spent="10%"),  # type: ignore[arg-type]
    BurnWindow(long="3d", short="6h", spent="10%"),  # type: ignore[arg-type]
)


class BurnRate(_Part):
    """A service level and how fast its error budget may be spent."""

    objective: Annotated[Number, Field(gt=0, lt=1)]
    period: Seconds = 30 * 86_400
    speed: Literal["fast", "slow"] = "fast"
    windows: tuple[BurnWindow, ...] = ()

    @property
    def budget(self) -> float:
        """The share of events that may be bad."""
        return 1 - self.objective

    @property
    def pairs(self) -> tuple[BurnWindow, ...]:
        """The windows that are given, or those of the speed."""
        return self.windows or (_FAST if self.speed == "fast" else _SLOW)

    def rate(self, pair: BurnWindow) -> float:
        """How many times faster than allowed a budget is spent of which `spent` goes within the long window.

        1 spends the budget in exactly the period; 2 % of 30 days' budget in an hour is 14.4.
        """
        return pair.spent * self.period / pair.long


class Rule(_Part):
    """One rule."""

    name: Name
    about: Annotated[str, Field(max_length=500)] = ""
    metric: str
    filters: Filters = Filters()
    slower_than: Milliseconds | None = None
    window: Seconds | None = None
    above: Number | None = None
    below: Number | None = None
    change: Change | None = None
    burn_rate: BurnRate | None = None
    resolve: Number | None = None
    for_s: Annotated[Seconds | None, Field(alias="for")] = None
    clear_for: Seconds = 300
    cool_down: Seconds = 600
    least_events: Annotated[int, Field(ge=0)] | None = None
    missing: Missing = Missing.KEEP
    severity: Severity = Severity.TICKET
    channels: tuple[str, ...] | None = None

    def definition(self) -> str:
        """The rule as JSON, which `model_validate_json` reads again."""
        return self.model_dump_json(by_alias=True, exclude_unset=True)

    @property
    def of(self) -> Metric:
        """The metric."""
        return METRICS[self.metric]

    @property
    def window_s(self) -> int:
        """Length of the window; of a burn rate, the longest of its short windows."""
        return self.window or (max(pair.short for pair in self.burn_rate.pairs) if self.burn_rate else 0)

    @property
    def limits(self) -> tuple[float | None, float | None]:
        """`above` and `below` of the rule, or of its change; a burn rate is above 1 where it is too fast."""
        if self.burn_rate:
            return 1.0, None
        return (self.change.above, self.change.below) if self.change else (self.above, self.below)

    @property
    def threshold(self) -> float:
        """The value beyond which the rule is breached."""
        above, below = self.limits
        return above if above is not None else below if below is not None else 0.0

    @property
    def is_above(self) -> bool:
        """Whether greater values are worse."""
        return self.limits[0] is not None

    @property
    def resolve_at(self) -> float:
        """The value from which the rule is clear: the one given, or a little on the good side of the threshold."""
        if self.resolve is not None:
            return self.resolve
        margin = abs(self.threshold) * _MARGIN
        if self.is_above:
            return self.threshold - margin
        highest = None if self.change else self.of.highest_value
        room = margin if highest is None else min(margin, (highest - self.threshold) / 2)
        return self.threshold + room

    @property
    def pending_s(self) -> int:
        """How long a breach has to last. The windows of a burn rate have waited already."""
        return self.for_s if self.for_s is not None else 0 if self.burn_rate else 120

    @property
    def events_needed(self) -> int:
        """The least number of events of a window that is judged."""
        if self.least_events is not None:
            return self.least_events
        return 20 if self.of.is_of_events else 0


class Webhook(_Part):
    """A JSON document by POST; signed where there is a secret."""

    kind: Literal["webhook"]
    url: str = ""
    url_env: str = ""
    url_file: str = ""
    secret_env: str = ""
    secret_file: str = ""


class Slack(_Part):
    """An incoming webhook of Slack, Mattermost, Rocket.Chat or Discord (`/slack`). Its address is a secret."""

    kind: Literal["slack"]
    url_env: str = ""
    url_file: str = ""


class Email(_Part):
    """A mail to people; the server is in SIGHTLINE_ALERTS_SMTP_*."""

    kind: Literal["email"]
    to: tuple[Annotated[str, Field(pattern=r"^[^@\s,<>]+@[^@\s,<>]+$")], ...]


class Log(_Part):
    """A line in the evaluator's log."""

    kind: Literal["log"]


Channel = Annotated[Webhook | Slack | Email | Log, Field(discriminator="kind")]


class StoreAway(_Part):
    """Who is told, and after how long, that the store does not answer."""

    for_s: Annotated[Seconds, Field(alias="for")] = 120
    severity: Severity = Severity.PAGE
    channels: tuple[str, ...] | None = None


class RulesFile(_Part):
    """A whole rules file."""

    version: Literal[1]
    channels: dict[Name, Channel] = {}
    default_channels: tuple[str, ...] = ()
    store_away: StoreAway = StoreAway()
    rules: tuple[Rule, ...]

    def channels_of(self, part: Rule | StoreAway) -> tuple[str, ...]:
        """Names of the channels that are told."""
        return self.default_channels if part.channels is None else part.channels

    def rule(self, name: str) -> Rule:
        """A rule by its name.

        Raises:
            KeyError: there is none; the message lists those that there are.
        """
        found = next((rule for rule in self.rules if rule.name == name), None)
        if found is None:
            raise KeyError(
                f"there is no rule {name!r}; there are {', '.join(rule.name for rule in self.rules) or 'none'}"
            )
        return found
