"""What one provider and model name costs, from when on: the genai-prices package, read into rates that SQL can hold.

A provider is spelled differently by every convention (`aws.bedrock`, `az.ai.openai`, `x_ai`, …) and a model by every
gateway (`models/…`, `publishers/google/models/…`, `openai/gpt-4o`); `model_names` brings both to the package's names. A
name without a known price has no periods: its cost is unknown, never 0. What is computed on machines of one's own costs
nothing for its tokens.

The package's rules, kept: a tier holds for all tokens of a call whose input is above its threshold; of prices that
hold at the same moment the last one listed wins; tokens without a price of their own (cached, spoken) cost what their
kind costs. Not kept: a service tier (`flex`, `priority`, `batch`) that the package does not price at a moment is
unknown then, where the package would answer with the standard price.

Source: https://github.com/pydantic/genai-prices
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from importlib import metadata
from typing import Any

from sightline_store.prices import model_names

SINCE_EVER = datetime(1970, 1, 1, tzinfo=UTC)
"""Start of a price without a date."""

STANDARD_TIERS = frozenset({"", "auto", "default", "standard", "on_demand"})
"""Service tiers that cost the standard price."""

_MAKERS = (
    "openai",
    "anthropic",
    "google",
    "mistral",
    "cohere",
    "deepseek",
    "x-ai",
    "perplexity",
    "voyageai",
    "moonshotai",
)
_HOSTS = ("aws", "groq", "together", "fireworks", "cerebras")
"""Providers that are asked for a name without a provider: the makers of models first, then those who serve others'
models. Resellers are not asked, they sell at prices of their own."""
_BESIDE_TOKENS = {
    "web_searches_kcount": "web searches",
    "social_searches_kcount": "social searches",
    "storage_searches_kcount": "storage searches",
    "code_executions_kcount": "code executions",
}
LOCAL = "local"
"""Source of the price of what is computed on machines of one's own."""


@dataclass(frozen=True, kw_only=True)
class Rate:
    """Prices that hold together, in USD per million tokens; None is unknown, or costs what its kind costs."""

    input: Decimal | None = None
    cache_read: Decimal | None = None
    cache_write: Decimal | None = None
    cache_write_1h: Decimal | None = None
    input_audio: Decimal | None = None
    output: Decimal | None = None
    output_audio: Decimal | None = None
    reasoning: Decimal | None = None
    request: Decimal | None = None
    """USD for each call, in addition to its tokens."""

    @property
    def is_known(self) -> bool:
        """Whether anything has a price."""
        return any(getattr(self, field_.name) is not None for field_ in fields(self))


@dataclass(frozen=True, kw_only=True)
class SpecialRate:
    """A rate that takes the place of its period's where its conditions hold."""

    above_input: int = -1
    """Holds for calls with more input tokens than this."""
    from_s: int = 0
    """Second of the day (UTC) from which it holds, daily; where it is later than `to_s`, past midnight."""
    to_s: int = 86_400
    """Second of the day at which it ends."""
    rate: Rate


@dataclass(frozen=True, kw_only=True)
class Period:
    """Prices from a moment on, until the next period."""

    valid_from: datetime
    rate: Rate
    specials: tuple[SpecialRate, ...] = ()
    """The first whose conditions hold wins over `rate`."""
    source: str = "genai-prices"


@dataclass(frozen=True, kw_only=True)
class Quote:
    """The price of a name; unknown without periods."""

    periods: tuple[Period, ...] = ()
    model: str = ""
    """provider/model as the package calls it."""
    note: str = ""
    """What a reader must know: a guessed provider, units that spans do not count."""


_FREE = Rate(input=Decimal(0), output=Decimal(0))


@dataclass(frozen=True)
class _Entry:
    """A price of the package with its condition: from a date on, at hours of the day, or always."""

    price: Any
    start: date | None = None
    hours: tuple[int, int] | None = None


@dataclass
class _Match:
    provider: str
    model: Any
    guessed: bool = field(default=False)


def package_version() -> str:
    """The version of genai-prices that is installed, '' without one; read without importing it."""
    try:
        return metadata.version("genai-prices")
    except metadata.PackageNotFoundError:
        return ""


def quote(key: str, service_tier: str = "") -> Quote:
    """Look up `provider/model`; a name that the package does not know has no periods."""
    provider, _, model_ref = key.partition("/")
    if model_names.is_local(provider, model_ref.strip()):
        return Quote(periods=(Period(valid_from=SINCE_EVER, rate=_FREE, source=LOCAL),), model="local compute")
    match = _find(provider, model_ref)
    if match is None:
        return Quote()
    tier = service_tier.strip().lower()
    tier = "" if tier in STANDARD_TIERS else tier
    periods = tuple(_periods(_entries(match.model), match.model, tier))
    if match.provider == "openrouter" and match.model.id.endswith(":free"):
        periods = (Period(valid_from=SINCE_EVER, rate=_FREE),)
    beside = sorted(
        {
            name
            for entry in _entries(match.model)
            for unit, name in _BESIDE_TOKENS.items()
            if getattr(entry.price, unit) is not None
        }
    )
    notes = [f"provider guessed from the model's name: {match.provider}"] if match.guessed else []
    notes += [f"not counted: {', '.join(beside)}"] if beside else []
    return Quote(periods=periods, model=f"{match.provider}/{match.model.id}", note="; ".join(notes))


def _find(provider: str, model_ref: str) -> _Match | None:
    from genai_prices import data_snapshot  # noqa: PLC0415  (about 0.3 s and 30 MB: paid when a model is looked up)

    snapshot = data_snapshot.get_snapshot()
    for candidate in model_names.candidates(provider, model_ref):
        found = _look_up(snapshot, candidate)
        if found is None:
            continue
        owner, model = found
        if _is_same(candidate.model, owner, model):
            return _Match(owner.id, model, guessed=candidate.guessed)
    return None


def _look_up(snapshot: Any, candidate: model_names.Candidate) -> tuple[Any, Any] | None:
    """The package's provider and model; without a provider the one that has the name, None where several have it."""
    name, is_open = candidate.model.lower(), model_names.is_open(candidate.model)
    if candidate.provider or not is_open:
        try:
            found: tuple[Any, Any] = snapshot.find_provider_model(name, None, candidate.provider or None, None)
        except LookupError:
            if candidate.provider:
                return None
        else:
            return found
    providers = {provider.id: provider for provider in snapshot.providers}
    for group in ((*_MAKERS, *_HOSTS),) if is_open else (_MAKERS, _HOSTS):
        owners = [(providers[id_], model) for id_ in group if (model := providers[id_].find_model(name)) is not None]
        if owners:
            return owners[0] if len(owners) == 1 else None
    return None


def _is_same(model_ref: str, owner: Any, model: Any) -> bool:
    """Whether the price of the match is that of the name: not the base's for a tuned model, nor another seller's."""
    if model_names.is_fine_tuned(model_ref) and "ft" not in re.split(r"[^a-z]+", model.id.lower()):
        return False
    # The package takes DeepSeek's own prices for its models on Azure, which has others.
    return not (owner.id == "azure" and model.id.startswith("deepseek") and owner.find_model(model_ref.lower()) is None)


def _entries(model: Any) -> list[_Entry]:
    if not isinstance(model.prices, list):
        return [_Entry(model.prices)]
    return [_entry(conditional.constraint, conditional.prices) for conditional in model.prices]


def _entry(constraint: Any, price: Any) -> _Entry:
    start = getattr(constraint, "start_date", None)
    if constraint is None or start is not None:
        return _Entry(price, start)
    return _Entry(price, None, (_second(constraint.start_time), _second(constraint.end_time)))


def _second(moment: time) -> int:
    """The second of the day in UTC; a time without a zone is UTC."""
    if moment.tzinfo is not None:
        moment = datetime.combine(date(2000, 1, 2), moment).astimezone(UTC).timetz()
    return moment.hour * 3600 + moment.minute * 60 + moment.second


def _periods(entries: Sequence[_Entry], model: Any, tier: str) -> Iterator[Period]:
    """One period from every date on which anything changes; of the entries that hold, the last one wins."""
    variants = [_variant(variant) for variant in model.price_variants or () if tier and _is_for(variant.when, tier)]
    dates = {entry.start for entry in (*entries, *variants)} - {None}
    last: Period | None = None
    for start in [None, *sorted(day for day in dates if day is not None)]:
        holding = [e for e in entries if e.start is None or (start is not None and e.start <= start)]
        # Where no condition holds, the package takes the first price.
        base = max((n for n, e in enumerate(holding) if e.hours is None), default=None)
        standard = holding[base].price if base is not None else entries[0].price
        hourly = [e for e in holding[base + 1 if base is not None else 0 :] if e.hours is not None]
        if tier:
            now = [e for e in variants if e.start is None or (start is not None and e.start <= start)]
            rate, specials = _rates(_merged(standard, [e.price for e in now]), []) if now else (Rate(), ())
        else:
            rate, specials = _rates(standard, hourly)
        period = Period(
            valid_from=datetime.combine(start, time(), UTC) if start else SINCE_EVER, rate=rate, specials=specials
        )
        if last is None or (last.rate, last.specials) != (rate, specials):
            last = period
            yield period


def _is_for(when: dict[str, str], tier: str) -> bool:
    return when in ({"service_tier": tier}, {"processing": tier}, {"speed": tier})


def _variant(variant: Any) -> _Entry:
    return _entry(variant.constraint, variant.prices)


def _merged(standard: Any, overrides: Sequence[Any]) -> dict[str, Any]:
    """The standard prices with those of a service tier over them, the first listed winning for each unit."""
    merged = {unit: price for unit, price in vars(standard).items() if price is not None}
    own: dict[str, Any] = {}
    for price in overrides:
        for unit, value in vars(price).items():
            if value is not None:
                own.setdefault(unit, value)
    return merged | own


def _rates(standard: Any, hourly: Sequence[_Entry]) -> tuple[Rate, tuple[SpecialRate, ...]]:
    """The rate of a period and its special rates, the one that wins first."""
    base, tiers = _tiered(standard)
    specials = []
    for entry in reversed(hourly):
        assert entry.hours is not None
        from_s, to_s = entry.hours
        at_hours, above = _tiered(entry.price)
        for special in (*above, SpecialRate(rate=at_hours)):
            specials.append(replace(special, from_s=from_s, to_s=to_s))
    return base, (*specials, *tiers)


def _tiered(price: Any) -> tuple[Rate, list[SpecialRate]]:
    """The rate below every threshold, and the rates above each, the highest first."""
    prices = (
        price if isinstance(price, dict) else {unit: value for unit, value in vars(price).items() if value is not None}
    )
    starts = sorted({tier.start for value in prices.values() for tier in getattr(value, "tiers", ())}, reverse=True)
    return _rate(prices, -1), [SpecialRate(above_input=start, rate=_rate(prices, start)) for start in starts]


def _rate(prices: dict[str, Any], above: int) -> Rate:
    def at(unit: str) -> Decimal | None:
        price = prices.get(unit)
        if price is None:
            return None
        reached = [tier.price for tier in getattr(price, "tiers", ()) if tier.start <= above]
        return Decimal(reached[-1] if reached else getattr(price, "base", price))

    per_thousand = at("requests_kcount")
    return Rate(
        input=at("input_mtok"),
        cache_read=at("cache_read_mtok"),
        cache_write=at("cache_write_mtok"),
        cache_write_1h=at("cache_write_1h_mtok"),
        input_audio=at("input_audio_mtok"),
        output=at("output_mtok"),
        output_audio=at("output_audio_mtok"),
        reasoning=at("output_reasoning_mtok"),
        request=None if per_thousand is None else per_thousand / 1000,
    )
