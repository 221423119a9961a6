"""Reads a rules file and says, for whatever is wrong, in which line, rule and field."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import ValidationError

from sightline_dashboards.alerts.errors import RulesInvalid
from sightline_dashboards.alerts.metrics import METRICS, Kind
from sightline_dashboards.alerts.rules import STORE_AWAY, BurnRate, Email, Log, Rule, RulesFile, Slack, Webhook

READY_RULES: Final = "ready_rules.yaml"
_MOST_BYTES: Final = 1 << 20
_KINDS: Final = ("webhook", "slack", "email", "log")
_Place = tuple[str | int, ...]
Fault = tuple[_Place, str]
"""Where in the file, and what is wrong."""


def ready_text() -> str:
    """The rules that Sightline ships, as text."""
    return resources.files(__package__).joinpath(READY_RULES).read_text(encoding="utf-8")


def load(path: Path | None) -> RulesFile:
    """The rules of a file; without one, those that Sightline ships.

    Raises:
        RulesInvalid: it can't be read, or something in it is wrong.
    """
    if path is None:
        return parse(ready_text(), READY_RULES)
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise RulesInvalid(str(path), [": is larger than 1 MiB"])
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "is not UTF-8"
        raise RulesInvalid(str(path), [f": {reason}"]) from exc
    return parse(text, str(path))


def parse(text: str, file: str) -> RulesFile:
    """The rules of a text.

    Args:
        text: YAML.
        file: its name, for messages.

    Raises:
        RulesInvalid: something in it is wrong; all of it is told at once.
    """
    document, lines = _read(text, file)
    if not isinstance(document, dict):
        raise RulesInvalid(file, [":1: needs `version: 1` and `rules:`"])
    try:
        rules = RulesFile.model_validate(document)
    except ValidationError as exc:
        found = [(error["loc"], _words(error)) for error in exc.errors(include_url=False)]
        raise RulesInvalid(file, [_told(place, words, lines, document) for place, words in found]) from exc
    wrong = [_told(place, words, lines, document) for place, words in _faults(rules)]
    if wrong:
        raise RulesInvalid(file, wrong)
    return rules


def _read(text: str, file: str) -> tuple[Any, dict[_Place, int]]:
    """A document, and the line, from 1, of each of its keys and items, by path."""
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            if isinstance(event, yaml.AliasEvent):
                # Nested aliases grow without limit, and a line would have several paths.
                raise RulesInvalid(file, [f":{event.start_mark.line + 1}: aliases (*{event.anchor}) are not read"])
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        document = yaml.safe_load(text)
    except yaml.MarkedYAMLError as exc:
        line = exc.problem_mark.line + 1 if exc.problem_mark else 1
        raise RulesInvalid(file, [f":{line}: is no YAML: {exc.problem}"]) from exc
    except yaml.YAMLError as exc:
        raise RulesInvalid(file, [f": is no YAML: {exc}"]) from exc
    return document, dict(_walk(root, (), file)) if root else {}


def _walk(node: yaml.Node, path: _Place, file: str) -> Iterator[tuple[_Place, int]]:
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            if key.value in seen:
                raise RulesInvalid(file, [f":{key.start_mark.line + 1}: {key.value!r} is there twice"])
            seen.add(key.value)
            yield (*path, key.value), key.start_mark.line + 1
            yield from _walk(value, (*path, key.value), file)
    elif isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            yield (*path, number), value.start_mark.line + 1
            yield from _walk(value, (*path, number), file)


def _told(place: _Place, words: str, lines: Mapping[_Place, int], document: Mapping[str, Any]) -> str:
    """One problem as `:LINE: rule NAME, field PATH: words`."""
    known: _Place = ()
    for step in place:  # pydantic's path also names the kind of a channel, which the file's does not
        if (*known, step) in lines:
            known = (*known, step)
    fields = list(known)
    if place and isinstance(place[-1], str) and place[-1] not in {*known, *_KINDS}:
        fields.append(place[-1])  # a field that is not there
    subject = ""
    if known[:1] == ("rules",) and len(known) > 1:
        subject = _rule_name(document, int(known[1]))
        fields = fields[2:]
    field = f"field {'.'.join(map(str, fields))}" if fields else ""
    where = ", ".join(part for part in (subject, field) if part)
    return f":{lines.get(known, 1)}: {where}{': ' if where else ''}{words}"


def _rule_name(document: Mapping[str, Any], number: int) -> str:
    rules = document.get("rules")
    rule = rules[number] if isinstance(rules, list) and number < len(rules) else None
    name = rule.get("name") if isinstance(rule, dict) else None
    return f"rule {name}" if name else f"rule {number + 1}"


def _words(error: Mapping[str, Any]) -> str:
    kind, context = error["type"], error.get("ctx", {})
    if kind == "extra_forbidden":
        return "there is no such field"
    if kind == "missing":
        return "is missing"
    if kind == "union_tag_not_found":
        return "needs a kind: webhook, slack, email or log"
    if kind == "union_tag_invalid":
        return f"there is no kind {context.get('tag')!r}; there are webhook, slack, email and log"
    if kind == "string_pattern_mismatch":
        return f"{error['input']!r} does not fit: needs {context.get('pattern')}"
    message = str(error["msg"]).removeprefix("Value error, ")
    return message if kind == "value_error" else f"{message[:1].lower()}{message[1:]}"


def _faults(file: RulesFile) -> Iterator[Fault]:
    """What no single field shows: names that are missing or there twice, thresholds that make no sense."""
    for name, channel in file.channels.items():
        for fault in _channel_faults(channel):
            yield ("channels", name, *fault[0]), fault[1]
    yield from _unknown_channels(file, ("default_channels",), file.default_channels)
    yield from _unknown_channels(file, ("store_away", "channels"), file.store_away.channels or ())
    seen: set[str] = set()
    for number, rule in enumerate(file.rules):
        at = ("rules", number)
        if rule.name in seen:
            yield (*at, "name"), "another rule has this name"
        if rule.name == STORE_AWAY:
            yield (*at, "name"), "this name is Sightline's own: see `store_away`"
        seen.add(rule.name)
        yield from _unknown_channels(file, (*at, "channels"), rule.channels or ())
        if rule.metric not in METRICS:
            yield (*at, "metric"), f"there is no metric {rule.metric!r}; there are {', '.join(METRICS)}"
            continue
        for place, words in _rule_faults(rule):
            yield (*at, *place), words


def _channel_faults(channel: Webhook | Slack | Email | Log) -> Iterator[Fault]:
    if isinstance(channel, Email) and not channel.to:
        yield ("to",), "needs an address"
    if isinstance(channel, Email | Log):
        return
    given = [name for name in ("url", "url_env", "url_file") if getattr(channel, name, "")]
    if len(given) != 1:
        choices = "url, url_env and url_file" if isinstance(channel, Webhook) else "url_env and url_file"
        yield tuple(given[-1:]), f"needs one of {choices}"
    if isinstance(channel, Webhook):
        if channel.url and not re.match(r"https?://[^/@\s]+(/|$)", channel.url):
            yield (
                ("url",),
                "needs an http(s) address without a user; one that holds a secret goes into url_env or url_file",
            )
        if channel.secret_env and channel.secret_file:
            yield ("secret_file",), "needs one of secret_env and secret_file"


def _unknown_channels(file: RulesFile, at: _Place, names: tuple[str, ...]) -> Iterator[Fault]:
    for number, name in enumerate(names):
        if name not in file.channels:
            yield (*at, number), f"there is no channel {name!r}; there are {', '.join(file.channels) or 'none'}"


def _rule_faults(rule: Rule) -> Iterator[Fault]:
    metric = rule.of
    for name in rule.filters.given():
        if name not in metric.filters:
            able = ", ".join(sorted(metric.filters)) or "no filter"
            yield ("filters", name), f"{metric.name} can't be narrowed by it; it takes {able}"
    if metric.slower_than and rule.slower_than is None:
        yield ("metric",), f"{metric.name} needs slower_than, such as 2s"
    if rule.slower_than is not None and not metric.slower_than:
        yield ("slower_than",), f"{metric.name} does not take it"
    conditions = [name for name in ("above", "below", "change", "burn_rate") if getattr(rule, name) is not None]
    if len(conditions) != 1:
        yield ((conditions[1],) if conditions else ()), "needs one of above, below, change and burn_rate"
        return
    if rule.burn_rate:
        yield from _burn_faults(rule, rule.burn_rate)
        return
    if rule.window is None or rule.window < 60 or rule.window % 60:
        yield ("window",), "needs whole minutes, 1m or more"
    if rule.change:
        if (rule.change.above is None) == (rule.change.below is None):
            yield ("change",), "needs one of above and below"
        if not metric.has_history:
            yield ("change",), f"the store keeps no earlier values of {metric.name}"
    elif metric.highest_value is not None and not 0 <= rule.threshold <= metric.highest_value:
        yield (conditions[0],), f"{metric.name} is between 0 and 1: write 5% or 0.05"
    if rule.resolve is not None and (rule.resolve > rule.threshold if rule.is_above else rule.resolve < rule.threshold):
        yield ("resolve",), f"has to be on the good side of the threshold {rule.threshold:g}"


def _burn_faults(rule: Rule, burn: BurnRate) -> Iterator[Fault]:
    if rule.of.kind is not Kind.SHARE:
        able = ", ".join(metric.name for metric in METRICS.values() if metric.kind is Kind.SHARE)
        yield ("burn_rate",), f"needs a metric that is a share of bad events: {able}"
    for name in ("window", "resolve"):
        if getattr(rule, name) is not None:
            yield (name,), "a burn rate has windows and limits of its own"
    for number, pair in enumerate(burn.pairs):
        place = ("burn_rate", "windows", number) if burn.windows else ("burn_rate",)
        if pair.short < 60 or pair.short % 60 or pair.long % 60 or pair.long <= pair.short:
            yield place, "needs windows of whole minutes, the long one longer than the short one"
        elif burn.rate(pair) * burn.budget >= 1:
            yield (
                place,
                f"can never be breached: {burn.rate(pair):g} times the budget of {burn.budget:.3g} is more than all",
            )
